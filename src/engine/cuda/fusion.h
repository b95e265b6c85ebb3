// Steps of a plan that one kernel does together. Private to lowering*.cc.
#pragma once
#include <optional>
#include <vector>

#include "engine/cuda/lowering_context.h"

namespace corolla::engine::cuda {

struct Fused {
  Launch launch;
  std::vector<size_t> steps;  // that it does, rising
};

// Global average pool, gemm, [softmax,] export to FP32, where each alone reads the one before:
// head_kernel.h. `first`: of the pool in Program::steps.
std::optional<Fused> fuse_head(const LoweringContext& at, size_t first);

// An addition whose sum is FP32, and the layer norm of that sum right after it:
// residual_norm_kernel.h. `first`: of the addition.
std::optional<Fused> fuse_residual_norm(const LoweringContext& at, size_t first);

}  // namespace corolla::engine::cuda
