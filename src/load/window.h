// A window of a run, the rule that says when windows agree, and the row that the newest of them
// make together. Pure: no clocks, no sockets.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "client/kserve_client.h"
#include "load/bootstrap.h"
#include "load/histogram.h"
#include "load/sample.h"

namespace corolla::load {

// What was seen from `begin` to `end`. A request belongs to the window in which it ended.
struct Window {
  TimePoint begin, end;
  std::vector<Sample> samples;
  std::optional<client::ModelStatistics> server;  // the statistics' growth meanwhile
  Duration client_cpu{};                          // of this whole process
  std::optional<Duration> server_cpu;
  double busiest_thread = 0;  // share of the wall time that the busiest load thread was on a CPU
  std::map<std::string, double> slice_requests;  // by slice, where the server tells
  std::map<std::string, double> gauges;          // averages of what --collect-metrics reads

  double seconds() const { return to_seconds(end - begin); }
};

struct StabilityOptions {
  double percentage = 10;            // -s: the largest may be this much above the smallest
  std::optional<double> percentile;  // which latency must be stable; none: the mean
  std::optional<Duration> latency_threshold;
  size_t windows = 3;
};

// The latency that decides: the mean, or the percentile asked for.
double deciding_latency(const Histogram& latency, const StabilityOptions& options);

enum class Verdict { kMore, kStable, kOverThreshold };
// Looks at the newest `windows` windows: stable when neither throughput nor the deciding latency
// varies by more than the percentage and each has answers; over the threshold when all of them are;
// else more windows are needed.
Verdict judge(std::span<const Window> windows, const StabilityOptions& options);

struct LoadLevel {
  enum class Kind { kConcurrency, kRate } kind = Kind::kConcurrency;
  double value = 1;
};

struct ServerTimes {  // microseconds a request
  double queue = 0, compute_input = 0, compute_infer = 0, compute_output = 0;
};

struct PerfRow {
  LoadLevel level;
  double seconds = 0;
  int64_t batch = 1;
  uint64_t answered = 0, failed = 0;
  double inferences_per_second = 0;
  double goodput = 0;  // inferences a second answered within the budget; without a budget the same
                       // as inferences_per_second
  double send_us = 0, recv_us = 0;
  std::optional<ServerTimes> server;
  Histogram latency, lateness;  // ns, of answered requests; lateness of all
  std::map<Code, uint64_t> errors;
  double client_cpu_us = 0;  // a request
  std::optional<double> server_cpu_us;
  double busiest_thread = 0;
  bool stable = false;
  bool over_threshold = false;
  std::string generator_fault;  // why the generator itself was the bottleneck; empty: it was not
  std::optional<Intervals> confidence;
  std::map<std::string, double> slices;  // inferences a second
  std::map<std::string, double> gauges;

  double us(double percentile) const {
    return static_cast<double>(latency.percentile(percentile)) / 1000;
  }
};

struct RowOptions {
  int64_t batch = 1;
  std::optional<Duration> budget;
  StabilityOptions stability;
  Duration max_lateness =
      std::chrono::milliseconds(1);  // p99; more is allowed up to 5 % of the latency's p99
  double max_busy = 0.95;            // of a load thread
};

// The windows merged into one row: percentiles over all their latencies.
PerfRow make_row(const LoadLevel& level, std::span<const Window> windows,
                 const RowOptions& options);

}  // namespace corolla::load
