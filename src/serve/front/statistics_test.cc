#include "serve/front/statistics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace corolla::front {
namespace {

using namespace std::chrono_literals;

RequestTimes times(Duration each) {
  return {.total = 10 * each,
          .queue = each,
          .compute_input = 2 * each,
          .compute_infer = 3 * each,
          .compute_output = 4 * each};
}

TEST(Statistics, CountsAsTritonDoes) {
  Statistics s(2);
  auto& flower = s.model("flower", "1");
  auto& row = s.row(flower, "petal0");
  s.succeeded(row, times(1ms), 3);
  s.succeeded(row, times(2ms), 1);
  s.executed(row, 4, 2ms, 3ms, 4ms);

  const StatisticsSnapshot all = s.snapshot();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].model, "flower");
  EXPECT_EQ(all[0].version, "1");
  const StatisticsRow& t = all[0].total;
  EXPECT_EQ(t.inference_count, 4u);
  EXPECT_EQ(t.execution_count, 1u);
  EXPECT_EQ(t.success, (DurationStat{2, 30'000'000}));
  EXPECT_EQ(t.queue, (DurationStat{2, 3'000'000}));
  EXPECT_EQ(t.compute_input, (DurationStat{2, 6'000'000}));
  EXPECT_EQ(t.compute_infer, (DurationStat{2, 9'000'000}));
  EXPECT_EQ(t.compute_output, (DurationStat{2, 12'000'000}));
  EXPECT_EQ(t.fail, DurationStat{});
  EXPECT_EQ(t.cache_hit, DurationStat{});
  ASSERT_EQ(t.batch_stats.size(), 1u);
  EXPECT_EQ(t.batch_stats[0].rows, 4u);
  EXPECT_EQ(t.batch_stats[0].compute_infer, (DurationStat{1, 3'000'000}));
  EXPECT_EQ(t.request_times.count(), 2u);
  EXPECT_GT(t.last_inference_ms, 1'600'000'000'000u);
}

TEST(Statistics, SumsOverSlicesAndKeepsThoseThatHaveGone) {
  Statistics s(1);
  auto& flower = s.model("flower", "1");
  s.succeeded(s.row(flower, "petal0"), times(1ms), 1);
  s.succeeded(s.row(flower, "petal1"), times(1ms), 1);
  s.executed(s.row(flower, "petal0"), 2, 1ms, 1ms, 1ms);
  s.executed(s.row(flower, "petal1"), 1, 1ms, 1ms, 1ms);
  s.executed(s.row(flower, "petal1"), 2, 1ms, 1ms, 1ms);
  // A slice of the same name goes on counting where the one before it stopped.
  EXPECT_EQ(&s.row(flower, "petal0"), &s.row(s.model("flower", "1"), "petal0"));
  const ModelStatisticsSnapshot m = s.snapshot().at(0);
  EXPECT_EQ(m.slices.size(), 2u);
  EXPECT_EQ(m.slices.at("petal1").success.count, 1u);
  EXPECT_EQ(m.total.success.count, 2u);
  EXPECT_EQ(m.total.execution_count, 3u);
  ASSERT_EQ(m.total.batch_stats.size(), 2u);
  EXPECT_EQ(m.total.batch_stats[0].rows, 1u);
  EXPECT_EQ(m.total.batch_stats[1].compute_input.count, 2u);
}

TEST(Statistics, FailuresByReasonAndByError) {
  Statistics s(1);
  auto& flower = s.model("flower", "1");
  s.failed(flower, Code::kOverloaded, 1ms);
  s.failed(flower, Code::kDeadlineExceeded, 2ms);
  s.failed(flower, Code::kCancelled, 3ms);
  s.failed(flower, s.row(flower, "petal0"), Code::kInternal, 4ms);
  s.failed(flower, Code::kInvalidArgument, -1ms);
  const ModelStatisticsSnapshot m = s.snapshot().at(0);
  EXPECT_EQ(m.total.fail, (DurationStat{5, 10'000'000}));
  EXPECT_EQ(m.total.failures, (std::array<uint64_t, 4>{2, 1, 1, 1}));
  EXPECT_EQ(m.errors.at(Code::kOverloaded), 1u);
  EXPECT_EQ(m.errors.size(), 5u);
  EXPECT_EQ(m.slices.at("petal0").fail.count, 1u);
}

TEST(Statistics, SnapshotsOneModelOrVersion) {
  Statistics s(1);
  s.model("flower", "1");
  s.model("flower", "2");
  s.model("rose", "1");
  EXPECT_EQ(s.snapshot("flower", "").size(), 2u);
  EXPECT_EQ(s.snapshot("flower", "2").size(), 1u);
  EXPECT_EQ(s.snapshot("tulip", "").size(), 0u);
  EXPECT_EQ(s.snapshot().size(), 3u);
}

// Clients subtract two readings in unsigned integers: a sum that falls even once prints nonsense.
TEST(Statistics, NeverFallsWhileThreadsCountAndSlicesCome) {
  Statistics s(2);
  constexpr int kThreads = 4, kEach = 20'000;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      auto& model = s.model("flower", "1");
      for (int i = 0; i < kEach; ++i) {
        auto& row = s.row(model, "petal" + std::to_string((t + i / 1000) % 6));
        s.succeeded(row, times(1us), 1);
        if (i % 4 == 0) s.executed(row, 4, 1us, 1us, 1us);
      }
      --running;
    });
  StatisticsRow before;
  while (running > 0) {
    const auto all = s.snapshot();
    if (all.empty()) continue;
    const StatisticsRow& now = all[0].total;
    ASSERT_GE(now.success.count, before.success.count);
    ASSERT_GE(now.success.ns, before.success.ns);
    ASSERT_GE(now.inference_count, before.inference_count);
    ASSERT_GE(now.execution_count, before.execution_count);
    ASSERT_GE(now.queue_times.count(), before.queue_times.count());
    ASSERT_GE(now.last_inference_ms, before.last_inference_ms);
    ASSERT_EQ(now.compute_input.count, now.compute_output.count);
    before = now;
  }
  for (std::thread& t : threads) t.join();
  const StatisticsRow total = s.snapshot().at(0).total;
  EXPECT_EQ(total.success.count, static_cast<uint64_t>(kThreads) * kEach);
  EXPECT_EQ(total.execution_count, static_cast<uint64_t>(kThreads) * kEach / 4);
  EXPECT_EQ(total.batch_stats.at(0).compute_infer.count, total.execution_count);
}

}  // namespace
}  // namespace corolla::front
