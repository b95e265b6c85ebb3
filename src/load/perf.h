// A measurement as perf_client's users know it: levels of load, windows until they agree, one row a
// level.
//
// Threads: run() blocks its caller's thread; the load's threads are inside.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/kserve_client.h"
#include "load/arrivals.h"
#include "load/generator.h"
#include "load/inputs.h"
#include "load/window.h"

namespace corolla::load {

struct Range {
  double begin = 1, end = 1, step = 1;  // end 0: until the latency threshold is passed
};

enum class Distribution { kConstant, kPoisson };
enum class Measurement { kTime, kCount };

struct PerfOptions {
  std::string model, version;
  wire::Protocol protocol = wire::Protocol::kHttp;
  std::vector<std::string> urls;  // empty: this machine's default port of the protocol
  wire::ClientHeaders headers;
  wire::GrpcCompression compression = wire::GrpcCompression::kNone;
  InputOptions input;

  // What to run: exactly one of these four.
  std::optional<Range> concurrency;
  std::optional<Range> rate;
  Distribution distribution = Distribution::kConstant;
  std::string intervals_file;  // gaps in microseconds, again and again
  std::string trace_file;      // recorded arrivals, once; the run ends with it
  double trace_speed = 1;
  std::optional<Burst> burst;
  uint64_t seed = 1;

  bool binary_search = false;
  StabilityOptions stability;
  std::optional<Duration> budget;  // for goodput; by default the latency threshold
  size_t max_trials = 10;
  Duration window = std::chrono::seconds(5);
  Measurement measurement = Measurement::kTime;
  uint64_t window_requests = 50;
  uint64_t request_count = 0;  // >0: one window of exactly so many
  uint64_t warmup_requests = 0;

  size_t max_threads = 0;  // 0: half of the cores
  size_t max_connections = 4096;
  std::optional<Duration> timeout;
  Duration max_lateness = std::chrono::milliseconds(1);

  bool shared_memory = false;
  size_t output_bytes = 100 * 1024;
  std::string metrics_url;              // "host:port/metrics"; empty: none
  std::vector<pid_t> server_processes;  // empty: who listens on the first URL's port, if here
};

struct PerfResult {
  std::vector<PerfRow> rows;  // in the order in which they were measured
  std::string server;         // "triton 2.51.0"
  bool interrupted = false;
  std::optional<Error> broken;  // the server stopped answering; the rows are those finished before
  // The samples behind each row, for --profile-export-file; empty unless asked for.
  std::vector<std::vector<Sample>> samples;
};

class PerfObserver {
 public:
  virtual ~PerfObserver() = default;
  // A few times a second. `trial` counts from 1.
  virtual void progress(const LoadLevel&, size_t /*trial*/, double /*requests_a_second*/,
                        size_t /*outstanding*/) {}
  // A level is done; `rows` are all so far.
  virtual void finished(const PerfRow& /*row*/, const PerfResult& /*so_far*/) {}
};

class Perf {
 public:
  // Asks the server about the model and prepares the requests. Errors: the server cannot be
  // reached, has no such model, or the inputs do not fit it.
  static Result<std::unique_ptr<Perf>> prepare(PerfOptions options);
  virtual ~Perf() = default;

  // Measures all levels. Fails only when nothing at all could be measured; else what was measured
  // is in the result. `stop` may become true at any time: the levels finished until then are
  // returned.
  virtual Result<PerfResult> run(PerfObserver& observer, const std::atomic<bool>& stop,
                                 bool keep_samples = false) = 0;

  virtual const client::ModelMetadata& metadata() const = 0;
};

}  // namespace corolla::load
