#include <cuda_fp16.h>

#include "engine/cuda/kernels/activation.cuh"
#include "reference_conv.h"

namespace corolla::bench {
namespace {

using engine::cuda::ConvProblem;

__global__ void reference_kernel(ConvProblem p, float* y) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= int64_t{p.m} * p.n) return;
  const int m = static_cast<int>(i / p.n), n = static_cast<int>(i % p.n);
  const int image = m / p.out_hw, oh = m % p.out_hw / p.out_w, ow = m % p.out_hw % p.out_w;
  const __half* x = static_cast<const __half*>(p.x);
  const __half* w = static_cast<const __half*>(p.w) + int64_t{n} * p.k;
  const int kernel_h = p.k / p.channels / p.kernel_w;
  float sum = 0;
  for (int r = 0; r < kernel_h; ++r)
    for (int s = 0; s < p.kernel_w; ++s) {
      const int h = oh * p.stride_h - p.pad_h + r * p.dilation_h, v = ow * p.stride_w - p.pad_w + s * p.dilation_w;
      if (h < 0 || h >= p.height || v < 0 || v >= p.width) continue;
      for (int c = 0; c < p.channels; ++c)
        sum += __half2float(x[int64_t{image} * p.x_image + int64_t{h} * p.x_row + int64_t{v} * p.x_pixel + c]) *
               __half2float(w[(r * p.kernel_w + s) * p.channels + c]);
    }
  if (p.bias != nullptr) sum += p.bias[n];
  if (p.residual != nullptr) sum += __half2float(static_cast<const __half*>(p.residual)[int64_t{m} * p.residual_pixel + n]);
  y[i] = n < p.n_real ? engine::cuda::activated(sum, p.act, p.act_a, p.act_b) : 0;
}

}  // namespace

cudaError_t reference_conv(const ConvProblem& problem, float* y, cudaStream_t stream) {
  const int64_t count = int64_t{problem.m} * problem.n;
  reference_kernel<<<static_cast<unsigned>((count + 255) / 256), 256, 0, stream>>>(problem, y);
  return cudaGetLastError();
}

}  // namespace corolla::bench
