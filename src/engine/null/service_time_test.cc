#include "engine/null/service_time.h"

#include <gtest/gtest.h>

namespace corolla::engine {
namespace {

double us(Duration d) { return static_cast<double>(d.count()) / 1e3; }

TEST(ServiceTime, FixedAndPerRow) {
  auto service = ServiceTime::from_options({{"delay_us", "100.5"}, {"delay_row_us", "10"}});
  ASSERT_TRUE(service.ok());
  EXPECT_DOUBLE_EQ(us(service->next(1)), 110.5);
  EXPECT_DOUBLE_EQ(us(service->next(4)), 140.5);
}

TEST(ServiceTime, EveryNthStalls) {
  auto service =
      ServiceTime::from_options({{"delay_us", "1"}, {"stall_every", "3"}, {"stall_us", "1000"}});
  ASSERT_TRUE(service.ok());
  for (int i = 1; i <= 9; ++i) EXPECT_DOUBLE_EQ(us(service->next(1)), i % 3 == 0 ? 1001 : 1) << i;
}

TEST(ServiceTime, WeightsAreKeptAndRepeatable) {
  auto a = ServiceTime::from_options({{"delay_table", "100:90;5000:10"}, {"delay_seed", "4"}});
  auto b = ServiceTime::from_options({{"delay_table", "100:90,5000:10"}, {"delay_seed", "4"}});
  ASSERT_TRUE(a.ok() && b.ok());
  int slow = 0;
  for (int i = 0; i < 10000; ++i) {
    const double x = us(a->next(1));
    ASSERT_DOUBLE_EQ(x, us(b->next(1)));
    ASSERT_TRUE(x == 100 || x == 5000);
    slow += x == 5000;
  }
  EXPECT_NEAR(slow, 1000, 120);
}

TEST(ServiceTime, QuantilesAreMet) {
  auto service = ServiceTime::from_options({{"delay_table", "p0:500;p50:1000;p99:5000;p100:9000"}});
  ASSERT_TRUE(service.ok());
  int below_median = 0, above_p99 = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = us(service->next(1));
    ASSERT_GE(x, 500);
    ASSERT_LE(x, 9000);
    below_median += x < 1000;
    above_p99 += x > 5000;
  }
  EXPECT_NEAR(below_median, 10000, 300);
  EXPECT_NEAR(above_p99, 200, 60);
}

TEST(ServiceTime, NonsenseIsRefusedWithTheOption) {
  for (auto [name, value] : {std::pair{"delay_us", "-1"},
                             {"delay_us", "nan"},
                             {"delay_table", ""},
                             {"delay_table", "5"},
                             {"delay_table", "p50:1;7:2"},
                             {"delay_table", "p50:1;p40:2"},
                             {"delay_table", "5:0"},
                             {"stall_every", "x"}}) {
    auto service = ServiceTime::from_options({{name, value}});
    ASSERT_FALSE(service.ok()) << name << "=" << value;
    EXPECT_NE(service.error().what.find(name), std::string::npos);
  }
}

}  // namespace
}  // namespace corolla::engine
