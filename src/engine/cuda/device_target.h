// What plans and tuned choices are for, of the device that this process has.
#pragma once
#include "engine/cuda/tuner.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

// walls: "sm" where the process cuts the device itself, else read from what the process was born
// with ("mps", "mig"), else "whole".
plan::Target target_of(const DeviceFacts& device, bool green);

}  // namespace corolla::engine::cuda
