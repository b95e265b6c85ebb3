// What a request costs in the dispatcher: one offer, its part of the polls, and one finished.
//
//   dispatcher_bench --benchmark_counters_tabular=true
#include <benchmark/benchmark.h>

#include <array>
#include <deque>
#include <mutex>
#include <vector>

#include "serve/front/dispatcher.h"

namespace corolla::front {
namespace {

constexpr Duration kService = std::chrono::milliseconds(1);

// A fleet on a clock of its own: each batch ends kService after it was sent.
class Fleet {
 public:
  Fleet(uint32_t workers, uint32_t max_batch, bool deadlines)
      : d_(make_dispatcher({})), deadlines_(deadlines) {
    d_->set_model(1, {.max_batch = max_batch, .batching = max_batch > 1, .max_queue = 1u << 20});
    for (WorkerId w = 0; w < workers; ++w) {
      d_->joined(t_, w, "slice");
      d_->serves(t_, w, 1, true);
    }
  }

  void offer() {
    Ticket ticket{.id = next_++, .model = 1};
    if (deadlines_) ticket.deadline = t_ + std::chrono::hours(1);
    benchmark::DoNotOptimize(d_->offer(t_, ticket).ok());
    ++held_;
  }

  void poll() {
    d_->poll(t_, orders_);
    for (const Batch& b : orders_.send)
      for (const RequestId r : b.requests) running_.push_back({t_ + kService, b.worker, r});
  }

  // Time goes on to the end of the oldest request that runs. Returns how many ended.
  size_t finish() {
    if (running_.empty()) {
      t_ = orders_.wake_at;
      return 0;
    }
    t_ = std::max(t_, running_.front().end);
    const WorkerId worker = running_.front().worker;
    size_t ended = 0;
    while (!running_.empty() && running_.front().end <= t_ && running_.front().worker == worker) {
      d_->finished(t_, worker, running_.front().request);
      running_.pop_front();
      ++ended;
    }
    held_ -= ended;
    return ended;
  }

  size_t held() const { return held_; }

 private:
  struct Running {
    TimePoint end;
    WorkerId worker;
    RequestId request;
  };
  std::unique_ptr<Dispatcher> d_;
  const bool deadlines_;
  TimePoint t_{std::chrono::hours(1)};
  std::deque<Running> running_;
  Orders orders_;
  RequestId next_ = 1;
  size_t held_ = 0;
};

// Closed loop: `outstanding` requests are always in hand; each step ends one batch and offers as
// many anew, with a poll after the end and after each offer, as the front does.
void request(benchmark::State& state, bool deadlines) {
  const auto workers = static_cast<uint32_t>(state.range(0));
  const auto max_batch = static_cast<uint32_t>(state.range(1));
  const auto outstanding = static_cast<size_t>(state.range(2)) * workers;
  Fleet fleet(workers, max_batch, deadlines);
  while (fleet.held() < outstanding) {
    fleet.offer();
    fleet.poll();
  }
  size_t requests = 0;
  for (auto _ : state) {
    const size_t ended = fleet.finish();
    fleet.poll();
    for (size_t i = 0; i < ended; ++i) {
      fleet.offer();
      fleet.poll();
    }
    requests += ended;
  }
  state.counters["requests"] = static_cast<double>(requests);
  state.counters["s_per_request"] = benchmark::Counter(
      static_cast<double>(requests), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(request, plain, false)
    ->ArgNames({"workers", "max_batch", "outstanding_each"})
    ->ArgsProduct({{7, 64}, {1, 8}, {1, 2, 16}});
BENCHMARK_CAPTURE(request, deadlines, true)
    ->ArgNames({"workers", "max_batch", "outstanding_each"})
    ->ArgsProduct({{7, 64}, {1, 8}, {2, 16}});

// The dispatcher under one mutex, as I/O threads share it: each takes the lock, ends what has
// ended, offers, polls, and then does as much work of its own as a cheap request costs (about 5
// us).
std::mutex shared_mutex;
std::unique_ptr<Fleet> shared_fleet;

void shared(benchmark::State& state) {
  if (state.thread_index() == 0) {
    shared_fleet = std::make_unique<Fleet>(7, 1, false);
    for (int i = 0; i < 28; ++i) shared_fleet->offer();
    shared_fleet->poll();
  }
  for (auto _ : state) {
    {
      const std::lock_guard lock(shared_mutex);
      for (size_t ended = shared_fleet->finish(); ended > 0; --ended) shared_fleet->offer();
      shared_fleet->poll();
    }
    for (int64_t i = 0; i < state.range(0); ++i) benchmark::DoNotOptimize(i);
  }
}
BENCHMARK(shared)->ArgName("own_work")->Arg(0)->Arg(10'000)->ThreadRange(1, 4)->UseRealTime();

}  // namespace
}  // namespace corolla::front
