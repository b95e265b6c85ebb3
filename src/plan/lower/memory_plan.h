// Where a program's tensors lie in its arena: tensors that are never alive together share memory,
// reshapes lie where their input lies, and elementwise steps write over an input that nobody needs
// any more.
#pragma once
#include "plan/plan.h"

namespace corolla::plan {

// Fills in the offsets of all kArena tensors, arena_bytes and arena_lower_bound. Deterministic.
// REQUIRES: steps are complete, and every kArena tensor is written by one step before others read
// it.
void plan_memory(Program& program);

}  // namespace corolla::plan
