// The least work that a step is, and the least time that a device needs for it: the roofline.
#pragma once
#include <optional>

#include "plan/plan.h"

namespace corolla::plan {

struct StepCost {
  double flops = 0;  // a multiplication and an addition count 2
  double bytes = 0;  // every input and output once
};

// REQUIRES: the program is verified. Reshapes within the arena cost nothing.
StepCost cost_of(const Program& program, const Step& step);

// Microseconds below which no kernel can come on that device; nullopt: its peaks are not known.
std::optional<double> least_microseconds(const Target& target, const StepCost& cost, bool int8);

}  // namespace corolla::plan
