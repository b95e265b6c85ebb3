// For tests of what is measured on a true clock: other programs on the machine may spoil one
// measurement, but what is wrong is wrong each time.
#pragma once
#include <gtest/gtest.h>

#include <string>

namespace corolla::load {

// `attempt()` measures once and says what is wrong with it; nothing when all is well. The test
// fails when no attempt of ten is well.
template <class Attempt>
void expect_in_one_of_ten(Attempt attempt) {
  std::string problems;
  for (int i = 0; i < 10; ++i) {
    const std::string problem = attempt();
    if (problem.empty() || testing::Test::HasFailure()) return;
    problems += "\n  " + problem;
  }
  ADD_FAILURE() << "wrong ten times:" << problems;
}

}  // namespace corolla::load
