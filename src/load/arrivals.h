// When requests are due: a pure sequence of offsets from the start, never decreasing. Owns no
// clock; the generator does. The same parameters and seed give the same sequence on every machine.
// Not thread-safe: one owner each.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace corolla::load {

class Arrivals {
 public:
  virtual ~Arrivals() = default;
  virtual std::optional<Duration> next() = 0;  // nullopt: the schedule is over
};

// One every 1/rate seconds, the first at 0. Does not drift: the n-th is due at n/rate exactly.
// REQUIRES: rate > 0, here and below.
std::unique_ptr<Arrivals> make_constant(double rate);

// Exponential gaps with mean 1/rate: independent users.
std::unique_ptr<Arrivals> make_poisson(double rate, uint64_t seed);

// Gaps from a list, again and again (perf_client's --request-intervals). REQUIRES: not empty; gaps
// >= 0 with a sum > 0.
std::unique_ptr<Arrivals> make_intervals(std::vector<Duration> gaps);

// Offsets as recorded, once. REQUIRES: never decreasing.
std::unique_ptr<Arrivals> make_trace(std::vector<Duration> offsets);

// Bursts: Poisson arrivals whose rate switches between two states that last exponentially long (a
// Markov-modulated Poisson process).
struct Burst {
  double calm_rate = 0;  // may be 0
  double burst_rate = 0;
  Duration calm_mean{}, burst_mean{};  // how long each state lasts on average
  // The long-run mean rate.
  double mean_rate() const;
};
std::unique_ptr<Arrivals> make_burst(const Burst& burst, uint64_t seed);

// Ends another schedule after `length`.
std::unique_ptr<Arrivals> until(std::unique_ptr<Arrivals> arrivals, Duration length);

// Every `parts`-th of another schedule, beginning with number `part`: how threads share one
// schedule.
std::unique_ptr<Arrivals> share_of(std::unique_ptr<Arrivals> arrivals, size_t part, size_t parts);

// A file of gaps in microseconds, one a line (perf_client's format). kInvalidArgument names the
// line.
Result<std::vector<Duration>> read_intervals(const std::string& path);

// A CSV of recorded arrivals: a header line naming a column "time", "timestamp", "offset" or
// "arrival" (seconds; with a suffix _ms, _us or _ns otherwise), or one bare column of seconds.
// Offsets are counted from the first row and sorted.
Result<std::vector<Duration>> read_trace(const std::string& path);

}  // namespace corolla::load
