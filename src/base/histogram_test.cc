#include "base/histogram.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace corolla {
namespace {

using namespace std::chrono_literals;

TEST(Histogram, BoundsAscendFrom50MicrosecondsTo60Seconds) {
  EXPECT_EQ(kHistogramBoundsUs.front(), 50u);
  EXPECT_EQ(kHistogramBoundsUs.back(), 60'000'000u);
  for (size_t i = 1; i < kHistogramBoundsUs.size(); ++i) {
    EXPECT_GT(kHistogramBoundsUs[i], kHistogramBoundsUs[i - 1]);
    EXPECT_LE(kHistogramBoundsUs[i], 2 * kHistogramBoundsUs[i - 1])
        << "no gap wider than a factor of two";
  }
}

TEST(Histogram, ABoundBelongsToTheBucketThatItEnds) {
  EXPECT_EQ(Histogram::bucket(0), 0u);
  EXPECT_EQ(Histogram::bucket(50'000), 0u);
  EXPECT_EQ(Histogram::bucket(50'001), 1u);
  EXPECT_EQ(Histogram::bucket(60'000'000'000), kHistogramBoundsUs.size() - 1);
  EXPECT_EQ(Histogram::bucket(60'000'000'001), kHistogramBoundsUs.size());
  EXPECT_EQ(Histogram::bucket(UINT64_MAX / 2), kHistogramBoundsUs.size());
}

TEST(Histogram, PercentilesInterpolate) {
  Histogram h;
  for (int us = 1; us <= 10'000; ++us) h.add(std::chrono::microseconds(us));
  const HistogramSnapshot s = h.snapshot();
  EXPECT_EQ(s.count(), 10'000u);
  EXPECT_EQ(s.sum_ns, 50'005'000'000u);
  for (const double part : {0.1, 0.5, 0.9, 0.99})
    EXPECT_NEAR(to_seconds(s.percentile(part)) * 1e6, part * 10'000, 2) << part;
  EXPECT_EQ(s.percentile(1.0), 10ms);
  EXPECT_EQ(HistogramSnapshot{}.percentile(0.5), 0ns);
}

TEST(Histogram, BeyondTheLastBoundAndBelowZero) {
  Histogram h;
  h.add(-5ms);
  h.add(2h);
  const HistogramSnapshot s = h.snapshot();
  EXPECT_EQ(s.counts.front(), 1u);
  EXPECT_EQ(s.counts.back(), 1u);
  EXPECT_EQ(s.percentile(0.99), 60s);
}

TEST(Histogram, AddsUp) {
  Histogram a, b, both;
  for (int i = 0; i < 100; ++i) {
    a.add(i * 1ms);
    both.add(i * 1ms);
    b.add(i * 70us);
    both.add(i * 70us);
  }
  HistogramSnapshot sum = a.snapshot();
  sum += b.snapshot();
  EXPECT_EQ(sum, both.snapshot());
}

TEST(Histogram, LosesNothingBetweenThreads) {
  Histogram h;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&h] {
      for (int i = 0; i < 20'000; ++i) h.add(std::chrono::microseconds(i));
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(h.snapshot().count(), 80'000u);
}

}  // namespace
}  // namespace corolla
