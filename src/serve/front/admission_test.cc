#include "serve/front/admission.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace corolla::front {
namespace {

using namespace std::chrono_literals;

WorkerLoad load(Duration busy, Duration service) {
  return {
      .busy = busy, .rows_per_ns = 1.0 / static_cast<double>(service.count()), .service = service};
}

TEST(Admission, NobodyThere) {
  EXPECT_FALSE(expected_completion({}, 3).has_value());
  const std::vector<WorkerLoad> unknown{{.busy = 1ms}};
  EXPECT_FALSE(expected_completion(unknown, 0).has_value());
}

TEST(Admission, AnIdleWorkerBeginsAtOnce) {
  const std::vector<WorkerLoad> w{load(30ms, 20ms), load(0ms, 20ms)};
  EXPECT_EQ(expected_completion(w, 0), Duration(20ms));
}

TEST(Admission, TheSoonerDoneIsTaken) {
  // The slow one is free now, the fast one in a moment.
  const std::vector<WorkerLoad> w{load(0ms, 50ms), load(5ms, 10ms)};
  EXPECT_EQ(expected_completion(w, 0), Duration(15ms));
}

TEST(Admission, WhatWaitsAheadIsSharedAsWorkersBecomeFree) {
  // Two workers, both busy for 20 ms, four rows ahead at 20 ms each: two rounds, then ours.
  const std::vector<WorkerLoad> even{load(20ms, 20ms), load(20ms, 20ms)};
  EXPECT_EQ(expected_completion(even, 4), Duration(80ms));
  // One that is busy far beyond does not help.
  const std::vector<WorkerLoad> one_stuck{load(0ms, 10ms), load(10s, 10ms)};
  EXPECT_EQ(expected_completion(one_stuck, 5), Duration(60ms));
}

// Against stepping through time.
TEST(Admission, AgreesWithFillingStepByStep) {
  std::mt19937 rng(11);
  std::uniform_int_distribution<int> busy_ms(0, 100), service_ms(1, 40), count(1, 12), rows(0, 60);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    std::vector<WorkerLoad> w;
    for (int i = count(rng); i > 0; --i)
      w.push_back(load(std::chrono::milliseconds(busy_ms(rng)),
                       std::chrono::milliseconds(service_ms(rng))));
    const double ahead = rows(rng);
    double t = 0;
    for (double filled = 0; filled < ahead; t += 1e4) {
      filled = 0;
      for (const WorkerLoad& l : w)
        filled += std::max(0.0, t - static_cast<double>(l.busy.count())) * l.rows_per_ns;
    }
    double done = 1e300;
    for (const WorkerLoad& l : w)
      done = std::min(done, std::max(t, static_cast<double>(l.busy.count())) +
                                static_cast<double>(l.service.count()));
    EXPECT_NEAR(static_cast<double>(expected_completion(w, ahead)->count()), done, 1e5);
  }
}

}  // namespace
}  // namespace corolla::front
