// A transformer's residual stream, kept in fp32: sum = a + b, and y = layernorm(sum) in fp16 or
// bf16.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

// One warp a row. Row r of b is row r % b_rows. `sum` may lie where a or b lies, and y where one of
// its type lies: a row's last read comes before its first write.
struct ResidualNormProblem {
  Element element = Element::kHalf;
  const void* a = nullptr;
  const void* b = nullptr;
  bool a_float = false, b_float = false;  // fp32
  float* sum = nullptr;
  void* y = nullptr;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  int64_t rows = 0, b_rows = 1;
  int columns = 0;
  float epsilon = 1e-5f;
};
// Of columns that a warp keeps in registers.
inline constexpr int kMostNormColumns = 2048;
cudaError_t launch_residual_norm(const ResidualNormProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
