#include "engine/cuda/kernels/element.cuh"
#include "engine/cuda/kernels/ptx.cuh"
#include "engine/cuda/kernels/residual_norm_kernel.h"

namespace corolla::engine::cuda {
namespace {

constexpr int kThreads = 128;

template <Element kElement>
__device__ float number_at(const void* x, bool wide, int64_t at) {
  using Number = Numbers<kElement>;
  return wide ? static_cast<const float*>(x)[at] : Number::wide(static_cast<const typename Number::One*>(x)[at]);
}

__device__ float of_warp(float v) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(~0u, v, d);
  return v;
}

// kEach: numbers a lane keeps.
template <Element kElement, int kEach>
__global__ void __launch_bounds__(kThreads) residual_norm_kernel(const __grid_constant__ ResidualNormProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int64_t row = int64_t{blockIdx.x} * (kThreads / 32) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= p.rows) return;
  const int64_t at = row * p.columns, at_b = row % p.b_rows * p.columns;
  float v[kEach];
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int c = i * 32 + lane;
    v[i] = c < p.columns ? number_at<kElement>(p.a, p.a_float, at + c) + number_at<kElement>(p.b, p.b_float, at_b + c) : 0.f;
    sum += v[i];
  }
  const float mean = of_warp(sum) / static_cast<float>(p.columns);  // and nobody of the warp reads any more
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const float off = i * 32 + lane < p.columns ? v[i] - mean : 0.f;
    squares += off * off;
  }
  const float scale = rsqrtf(of_warp(squares) / static_cast<float>(p.columns) + p.epsilon);
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int c = i * 32 + lane;
    if (c >= p.columns) continue;
    p.sum[at + c] = v[i];
    const float y = (v[i] - mean) * scale * p.gamma[c] + p.beta[c];
    static_cast<typename Numbers<kElement>::One*>(p.y)[at + c] = Numbers<kElement>::narrow(y);
  }
}

}  // namespace

cudaError_t launch_residual_norm(const ResidualNormProblem& p, const Launching& launching) {
  const void* kernel = for_element(p.element, [&]<Element kElement>() {
    return p.columns <= 512    ? reinterpret_cast<const void*>(&residual_norm_kernel<kElement, 16>)
           : p.columns <= 1024 ? reinterpret_cast<const void*>(&residual_norm_kernel<kElement, 32>)
                               : reinterpret_cast<const void*>(&residual_norm_kernel<kElement, kMostNormColumns / 32>);
  });
  return launch(kernel, dim3(static_cast<unsigned>((p.rows * 32 + kThreads - 1) / kThreads)), kThreads, p, launching);
}

}  // namespace corolla::engine::cuda
