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

// Import, a 7 x 7 convolution of stride 2, max pool of 3 x 3 and stride 2, where each alone reads
// the one before: stem_problem.h. `first`: of the import.
Result<std::optional<Fused>> fuse_stem(const LoweringContext& at, size_t first);

// Of a convolution that adds what a 1 x 1 convolution made for it alone: that one's step, whose
// product can be a part of this one's (ConvExtra), since nothing has overwritten its input.
std::optional<size_t> find_shortcut(const plan::Program& program, size_t conv);
// That product, of a step that find_shortcut found.
ConvExtra extra_product(const LoweringContext& at);

// Global average pool, gemm, [softmax,] export to FP32, where each alone reads the one before:
// head_kernel.h. `first`: of the pool in Program::steps.
std::optional<Fused> fuse_head(const LoweringContext& at, size_t first);

// An addition whose sum is FP32, and the layer norm of that sum right after it:
// residual_norm_kernel.h. `first`: of the addition.
std::optional<Fused> fuse_residual_norm(const LoweringContext& at, size_t first);

}  // namespace corolla::engine::cuda
