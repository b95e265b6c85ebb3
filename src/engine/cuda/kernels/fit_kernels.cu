#include "engine/cuda/kernels/fit_kernels.h"

#include "engine/image/resampling.h"

namespace corolla::engine::cuda {
namespace {

constexpr int kThreads = 128;

// One thread: one pixel of the result; blocks: along the line, lines.
__global__ void __launch_bounds__(kThreads) fit_kernel(const __grid_constant__ FitPass p) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.out) return;
  const int count = p.spans[2 * i + 1];
  const uint8_t* from = p.from + blockIdx.y * p.from_line + (p.spans[2 * i] - p.first) * p.from_step;
  const int* weight = p.values + int64_t{i} * p.most;
  int sum[3] = {1 << (kWeightBits - 1), 1 << (kWeightBits - 1), 1 << (kWeightBits - 1)};
  for (int k = 0; k < count; ++k, from += p.from_step) {
#pragma unroll
    for (int c = 0; c < 3; ++c) sum[c] += from[c] * weight[k];
  }
  uint8_t* to = p.to + blockIdx.y * p.to_line + i * p.to_step;
#pragma unroll
  for (int c = 0; c < 3; ++c) to[c] = static_cast<uint8_t>(min(max(sum[c] >> kWeightBits, 0), 255));
}

}  // namespace

cudaError_t launch_fit(const FitPass& pass, const Launching& launching) {
  const dim3 grid((pass.out + kThreads - 1) / kThreads, pass.lines);
  return launch(reinterpret_cast<const void*>(&fit_kernel), grid, kThreads, pass, launching);
}

}  // namespace corolla::engine::cuda
