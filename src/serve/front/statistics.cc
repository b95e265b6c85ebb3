#include "serve/front/statistics.h"

#include <algorithm>
#include <atomic>

namespace corolla::front {
namespace {

using Counter = std::atomic<uint64_t>;

void add(Counter& counter, uint64_t n) { counter.fetch_add(n, std::memory_order_relaxed); }
uint64_t get(const Counter& counter) { return counter.load(std::memory_order_relaxed); }
uint64_t positive(Duration d) { return d.count() > 0 ? static_cast<uint64_t>(d.count()) : 0; }

// Which shard the calling thread uses.
size_t thread_number() {
  static std::atomic<size_t> next{0};
  thread_local const size_t kNumber = next.fetch_add(1, std::memory_order_relaxed);
  return kNumber;
}

struct alignas(64) Shard {
  Counter successes{0}, inferences{0}, executions{0}, fail_ns{0}, retries{0}, wasted_ns{0},
      last_ms{0};
  std::array<Counter, kFailureReasons> failures{};
  Histogram request, queue, input, infer, output;  // their sums are the sums of the durations
};

}  // namespace

class Statistics::Row {
 public:
  explicit Row(size_t shards) : shards_(std::make_unique<Shard[]>(shards)), count_(shards) {}

  void carry_over(const StatisticsRow& earlier) { earlier_ = earlier; }

  Shard& mine() { return shards_[thread_number() % count_]; }

  void add_batch(uint32_t rows, Duration input, Duration infer, Duration output) {
    const std::lock_guard lock(mutex_);
    auto at = std::lower_bound(batches_.begin(), batches_.end(), rows,
                               [](const BatchStat& b, uint32_t r) { return b.rows < r; });
    if (at == batches_.end() || at->rows != rows) at = batches_.insert(at, BatchStat{.rows = rows});
    at->compute_input += {1, positive(input)};
    at->compute_infer += {1, positive(infer)};
    at->compute_output += {1, positive(output)};
  }

  StatisticsRow sum() const {
    StatisticsRow r;
    for (size_t i = 0; i < count_; ++i) {
      const Shard& s = shards_[i];
      r.inference_count += get(s.inferences);
      r.execution_count += get(s.executions);
      r.success.count += get(s.successes);
      r.fail.ns += get(s.fail_ns);
      r.retries += get(s.retries);
      r.wasted_ns += get(s.wasted_ns);
      r.last_inference_ms = std::max(r.last_inference_ms, get(s.last_ms));
      for (size_t f = 0; f < kFailureReasons; ++f) {
        r.failures[f] += get(s.failures[f]);
        r.fail.count += get(s.failures[f]);
      }
      r.request_times += s.request.snapshot();
      r.queue_times += s.queue.snapshot();
      r.input_times += s.input.snapshot();
      r.infer_times += s.infer.snapshot();
      r.output_times += s.output.snapshot();
    }
    r.success.ns = r.request_times.sum_ns;
    // One counter stands for them all: clients refuse statistics whose counts differ.
    r.queue = {r.success.count, r.queue_times.sum_ns};
    r.compute_input = {r.success.count, r.input_times.sum_ns};
    r.compute_infer = {r.success.count, r.infer_times.sum_ns};
    r.compute_output = {r.success.count, r.output_times.sum_ns};
    const std::lock_guard lock(mutex_);
    r.batch_stats = batches_;
    r += earlier_;
    return r;
  }

 private:
  std::unique_ptr<Shard[]> shards_;
  const size_t count_;
  mutable std::mutex mutex_;
  std::vector<BatchStat> batches_;
  StatisticsRow earlier_;
};

class Statistics::Model {
 public:
  explicit Model(size_t shards) : nowhere(shards) {}

  Row nowhere;  // what never reached a slice
  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<Row>, std::less<>> rows;
  std::map<Code, uint64_t> errors;
};

const char* failure_reason_name(FailureReason reason) {
  switch (reason) {
    case FailureReason::kRejected:
      return "REJECTED";
    case FailureReason::kCanceled:
      return "CANCELED";
    case FailureReason::kBackend:
      return "BACKEND";
    case FailureReason::kOther:
      return "OTHER";
  }
  return "OTHER";
}

FailureReason failure_reason(Code code) {
  switch (code) {
    case Code::kOverloaded:
    case Code::kDeadlineExceeded:
    case Code::kUnavailable:
    case Code::kBusy:
      return FailureReason::kRejected;
    case Code::kCancelled:
      return FailureReason::kCanceled;
    case Code::kInternal:
      return FailureReason::kBackend;
    default:
      return FailureReason::kOther;
  }
}

StatisticsRow& StatisticsRow::operator+=(const StatisticsRow& other) {
  last_inference_ms = std::max(last_inference_ms, other.last_inference_ms);
  inference_count += other.inference_count;
  execution_count += other.execution_count;
  success += other.success;
  fail += other.fail;
  queue += other.queue;
  compute_input += other.compute_input;
  compute_infer += other.compute_infer;
  compute_output += other.compute_output;
  cache_hit += other.cache_hit;
  cache_miss += other.cache_miss;
  for (const BatchStat& b : other.batch_stats) {
    auto at = std::lower_bound(batch_stats.begin(), batch_stats.end(), b.rows,
                               [](const BatchStat& s, uint64_t r) { return s.rows < r; });
    if (at == batch_stats.end() || at->rows != b.rows)
      at = batch_stats.insert(at, BatchStat{.rows = b.rows});
    at->compute_input += b.compute_input;
    at->compute_infer += b.compute_infer;
    at->compute_output += b.compute_output;
  }
  for (size_t f = 0; f < kFailureReasons; ++f) failures[f] += other.failures[f];
  request_times += other.request_times;
  queue_times += other.queue_times;
  input_times += other.input_times;
  infer_times += other.infer_times;
  output_times += other.output_times;
  retries += other.retries;
  wasted_ns += other.wasted_ns;
  return *this;
}

Statistics::Statistics(size_t shards) : shards_(std::max<size_t>(shards, 1)) {}
Statistics::~Statistics() = default;

Statistics::Model& Statistics::model(std::string_view name, std::string_view version) {
  const std::lock_guard lock(mutex_);
  auto& model = models_[{std::string(name), std::string(version)}];
  if (!model) model = std::make_unique<Model>(shards_);
  return *model;
}

Statistics::Row& Statistics::row(Model& model, std::string_view slice) {
  const std::lock_guard lock(model.mutex);
  const auto at = model.rows.find(slice);
  if (at != model.rows.end()) return *at->second;
  return *model.rows.emplace(std::string(slice), std::make_unique<Row>(shards_)).first->second;
}

void Statistics::succeeded(Row& row, const RequestTimes& times, uint32_t rows) {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  Shard& s = row.mine();
  s.request.add(times.total);
  s.queue.add(times.queue);
  s.input.add(times.compute_input);
  s.infer.add(times.compute_infer);
  s.output.add(times.compute_output);
  add(s.inferences, rows);
  add(s.successes, 1);
  const auto wall_ms =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(wall).count());
  uint64_t last = get(s.last_ms);
  while (last < wall_ms &&
         !s.last_ms.compare_exchange_weak(last, wall_ms, std::memory_order_relaxed)) {
  }
}

void Statistics::executed(Row& row, uint32_t batch_rows, Duration input, Duration infer,
                          Duration output) {
  add(row.mine().executions, 1);
  row.add_batch(batch_rows, input, infer, output);
}

void Statistics::failed(Model& model, Row& row, Code code, Duration total) {
  Shard& s = row.mine();
  add(s.failures[static_cast<size_t>(failure_reason(code))], 1);
  add(s.fail_ns, positive(total));
  const std::lock_guard lock(model.mutex);
  ++model.errors[code];
}

void Statistics::failed(Model& model, Code code, Duration total) {
  failed(model, model.nowhere, code, total);
}

void Statistics::retried(Row& row) { add(row.mine().retries, 1); }
void Statistics::wasted(Row& row, Duration time) { add(row.mine().wasted_ns, positive(time)); }

void Statistics::carry_over(const StatisticsSnapshot& earlier) {
  for (const ModelStatisticsSnapshot& from : earlier) {
    Model& to = model(from.model, from.version);
    to.nowhere.carry_over(from.elsewhere);
    to.errors = from.errors;
    for (const auto& [slice, row_before] : from.slices) row(to, slice).carry_over(row_before);
  }
}

StatisticsSnapshot Statistics::snapshot() const { return snapshot({}, {}); }

StatisticsSnapshot Statistics::snapshot(std::string_view name, std::string_view version) const {
  std::vector<std::pair<std::pair<std::string, std::string>, const Model*>> wanted;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, model] : models_)
      if ((name.empty() || key.first == name) && (version.empty() || key.second == version))
        wanted.emplace_back(key, model.get());
  }
  StatisticsSnapshot all;
  for (const auto& [key, model] : wanted) {
    ModelStatisticsSnapshot m{.model = key.first, .version = key.second};
    m.elsewhere = m.total = model->nowhere.sum();
    const std::lock_guard lock(model->mutex);
    m.errors = model->errors;
    for (const auto& [slice, row] : model->rows) {
      m.slices[slice] = row->sum();
      m.total += m.slices[slice];
    }
    all.push_back(std::move(m));
  }
  return all;
}

}  // namespace corolla::front
