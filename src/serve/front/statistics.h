// What the front has served, by model, version and slice, in the terms of Triton's statistics: read
// by /v2/models/M/stats, by ModelStatistics and by /metrics.
//
// Nothing here ever falls. A slice's row stays when its worker dies or the slice goes away, and is
// taken up again when a slice of that name comes back; totals are sums over all rows there ever
// were.
//
// Threads: all of it from any thread. model() and row() take a lock: keep what they return, it is
// valid as long as the Statistics. The add functions touch only the calling thread's shard
// (executed() takes a lock of its row, once a batch).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"
#include "base/result.h"
#include "base/time.h"

namespace corolla::front {

// Triton's reasons of nv_inference_request_failure.
enum class FailureReason : uint8_t { kRejected, kCanceled, kBackend, kOther };
inline constexpr size_t kFailureReasons = 4;
const char* failure_reason_name(FailureReason reason);  // "REJECTED" ...
// Refused before a worker had it: rejected. Cancelled: canceled. The engine or the machine:
// backend. Else: other.
FailureReason failure_reason(Code code);

// Of one answered request.
struct RequestTimes {
  Duration total{0};  // from the request's arrival to its answer
  Duration queue{0};  // from arrival until the worker took its batch up
  Duration compute_input{0}, compute_infer{0}, compute_output{0};  // of its batch
};

struct DurationStat {
  uint64_t count = 0, ns = 0;
  DurationStat& operator+=(const DurationStat& o) {
    count += o.count;
    ns += o.ns;
    return *this;
  }
  bool operator==(const DurationStat&) const = default;
};

struct BatchStat {
  uint64_t rows = 0;                                          // Triton's batch_size
  DurationStat compute_input, compute_infer, compute_output;  // equal counts: batches of that size
};

// Times of success, queue and compute_* are sums over requests; their counts are equal.
struct StatisticsRow {
  uint64_t last_inference_ms = 0;  // since 1970; 0: never
  uint64_t inference_count = 0;    // rows
  uint64_t execution_count = 0;    // batches
  DurationStat success, fail, queue, compute_input, compute_infer, compute_output;
  DurationStat cache_hit, cache_miss;  // there is no response cache: zero
  std::vector<BatchStat> batch_stats;  // by rows, ascending
  std::array<uint64_t, kFailureReasons> failures{};
  HistogramSnapshot request_times, queue_times, input_times, infer_times, output_times;
  uint64_t retries = 0;    // requests sent again after their worker was lost
  uint64_t wasted_ns = 0;  // computed for nobody: the client had gone, or the deadline had passed

  StatisticsRow& operator+=(const StatisticsRow& other);
};

struct ModelStatisticsSnapshot {
  std::string model, version;
  StatisticsRow total;                          // over all slices, and `elsewhere`
  StatisticsRow elsewhere;                      // what never reached a slice
  std::map<std::string, StatisticsRow> slices;  // by slice name
  std::map<Code, uint64_t> errors;              // requests that ended with each error
};

// By model, then version.
using StatisticsSnapshot = std::vector<ModelStatisticsSnapshot>;

class Statistics {
 public:
  class Model;
  class Row;

  // `shards`: about as many as there are I/O threads.
  explicit Statistics(size_t shards);
  ~Statistics();

  // The same object for the same names.
  Model& model(std::string_view name, std::string_view version);
  Row& row(Model& model, std::string_view slice);

  // One request answered well. `rows`: of the request.
  void succeeded(Row& row, const RequestTimes& times, uint32_t rows);
  // One batch ended, well or not: its busy time counts in any case.
  void executed(Row& row, uint32_t batch_rows, Duration input, Duration infer, Duration output);
  // One request ended with an error; `row` where a worker of that slice caused it, else the second
  // form.
  void failed(Model& model, Row& row, Code code, Duration total);
  void failed(Model& model, Code code, Duration total);
  // A request left that slice unanswered and goes to another.
  void retried(Row& row);
  // That slice worked `time` for a request whose answer nobody takes.
  void wasted(Row& row, Duration time);

  // What an earlier front has counted, to be added to what is counted here. Once, before anything
  // is.
  void carry_over(const StatisticsSnapshot& earlier);

  StatisticsSnapshot snapshot() const;
  // Empty names match all.
  StatisticsSnapshot snapshot(std::string_view model, std::string_view version) const;

 private:
  const size_t shards_;
  mutable std::mutex mutex_;  // guards the maps, not what is in them
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Model>, std::less<>> models_;
};

}  // namespace corolla::front
