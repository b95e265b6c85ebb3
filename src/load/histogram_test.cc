#include "load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace corolla::load {
namespace {

// Against the slow and obvious way: sort everything.
TEST(Histogram, PercentilesAreWithinABucketOfTheSortedTruth) {
  std::mt19937_64 random(42);
  std::lognormal_distribution<double> latency(13, 1.5);
  std::vector<int64_t> all;
  Histogram histogram;
  for (int i = 0; i < 20000; ++i) {
    all.push_back(static_cast<int64_t>(latency(random)));
    histogram.add(all.back());
  }
  std::sort(all.begin(), all.end());
  for (const double p : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto index =
        std::min<size_t>(all.size() - 1, static_cast<size_t>(p / 100 * (all.size() - 1) + 0.5));
    EXPECT_NEAR(histogram.percentile(p), all[index], all[index] / 1000.0 + 1) << p;
  }
  EXPECT_EQ(histogram.min(), all.front());
  EXPECT_EQ(histogram.max(), all.back());
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 0; i <= 2000; ++i) histogram.add(i);
  for (int i = 0; i <= 2000; ++i) EXPECT_EQ(histogram.percentile(i / 20.0), i) << i;
  EXPECT_EQ(histogram.count_at_most(999), 1000u);
}

TEST(Histogram, MergingIsAddingBoth) {
  Histogram a, b, both;
  for (int i = 0; i < 1000; ++i) {
    (i % 3 ? a : b).add(i * 977);
    both.add(i * 977);
  }
  a.merge(b);
  EXPECT_EQ(a.buckets(), both.buckets());
  EXPECT_EQ(a.mean(), both.mean());
  EXPECT_EQ(a.count(), 1000u);
}

TEST(Histogram, ExtremesAreKeptInside) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(99), 0);
  histogram.add(-5);
  histogram.add(INT64_MAX);
  EXPECT_EQ(histogram.percentile(0), 0);
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_GT(histogram.percentile(100), int64_t{1} << 50);
}

TEST(Histogram, TheTableEndsAtOneHundredPercent) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.add(i * 1000);
  const std::string table = histogram.hgrm();
  EXPECT_NE(table.find("1000.000 1.000000000000       1000"), std::string::npos) << table;
  EXPECT_NE(table.find("#[Max     =     1000.000"), std::string::npos);
}

}  // namespace
}  // namespace corolla::load
