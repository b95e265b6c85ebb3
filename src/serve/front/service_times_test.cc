#include "serve/front/service_times.h"

#include <gtest/gtest.h>

#include <random>

namespace corolla::front {
namespace {

using namespace std::chrono_literals;

double ms(const std::optional<ServiceTimes::Estimate>& e) {
  return e ? to_seconds(e->mean) * 1e3 : -1;
}

TEST(ServiceTimes, NothingIsKnownBeforehand) {
  ServiceTimes t;
  const uint32_t k = t.kind("cores:1");
  EXPECT_EQ(t.kind("cores:1"), k);
  EXPECT_NE(t.kind("cores:2"), k);
  EXPECT_FALSE(t.estimate(k, 0, 1).has_value());
  t.record(k, 3, 0, 1ms);
  EXPECT_FALSE(t.estimate(k, 3, 1).has_value());
}

TEST(ServiceTimes, OneSampleIsTheEstimate) {
  ServiceTimes t;
  const uint32_t a = t.kind("a"), b = t.kind("b");
  t.record(a, 2, 4, 12ms);
  EXPECT_NEAR(ms(t.estimate(a, 2, 4)), 12, 0.01);
  EXPECT_EQ(t.estimate(a, 2, 4)->samples, 1u);
  EXPECT_FALSE(t.estimate(b, 2, 4).has_value()) << "kinds do not share";
  EXPECT_FALSE(t.estimate(a, 1, 4).has_value()) << "nor do models";
}

TEST(ServiceTimes, LearnsMeanAndSpread) {
  ServiceTimes t;
  const uint32_t k = t.kind("a");
  std::mt19937 rng(5);
  std::uniform_real_distribution<> us(18'000, 22'000);
  for (int i = 0; i < 500; ++i)
    t.record(k, 0, 1, std::chrono::microseconds(static_cast<int>(us(rng))));
  EXPECT_NEAR(ms(t.estimate(k, 0, 1)), 20, 1.0);
  EXPECT_NEAR(to_seconds(t.estimate(k, 0, 1)->spread) * 1e3, 1.0, 0.5);
}

TEST(ServiceTimes, AStallHardlyMovesTheMean) {
  ServiceTimes t;
  const uint32_t k = t.kind("a");
  for (int i = 0; i < 100; ++i) t.record(k, 0, 1, 20ms);
  t.record(k, 0, 1, 2s);
  EXPECT_LT(ms(t.estimate(k, 0, 1)), 20.5);
}

TEST(ServiceTimes, ALastingChangeIsLearnt) {
  for (const Duration after : {Duration(60ms), Duration(5ms)}) {
    ServiceTimes t;
    const uint32_t k = t.kind("a");
    for (int i = 0; i < 1000; ++i) t.record(k, 0, 1, 20ms);
    for (int i = 0; i < 80; ++i) t.record(k, 0, 1, after);
    EXPECT_NEAR(ms(t.estimate(k, 0, 1)), to_seconds(after) * 1e3, to_seconds(after) * 1e2);
  }
}

TEST(ServiceTimes, AColdFirstBatchIsForgotten) {
  ServiceTimes t;
  const uint32_t k = t.kind("a");
  t.record(k, 0, 1, 1s);
  for (int i = 0; i < 100; ++i) t.record(k, 0, 1, 20ms);
  EXPECT_LT(ms(t.estimate(k, 0, 1)), 25);
}

TEST(ServiceTimes, SizesNotSeenFollowTheirNeighbours) {
  ServiceTimes t;
  const uint32_t k = t.kind("a");
  t.record(k, 0, 2, 10ms);
  t.record(k, 0, 8, 34ms);
  EXPECT_NEAR(ms(t.estimate(k, 0, 1)), 10, 0.01) << "no cheaper than the smallest seen";
  EXPECT_NEAR(ms(t.estimate(k, 0, 5)), 22, 0.01);
  EXPECT_EQ(t.estimate(k, 0, 5)->samples, 0u);
  EXPECT_NEAR(ms(t.estimate(k, 0, 16)), 68, 0.01) << "in proportion beyond the largest";
}

TEST(ServiceTimes, AnswersThatComeTogetherLookInstantAndAreSurvived) {
  ServiceTimes t;
  const uint32_t k = t.kind("a");
  for (int i = 0; i < 50; ++i) t.record(k, 0, 1, 0ns);
  t.record(k, 0, 1, -3ms);
  EXPECT_EQ(t.estimate(k, 0, 1)->mean, 0ns);
  for (int i = 0; i < 200; ++i) t.record(k, 0, 1, 20ms);
  EXPECT_NEAR(ms(t.estimate(k, 0, 1)), 20, 0.5);
}

TEST(ServiceTimes, ForgetsAModel) {
  ServiceTimes t;
  const uint32_t k = t.kind("a");
  t.record(k, 0, 1, 20ms);
  t.record(k, 1, 1, 20ms);
  t.forget(0);
  t.forget(77);
  EXPECT_FALSE(t.estimate(k, 0, 1).has_value());
  EXPECT_TRUE(t.estimate(k, 1, 1).has_value());
}

}  // namespace
}  // namespace corolla::front
