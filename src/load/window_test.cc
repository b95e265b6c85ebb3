#include "load/window.h"

#include <gtest/gtest.h>

namespace corolla::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// `count` requests of `latency` spread evenly over one second that begins at `second`.
Window window_of(int second, int count, Duration latency, int failed = 0) {
  Window window;
  window.begin = from_ns(int64_t{1'000'000'000} * second);
  window.end = window.begin + seconds(1);
  for (int i = 0; i < count; ++i) {
    Sample sample;
    sample.done = to_ns(window.begin) + int64_t{1'000'000'000} / count * i;
    sample.due = sample.sent = sample.done - latency.count();
    sample.send_ns = 2000;
    sample.recv_ns = 1000;
    if (i < failed) sample.failed = 1 + static_cast<int>(Code::kOverloaded);
    window.samples.push_back(sample);
  }
  return window;
}

TEST(Judge, NeedsThreeWindowsThatAgree) {
  std::vector<Window> windows = {window_of(0, 100, milliseconds(10)),
                                 window_of(1, 105, milliseconds(10))};
  EXPECT_EQ(judge(windows, {}), Verdict::kMore);
  windows.push_back(window_of(2, 109, milliseconds(10)));
  EXPECT_EQ(judge(windows, {}), Verdict::kStable);
  windows.push_back(window_of(3, 120, milliseconds(10)));
  EXPECT_EQ(judge(windows, {}), Verdict::kMore);  // 105 .. 120 is more than 10 %
  EXPECT_EQ(judge(windows, {.percentage = 20}), Verdict::kStable);
}

TEST(Judge, LatencyMustAgreeToo) {
  const std::vector<Window> windows = {window_of(0, 100, milliseconds(10)),
                                       window_of(1, 100, milliseconds(10)),
                                       window_of(2, 100, milliseconds(12))};
  EXPECT_EQ(judge(windows, {}), Verdict::kMore);
  EXPECT_EQ(judge(windows, {.percentage = 25}), Verdict::kStable);
}

TEST(Judge, StopsEarlyWhenAllWindowsAreOverTheThreshold) {
  const std::vector<Window> windows = {window_of(0, 100, milliseconds(30)),
                                       window_of(1, 100, milliseconds(60)),
                                       window_of(2, 100, milliseconds(90))};
  StabilityOptions options;
  options.latency_threshold = milliseconds(20);
  EXPECT_EQ(judge(windows, options), Verdict::kOverThreshold);
  options.latency_threshold = milliseconds(40);
  EXPECT_EQ(judge(windows, options), Verdict::kMore);
}

TEST(Judge, AWindowWithoutAnswersIsNotStable) {
  const std::vector<Window> windows = {window_of(0, 0, milliseconds(1)),
                                       window_of(1, 0, milliseconds(1)),
                                       window_of(2, 0, milliseconds(1))};
  EXPECT_EQ(judge(windows, {}), Verdict::kMore);
}

TEST(Row, PoolsTheWindows) {
  std::vector<Window> windows = {window_of(0, 100, milliseconds(10)),
                                 window_of(1, 300, milliseconds(20), 3)};
  windows[0].server = client::ModelStatistics{
      "1", 100, 50, {100, 1000000}, {}, {100, 500000}, {100, 100000}, {100, 300000}, {100, 100000}};
  windows[1].server = client::ModelStatistics{
      "1",           297,           90,           {297, 3000000}, {}, {297, 1500000},
      {297, 300000}, {297, 900000}, {297, 300000}};
  windows[0].client_cpu = milliseconds(40);
  windows[1].client_cpu = milliseconds(60);
  windows[0].server_cpu = milliseconds(100);
  windows[1].server_cpu = milliseconds(300);
  windows[1].slice_requests = {{"0", 200}, {"1", 97}};
  RowOptions options;
  options.batch = 2;
  options.budget = milliseconds(15);
  const PerfRow row = make_row({LoadLevel::Kind::kConcurrency, 4}, windows, options);
  EXPECT_EQ(row.answered, 397u);
  EXPECT_EQ(row.failed, 3u);
  EXPECT_EQ(row.errors.at(Code::kOverloaded), 3u);
  EXPECT_DOUBLE_EQ(row.inferences_per_second, 397.0);  // 397 requests of 2 rows in 2 s
  EXPECT_DOUBLE_EQ(row.goodput, 100.0);
  EXPECT_NEAR(row.us(50), 20000, 10);
  EXPECT_NEAR(row.us(10), 10000.0, 10);
  EXPECT_DOUBLE_EQ(row.send_us, 2);
  EXPECT_DOUBLE_EQ(row.recv_us, 1);
  EXPECT_NEAR(row.server->queue, 2000000 / 397.0 / 1000, 1e-9);
  EXPECT_DOUBLE_EQ(row.client_cpu_us, 250);
  EXPECT_DOUBLE_EQ(*row.server_cpu_us, 1000);
  EXPECT_DOUBLE_EQ(row.slices.at("0"), 100);
  ASSERT_TRUE(row.confidence);
  EXPECT_LE(row.confidence->p50.low, 20e6);
  EXPECT_LT(row.confidence->throughput.low, row.confidence->throughput.high);
}

TEST(Row, SaysWhenTheGeneratorWasTheBottleneck) {
  std::vector<Window> windows = {window_of(0, 100, milliseconds(10))};
  EXPECT_EQ(make_row({LoadLevel::Kind::kRate, 100}, windows, {}).generator_fault, "");
  for (Sample& sample : windows[0].samples) sample.due -= 5'000'000;  // they left 5 ms late
  EXPECT_NE(
      make_row({LoadLevel::Kind::kRate, 100}, windows, {}).generator_fault.find("5000 us late"),
      std::string::npos);
  // In a closed loop nothing is due.
  EXPECT_EQ(make_row({LoadLevel::Kind::kConcurrency, 1}, windows, {}).generator_fault, "");
  windows[0].busiest_thread = 0.99;
  EXPECT_NE(make_row({LoadLevel::Kind::kConcurrency, 1}, windows, {}).generator_fault.find("99 %"),
            std::string::npos);
}

TEST(Row, LatenessIsPartOfTheLatency) {
  std::vector<Window> windows = {window_of(0, 100, milliseconds(10))};
  for (Sample& sample : windows[0].samples) sample.due -= 90'000'000;
  EXPECT_NEAR(make_row({LoadLevel::Kind::kRate, 100}, windows, {}).us(50), 100'000, 100);
}

TEST(Bootstrap, WiderWhenRequestsShareTheirFate) {
  // The same latencies, once mixed evenly and once with all slow ones in a few blocks.
  std::vector<Block> even(40, Block{0.1, {}}), lumped(40, Block{0.1, {}});
  for (int i = 0; i < 4000; ++i) {
    const bool slow = i % 50 == 0;
    even[i % 40].latency.add(slow ? 50'000'000 : 1'000'000 + i);
  }
  for (int i = 0; i < 4000; ++i)
    lumped[i / 100].latency.add(i / 100 == 7 ? 50'000'000 : 1'000'000 + i);
  const Intervals narrow = bootstrap(even), wide = bootstrap(lumped);
  EXPECT_GT(wide.p99.high - wide.p99.low, 40e6);
  EXPECT_LT(narrow.throughput.high - narrow.throughput.low, 0.05 * 1000);
  EXPECT_GE(narrow.p50.low, 1'000'000);
  EXPECT_EQ(bootstrap(even).p99.low, narrow.p99.low);  // the same seed, the same answer
}

}  // namespace
}  // namespace corolla::load
