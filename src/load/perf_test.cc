#include "load/perf.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "load/delay_server.h"
#include "load/measured_again.h"

namespace corolla::load {
namespace {

using std::chrono::milliseconds;

class PerfTest : public testing::Test {
 protected:
  void serve(DelayServerOptions options) {
    auto server = DelayServer::start(std::move(options));
    ASSERT_TRUE(server.ok());
    server_ = *std::move(server);
    options_.model = "null";
    options_.urls = {server_->address().text};
    options_.window = milliseconds(100);
    options_.stability.percentage = 200;
  }

  Result<PerfResult> run() {
    auto perf = Perf::prepare(options_);
    if (!perf.ok()) return perf.error();
    return (*perf)->run(observer_, stop_);
  }

  std::unique_ptr<DelayServer> server_;
  PerfOptions options_;
  PerfObserver observer_;
  std::atomic<bool> stop_ = false;
};

TEST_F(PerfTest, MeasuresEachConcurrency) {
  serve({.delay = [](uint64_t) { return milliseconds(5); }});
  options_.concurrency = Range{1, 5, 2};
  expect_in_one_of_ten([&]() -> std::string {
    const auto result = run();
    if (!result.ok()) return result.error().what;
    EXPECT_EQ(result->rows.size(), 3u);
    for (const PerfRow& row : result->rows) {
      EXPECT_GT(row.us(50), 5000);
      EXPECT_GT(row.inferences_per_second, 0);
      EXPECT_TRUE(row.server);
      // Little's law: what is outstanding = rate * time; within what windows of 100 ms allow.
      const double outstanding = row.inferences_per_second * row.latency.mean() / 1e9;
      if (std::abs(outstanding / row.level.value - 1) > 0.4)
        return std::to_string(outstanding) + " outstanding of " + std::to_string(row.level.value);
    }
    EXPECT_EQ(result->rows.back().level.value, 5);
    return {};
  });
}

TEST_F(PerfTest, StopsRaisingTheLoadAboveTheThreshold) {
  // 40 ms for each request, one after the other: latency grows with the concurrency.
  serve({.delay = [free = TimePoint()](uint64_t) mutable {
    free = std::max(free, now()) + milliseconds(40);
    return free - now();
  }});
  options_.concurrency = Range{1, 64, 1};
  options_.window = milliseconds(200);
  options_.stability.latency_threshold = milliseconds(100);
  expect_in_one_of_ten([&]() -> std::string {
    const auto result = run();
    if (!result.ok()) return result.error().what;
    EXPECT_LE(result->rows.size(), 4u);
    EXPECT_TRUE(result->rows.back().over_threshold);
    return result->rows.front().over_threshold ? "one request alone took over 100 ms" : "";
  });
}

TEST_F(PerfTest, FindsTheLargestLevelByHalving) {
  serve({.delay = [free = TimePoint()](uint64_t) mutable {
    free = std::max(free, now()) + milliseconds(40);
    return free - now();
  }});
  options_.concurrency = Range{1, 16, 1};
  options_.binary_search = true;
  options_.window = milliseconds(200);
  options_.stability.latency_threshold = milliseconds(220);
  expect_in_one_of_ten([&]() -> std::string {
    const auto result = run();
    if (!result.ok()) return result.error().what;
    EXPECT_LE(result->rows.size(), 5u);
    double best = 0;
    for (const PerfRow& row : result->rows)
      if (!row.over_threshold) best = std::max(best, row.level.value);
    EXPECT_LE(best, 6);
    return best < 2 ? "the largest level is " + std::to_string(best) : "";
  });
}

TEST_F(PerfTest, RequestCountIsOneWindowOfExactlySoMany) {
  serve({});
  options_.concurrency = Range{4, 4, 1};
  options_.request_count = 123;
  options_.warmup_requests = 7;
  const auto result = run();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->rows.at(0).answered, 123u);
  EXPECT_EQ(server_->served(), 130u);
}

TEST_F(PerfTest, ReplaysARecordedTrace) {
  serve({});
  const std::string path = testing::TempDir() + "/corolla_perf_trace_" + std::to_string(getpid());
  std::ofstream(path) << "time_ms\n0\n10\n10\n200\n";
  options_.trace_file = path;
  options_.trace_speed = 2;
  const auto result = run();
  unlink(path.c_str());
  ASSERT_TRUE(result.ok()) << result.error().what;
  EXPECT_EQ(result->rows.at(0).answered, 4u);
  EXPECT_GE(result->rows.at(0).seconds, 0.1);
  EXPECT_LT(result->rows.at(0).seconds, 10);
}

TEST_F(PerfTest, AServerThatDiesKeepsWhatWasMeasured) {
  serve({.delay = [](uint64_t) { return milliseconds(1); }, .die_after = 700});
  options_.concurrency = Range{1, 100, 1};
  const auto result = run();
  ASSERT_TRUE(result.ok()) << result.error().what;
  EXPECT_GE(result->rows.size(), 1u);
  ASSERT_TRUE(result->broken);
  EXPECT_NE(result->broken->what.find("Connection refused"), std::string::npos)
      << result->broken->what;
}

TEST_F(PerfTest, InterruptingKeepsFinishedLevels) {
  serve({});
  options_.concurrency = Range{1, 1000, 1};
  class StopAfterTwo : public PerfObserver {
   public:
    explicit StopAfterTwo(std::atomic<bool>& stop) : stop_(stop) {}
    void finished(const PerfRow&, const PerfResult& so_far) override {
      stop_ = so_far.rows.size() >= 2;
    }

   private:
    std::atomic<bool>& stop_;
  } observer(stop_);
  auto perf = Perf::prepare(options_);
  ASSERT_TRUE(perf.ok());
  const auto result = (*perf)->run(observer, stop_);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->rows.size(), 2u);
  EXPECT_TRUE(result->interrupted);
}

TEST_F(PerfTest, SeveralServersAreOneSystem) {
  serve({});
  auto other = *DelayServer::start({});
  options_.urls.push_back(other->address().text);
  options_.concurrency = Range{2, 2, 1};
  options_.request_count = 100;
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(server_->served() + other->served(), 100u);
  EXPECT_GT(other->served(), 0u);
}

TEST_F(PerfTest, BadQuestionsAreOneSentence) {
  serve({});
  options_.concurrency = Range{1, 1, 1};
  options_.model = "rose";
  EXPECT_NE(run().error().what.find("rose"), std::string::npos);
  options_.model = "null";
  options_.rate = Range{10, 10, 1};
  EXPECT_EQ(run().error().code, Code::kInvalidArgument);  // two loads
  options_.rate.reset();
  options_.concurrency = Range{5, 1, 1};
  EXPECT_EQ(run().error().code, Code::kInvalidArgument);
  options_.concurrency = Range{1, 0, 1};
  EXPECT_EQ(run().error().code, Code::kInvalidArgument);  // no end, no threshold
  options_.concurrency = Range{1, 8, 1};
  options_.binary_search = true;
  EXPECT_EQ(run().error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace corolla::load
