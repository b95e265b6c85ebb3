#include "fleet/restart_policy.h"

#include <gtest/gtest.h>

namespace corolla::fleet {
namespace {

using std::chrono::milliseconds, std::chrono::seconds;

// A process that lives `life` each time and then dies.
class Life {
 public:
  explicit Life(RestartSettings settings = {}) : policy(settings) { policy.started(time); }
  // The delay before the next life; -1: parked.
  int64_t die_after(Duration life, EndedBy by = EndedBy::kItself) {
    time += life;
    const auto next = policy.died(time, by);
    if (!next) return -1;
    const int64_t delay = (*next - time) / milliseconds(1);
    time = *next;
    policy.started(time);
    return delay;
  }
  TimePoint time{seconds(1000)};
  RestartPolicy policy;
};

TEST(RestartPolicy, TheFirstRestartIsAtOnceThenTheDelaysDouble) {
  RestartSettings settings;
  settings.crash_limit = 100;
  Life life(settings);
  for (int64_t expected : {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000})
    EXPECT_EQ(life.die_after(milliseconds(10)), expected);
}

TEST(RestartPolicy, ALifeThatSettledStartsAfresh) {
  Life life;
  EXPECT_EQ(life.die_after(milliseconds(10)), 0);
  EXPECT_EQ(life.die_after(milliseconds(10)), 100);
  EXPECT_EQ(life.die_after(seconds(30)), 0);
  EXPECT_EQ(life.die_after(milliseconds(10)), 100);
}

TEST(RestartPolicy, ACrashLoopIsParked) {
  Life life;
  for (int i = 0; i < 4; ++i) EXPECT_GE(life.die_after(milliseconds(10)), 0) << i;
  EXPECT_EQ(life.die_after(milliseconds(10)), -1);
  EXPECT_TRUE(life.policy.parked());
  EXPECT_FALSE(life.policy.next_start().has_value());
  EXPECT_EQ(life.policy.deaths(), 5);
}

TEST(RestartPolicy, CrashesFarApartAreNoLoop) {
  Life life;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(life.die_after(seconds(16)), 0) << i;
}

TEST(RestartPolicy, WhoIsKilledFromOutsideIsNeverParkedAndWaitsLittle) {
  Life life;
  EXPECT_EQ(life.die_after(milliseconds(300), EndedBy::kOutside), 0);
  for (int i = 0; i < 1000; ++i)
    EXPECT_LE(life.die_after(milliseconds(300), EndedBy::kOutside), 100);
  EXPECT_FALSE(life.policy.parked());
}

TEST(RestartPolicy, ForgivenStartsAtOnceAndKeepsCount) {
  Life life;
  while (life.die_after(milliseconds(1)) >= 0) {
  }
  life.policy.forgive(RestartSettings{});
  EXPECT_FALSE(life.policy.parked());
  EXPECT_LE(*life.policy.next_start(), life.time);
  EXPECT_EQ(life.policy.deaths(), 5);
}

}  // namespace
}  // namespace corolla::fleet
