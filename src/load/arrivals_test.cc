#include "load/arrivals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

namespace corolla::load {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<double> take(Arrivals& arrivals, size_t count) {
  std::vector<double> out;
  while (out.size() < count) {
    const auto due = arrivals.next();
    if (!due) break;
    out.push_back(to_seconds(*due));
  }
  return out;
}

TEST(Arrivals, ConstantDoesNotDrift) {
  auto arrivals = make_constant(3);
  const auto due = take(*arrivals, 3'000'001);
  EXPECT_EQ(due.front(), 0);
  EXPECT_NEAR(due.back(), 1'000'000, 1e-6);
}

TEST(Arrivals, PoissonHasTheRateAndTheSpreadOfIndependentUsers) {
  auto arrivals = make_poisson(1000, 1);
  const auto due = take(*arrivals, 200'000);
  EXPECT_NEAR(due.size() / due.back(), 1000, 10);
  double sum = 0, squares = 0;
  for (size_t i = 1; i < due.size(); ++i) {
    const double gap = due[i] - due[i - 1];
    ASSERT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
  }
  const double n = static_cast<double>(due.size() - 1), mean = sum / n;
  EXPECT_NEAR(std::sqrt(squares / n - mean * mean) / mean, 1,
              0.02);  // exponential: deviation = mean
}

TEST(Arrivals, TheSameSeedGivesTheSameSchedule) {
  auto a = make_poisson(50, 9), b = make_poisson(50, 9), c = make_poisson(50, 10);
  const auto first = take(*a, 100);
  EXPECT_EQ(first, take(*b, 100));
  EXPECT_NE(first, take(*c, 100));
}

TEST(Arrivals, IntervalsRepeat) {
  auto arrivals = make_intervals({milliseconds(1), milliseconds(3)});
  EXPECT_EQ(take(*arrivals, 5), (std::vector<double>{0, 0.001, 0.004, 0.005, 0.008}));
}

TEST(Arrivals, TracesEnd) {
  auto arrivals = make_trace({seconds(0), seconds(2)});
  EXPECT_EQ(take(*arrivals, 9), (std::vector<double>{0, 2}));
}

TEST(Arrivals, BurstsHaveTheirMeanRateAndAreBurstier) {
  const Burst burst{.calm_rate = 100,
                    .burst_rate = 2000,
                    .calm_mean = milliseconds(400),
                    .burst_mean = milliseconds(100)};
  EXPECT_NEAR(burst.mean_rate(), 480, 1e-9);
  auto arrivals = make_burst(burst, 3);
  const auto due = take(*arrivals, 400'000);
  EXPECT_NEAR(due.size() / due.back(), 480, 25);
  // Counts in 100 ms: the variance of a Poisson process equals its mean; here it must be far above.
  std::vector<int> counts(static_cast<size_t>(due.back() * 10) + 1);
  for (const double t : due) ++counts[static_cast<size_t>(t * 10)];
  double mean = 0, variance = 0;
  for (const int c : counts) mean += c;
  mean /= static_cast<double>(counts.size());
  for (const int c : counts) variance += (c - mean) * (c - mean);
  variance /= static_cast<double>(counts.size());
  EXPECT_GT(variance / mean, 20);
}

TEST(Arrivals, SharesTogetherAreTheWhole) {
  auto whole = make_poisson(10, 5);
  const auto all = take(*whole, 90);
  std::vector<double> merged;
  for (size_t part = 0; part < 3; ++part) {
    auto share = share_of(make_poisson(10, 5), part, 3);
    const auto some = take(*share, 30);
    merged.insert(merged.end(), some.begin(), some.end());
  }
  std::sort(merged.begin(), merged.end());
  EXPECT_EQ(merged, all);
}

TEST(Arrivals, UntilEndsBefore) {
  auto arrivals = until(make_constant(10), seconds(1));
  EXPECT_EQ(take(*arrivals, 100).size(), 10u);
}

class TraceFile : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    path_ = testing::TempDir() + "/corolla_trace_" + std::to_string(getpid());
    std::ofstream(path_) << text;
    return path_;
  }
  ~TraceFile() override { std::remove(path_.c_str()); }
  std::string path_;
};

TEST_F(TraceFile, ReadsIntervalsInMicroseconds) {
  const auto gaps = read_intervals(write("100\n\n250.5\n"));
  ASSERT_TRUE(gaps.ok());
  EXPECT_EQ(*gaps, (std::vector<Duration>{microseconds(100), Duration(250500)}));
  EXPECT_EQ(read_intervals(write("100\nten\n")).error().code, Code::kInvalidArgument);
  EXPECT_NE(read_intervals(write("100\nten\n")).error().what.find(":2: 'ten'"), std::string::npos);
  EXPECT_FALSE(read_intervals(write("")).ok());
  EXPECT_FALSE(read_intervals(write("0\n0\n")).ok());
  EXPECT_EQ(read_intervals("/nowhere").error().code, Code::kNotFound);
}

TEST_F(TraceFile, ReadsTimesByTheirColumnAndUnit) {
  const auto offsets =
      read_trace(write("model,time_ms,size\nflower,1000,1\nflower,1500.5,2\nflower,1200,1\n"));
  ASSERT_TRUE(offsets.ok()) << offsets.error().what;
  EXPECT_EQ(*offsets,
            (std::vector<Duration>{Duration(0), milliseconds(200), microseconds(500500)}));
  const auto bare = read_trace(write("0.25\n0.5\n"));
  ASSERT_TRUE(bare.ok());
  EXPECT_EQ(*bare, (std::vector<Duration>{Duration(0), milliseconds(250)}));
  EXPECT_NE(read_trace(write("a,b\n1,2\n")).error().what.find("'a,b'"), std::string::npos);
  EXPECT_FALSE(read_trace(write("time\n1\nx\n")).ok());
  EXPECT_FALSE(read_trace(write("time\n")).ok());
}

}  // namespace
}  // namespace corolla::load
