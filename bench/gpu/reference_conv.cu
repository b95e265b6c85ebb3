#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/element.cuh"
#include "reference_conv.h"

namespace corolla::bench {
namespace {

using engine::cuda::ConvProblem;
using engine::cuda::Element;
using engine::cuda::Numbers;

// Numbers of x and w; sizes in the problem count units of two bytes.
template <Element kElement>
struct Operands {
  using X = typename Numbers<kElement>::One;
  using W = X;
  using Sum = float;
  static constexpr int kEach = 1;
  static __device__ float wide(X v) { return Numbers<kElement>::wide(v); }
};
template <>
struct Operands<Element::kByte> {
  using X = uint8_t;
  using W = int8_t;
  using Sum = int;
  static constexpr int kEach = 2;
  static __device__ int wide(int v) { return v; }
};

template <Element kElement>
__global__ void reference_kernel(ConvProblem p, float* y) {
  using Of = Operands<kElement>;
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= int64_t{p.m} * p.n) return;
  const int m = static_cast<int>(i / p.n), n = static_cast<int>(i % p.n);
  const int image = m / p.out_hw, oh = m % p.out_hw / p.out_w, ow = m % p.out_hw % p.out_w;
  const auto* x = static_cast<const typename Of::X*>(p.x);
  const auto* w = static_cast<const typename Of::W*>(p.w) + int64_t{n} * p.k * Of::kEach;
  const int kernel_h = p.k / p.channels / p.kernel_w, channels = p.channels * Of::kEach;
  typename Of::Sum sum = 0;
  for (int r = 0; r < kernel_h; ++r)
    for (int s = 0; s < p.kernel_w; ++s) {
      const int h = oh * p.stride_h - p.pad_h + r * p.dilation_h, v = ow * p.stride_w - p.pad_w + s * p.dilation_w;
      const auto* tap = w + (r * p.kernel_w + s) * channels;
      if (h < 0 || h >= p.height || v < 0 || v >= p.width) {
        if constexpr (kElement == Element::kByte)
          for (int c = 0; c < channels; ++c) sum += static_cast<int>(p.fill & 255) * tap[c];
        continue;
      }
      const auto* from = x + (int64_t{image} * p.x_image + int64_t{h} * p.x_row + int64_t{v} * p.x_pixel) * Of::kEach;
      for (int c = 0; c < channels; ++c) sum += Of::wide(from[c]) * Of::wide(tap[c]);
    }
  float v = 0;
  if constexpr (kElement == Element::kByte)
    v = engine::cuda::real_sum(sum, p.scale[n], p.bias[n]);
  else
    v = sum + (p.bias != nullptr ? p.bias[n] : 0.f);
  if (p.extra.x != nullptr) {
    using Number = Numbers<kElement>;
    const engine::cuda::ConvExtra& e = p.extra;
    const auto* from = static_cast<const typename Number::One*>(e.x) + int64_t{image} * e.x_image + int64_t{oh} * e.stride_h * e.x_row +
                       int64_t{ow} * e.stride_w * e.x_pixel;
    const auto* row = static_cast<const typename Number::One*>(e.w) + int64_t{n} * e.channels;
    for (int c = 0; c < e.channels; ++c) v += Number::wide(from[c]) * Number::wide(row[c]);
    if (e.bias != nullptr) v += e.bias[n];
  }
  const int64_t at = int64_t{m} * p.residual_pixel + n;
  if (p.residual != nullptr && p.residual_bytes)
    v = fmaf(static_cast<const uint8_t*>(p.residual)[at], p.residual_scale, v);
  else if (p.residual != nullptr)
    v += Numbers<kElement>::wide(static_cast<const typename Numbers<kElement>::One*>(p.residual)[at]);
  y[i] = n < p.n_real ? engine::cuda::activated(v, p.act, p.act_a, p.act_b) : 0;
}

}  // namespace

cudaError_t reference_conv(const ConvProblem& problem, float* y, cudaStream_t stream) {
  const int64_t count = int64_t{problem.m} * problem.n;
  const auto run = [&](auto kernel) { kernel<<<static_cast<unsigned>((count + 255) / 256), 256, 0, stream>>>(problem, y); };
  if (problem.element == Element::kByte)
    run(reference_kernel<Element::kByte>);
  else if (problem.element == Element::kBfloat)
    run(reference_kernel<Element::kBfloat>);
  else
    run(reference_kernel<Element::kHalf>);
  return cudaGetLastError();
}

}  // namespace corolla::bench
