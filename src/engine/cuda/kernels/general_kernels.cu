#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/general_kernels.h"
#include "engine/cuda/kernels/items.cuh"
#include "engine/cuda/kernels/ptx.cuh"

namespace corolla::engine::cuda {
namespace {

template <Element kElement>
__global__ void __launch_bounds__(kThreads) grouped_conv_kernel(const __grid_constant__ GroupedConvProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int64_t i = item();
  const int o = static_cast<int>(i % p.y_stored);
  const int64_t pixel = i / p.y_stored;
  const int ow = static_cast<int>(pixel % p.out_w), oh = static_cast<int>(pixel / p.out_w % p.out_h);
  const int64_t n = pixel / p.out_w / p.out_h;
  if (n >= p.images) return;
  float sum = 0;
  if (o < p.outputs) {
    const int in_group = p.channels / p.groups, c0 = o / (p.outputs / p.groups) * in_group;
    const auto* w = static_cast<const typename Numbers<kElement>::One*>(p.w) + static_cast<int64_t>(o) * p.kernel_h * p.kernel_w * in_group;
    for (int r = 0; r < p.kernel_h; ++r) {
      const int h = oh * p.stride_h - p.pad_h + r * p.dilation_h;
      if (static_cast<unsigned>(h) >= static_cast<unsigned>(p.height)) continue;
      for (int s = 0; s < p.kernel_w; ++s) {
        const int v = ow * p.stride_w - p.pad_w + s * p.dilation_w;
        if (static_cast<unsigned>(v) >= static_cast<unsigned>(p.width)) continue;
        const auto* x = static_cast<const typename Numbers<kElement>::One*>(p.x) + ((n * p.height + h) * p.width + v) * p.x_stored + c0;
        const auto* tap = w + (r * p.kernel_w + s) * in_group;
        for (int c = 0; c < in_group; ++c) sum += Numbers<kElement>::wide(x[c]) * Numbers<kElement>::wide(tap[c]);
      }
    }
    if (p.bias != nullptr) sum += p.bias[o];
    if (p.residual != nullptr) sum += number_at<kElement>(p.residual, pixel * p.y_stored + o);
    sum = activated(sum, p.act, p.act_a, p.act_b);
  }
  put_number<kElement>(p.y, i, sum);
}

// Eight channels a thread. w: [channels][taps].
template <Element kElement>
__global__ void __launch_bounds__(kThreads) depthwise_kernel(const __grid_constant__ GroupedConvProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int chunks = p.y_stored / 8, taps = p.kernel_h * p.kernel_w;
  const int64_t i = item();
  const int chunk = static_cast<int>(i % chunks);
  const int64_t pixel = i / chunks;
  const int ow = static_cast<int>(pixel % p.out_w), oh = static_cast<int>(pixel / p.out_w % p.out_h);
  const int64_t n = pixel / p.out_w / p.out_h;
  if (n >= p.images) return;
  float sums[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) sums[e] = p.bias != nullptr ? p.bias[chunk * 8 + e] : 0.f;
  const auto* w = static_cast<const typename Numbers<kElement>::One*>(p.w) + static_cast<int64_t>(chunk) * 8 * taps;
  for (int r = 0; r < p.kernel_h; ++r) {
    const int h = oh * p.stride_h - p.pad_h + r * p.dilation_h;
    if (static_cast<unsigned>(h) >= static_cast<unsigned>(p.height)) continue;
    for (int s = 0; s < p.kernel_w; ++s) {
      const int v = ow * p.stride_w - p.pad_w + s * p.dilation_w;
      if (static_cast<unsigned>(v) >= static_cast<unsigned>(p.width)) continue;
      const uint4 packed = static_cast<const uint4*>(p.x)[((n * p.height + h) * p.width + v) * chunks + chunk];
      const auto* x = reinterpret_cast<const typename Numbers<kElement>::One*>(&packed);
#pragma unroll
      for (int e = 0; e < 8; ++e)
        sums[e] += Numbers<kElement>::wide(x[e]) * Numbers<kElement>::wide(w[e * taps + r * p.kernel_w + s]);
    }
  }
  uint4 packed = {};
  if (p.residual != nullptr) packed = static_cast<const uint4*>(p.residual)[i];
  add_chunk<kElement>(sums, packed);
#pragma unroll
  for (int e = 0; e < 8; ++e)
    sums[e] = chunk * 8 + e < p.outputs ? activated(sums[e], p.act, p.act_a, p.act_b) : 0.f;
  static_cast<uint4*>(p.y)[i] = pack_chunk<kElement>(sums);
}

template <Element kElement>
__device__ float operand_at(const Operand& o, int64_t at) {
  switch (o.kind) {
    case Operand::Kind::kFloat: return static_cast<const float*>(o.data)[at];
    case Operand::Kind::kByte: return (static_cast<const uint8_t*>(o.data)[at] - o.zero) * o.scale;
    default: return number_at<kElement>(o.data, at);
  }
}

__device__ float combine(int kind, float a, float b) {
  switch (kind) {
    case 1: return a + b;
    case 2: return a - b;
    case 3: return a * b;
    case 4: return a / b;
    case 5: return powf(a, b);
    case 6: return fminf(a, b);
    case 7: return fmaxf(a, b);
    case 8: return sqrtf(a);
    case 9: return expf(a);
    case 10: return logf(a);
    case 11: return erff(a);
    case 12: return -a;
    case 13: return fabsf(a);
    case 14: return 1.f / a;
    case 16: return sinf(a);
    case 17: return cosf(a);
    case 18: return tanf(a);
    case 19: return asinf(a);
    case 20: return acosf(a);
    case 21: return atanf(a);
    case 22: return sinhf(a);
    case 23: return coshf(a);
    case 24: return asinhf(a);
    case 25: return acoshf(a);
    case 26: return atanhf(a);
    case 27: return floorf(a);
    case 28: return ceilf(a);
    case 29: return rintf(a);
    case 30: return a > 0.f ? 1.f : a < 0.f ? -1.f : a;
    case 31: return fmaxf(a, 0.f) + log1pf(expf(-fabsf(a)));
    case 32: return a / (1.f + fabsf(a));
    case 33: return a < 0.f ? b * expm1f(a) : a;
    case 34: return a < 0.f ? b * a : a;
    default: return a;
  }
}

template <Element kElement>
__global__ void __launch_bounds__(kThreads) elementwise_kernel(const __grid_constant__ ElementwiseProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  int64_t rest = item();
  if (rest >= p.count) return;
  int64_t a = 0, b = 0, r = 0, y = 0;
  bool real = true;
#pragma unroll
  for (int d = kGeneralRank - 1; d >= 0; --d) {
    if (d >= p.rank) continue;
    const int64_t next = rest / p.dims[d], at = rest - next * p.dims[d];
    rest = next;
    a += at * p.a_stride[d];
    b += at * p.b_stride[d];
    r += at * p.r_stride[d];
    y += at * p.y_stride[d];
    if (d == p.channel_dim && at >= p.real_channels) real = false;
  }
  float v = 0;
  if (real) {
    const float left = operand_at<kElement>(p.a, a);
    const float right = p.b.data == nullptr ? 0.f : operand_at<kElement>(p.b, b);
    v = combine(p.kind, left, right);
    if (p.residual.data != nullptr) v += operand_at<kElement>(p.residual, r);
    v = activated(v, p.act, p.act_a, p.act_b);
  }
  if (p.y_bytes)
    static_cast<uint8_t*>(p.y)[y] = static_cast<uint8_t>(quantised(v, p.y_scale, p.y_zero));
  else if (p.y_float)
    static_cast<float*>(p.y)[y] = v;
  else
    put_number<kElement>(p.y, y, v);
}

constexpr int kTile = 16;
template <Element kElement>
__global__ void __launch_bounds__(kTile * kTile) matmul_kernel(const __grid_constant__ MatmulProblem p) {
  __shared__ float a_tile[kTile][kTile + 1], b_tile[kTile][kTile + 1];
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int tx = threadIdx.x % kTile, ty = threadIdx.x / kTile;
  const int m = blockIdx.y * kTile + ty, n = blockIdx.x * kTile + tx;
  int64_t a = 0, b = 0;
  int rest = blockIdx.z;
  for (int d = p.rank - 1; d >= 0; --d) {
    const int next = rest / p.dims[d], at = rest - next * p.dims[d];
    rest = next;
    a += at * p.a_batch[d];
    b += at * p.b_batch[d];
  }
  float sum = 0;
  for (int k0 = 0; k0 < p.k; k0 += kTile) {
    const int n_row = blockIdx.x * kTile + ty;
    a_tile[ty][tx] = m < p.m && k0 + tx < p.k ? number_at<kElement>(p.a, a + m * p.a_row + k0 + tx) : 0.f;
    // Whichever of b's directions is dense is read along the threads.
    if (p.b_n == 1)
      b_tile[ty][tx] = n < p.n && k0 + ty < p.k ? number_at<kElement>(p.b, b + (k0 + ty) * p.b_k + n) : 0.f;
    else
      b_tile[tx][ty] = n_row < p.n && k0 + tx < p.k ? number_at<kElement>(p.b, b + (k0 + tx) * p.b_k + n_row * p.b_n) : 0.f;
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kTile; ++k) sum += a_tile[ty][k] * b_tile[k][tx];
    __syncthreads();
  }
  if (m >= p.m || n >= p.n) return;
  const int64_t at = (int64_t{blockIdx.z} * p.m + m) * p.n + n;
  float v = sum * p.alpha;
  if (p.bias != nullptr) v += p.bias[n];
  if (p.residual != nullptr) v += number_at<kElement>(p.residual, at);
  put_number<kElement>(p.y, at, activated(v, p.act, p.act_a, p.act_b));
}

// One warp a row.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) layer_norm_kernel(const __grid_constant__ LayerNormProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int64_t row = int64_t{blockIdx.x} * (kThreads / 32) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= p.rows) return;
  const int64_t base = row * p.columns;
  const auto all = [](float v) {
#pragma unroll
    for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(~0u, v, d);
    return v;
  };
  const auto at = [&](int64_t i) { return p.x_float ? static_cast<const float*>(p.x)[i] : number_at<kElement>(p.x, i); };
  float sum = 0;
  for (int i = lane; i < p.columns; i += 32) sum += at(base + i);
  const float mean = all(sum) / static_cast<float>(p.columns);
  float squares = 0;
  for (int i = lane; i < p.columns; i += 32) {
    const float off = at(base + i) - mean;
    squares += off * off;
  }
  const float scale = rsqrtf(all(squares) / static_cast<float>(p.columns) + p.epsilon);
  for (int i = lane; i < p.columns; i += 32)
    put_number<kElement>(p.y, base + i, (at(base + i) - mean) * scale * p.gamma[i] + p.beta[i]);
}

// One warp an output.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) reduce_kernel(const __grid_constant__ ReduceProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  int64_t rest = int64_t{blockIdx.x} * (kThreads / 32) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (rest >= p.count) return;
  int64_t x = 0, y = 0;
  bool real = true;
  for (int d = p.kept - 1; d >= 0; --d) {
    const int64_t next = rest / p.kept_dims[d], at = rest - next * p.kept_dims[d];
    rest = next;
    x += at * p.x_kept[d];
    y += at * p.y_kept[d];
    if (d == p.channel_dim && at >= p.real_channels) real = false;
  }
  float v = p.kind == 2 ? -INFINITY : p.kind == 3 ? INFINITY : 0.f;
  const auto join = [&](float a, float b) { return p.kind == 2 ? fmaxf(a, b) : p.kind == 3 ? fminf(a, b) : a + b; };
  for (int64_t i = lane; real && i < p.each; i += 32) {
    int64_t left = i, from = x;
    for (int d = p.reduced - 1; d >= 0; --d) {
      const int64_t next = left / p.reduced_dims[d];
      from += (left - next * p.reduced_dims[d]) * p.x_reduced[d];
      left = next;
    }
    v = join(v, number_at<kElement>(p.x, from));
  }
#pragma unroll
  for (int d = 16; d > 0; d /= 2) v = join(v, __shfl_xor_sync(~0u, v, d));
  if (lane == 0) put_number<kElement>(p.y, y, real ? (p.kind == 0 ? v / static_cast<float>(p.each) : v) : 0.f);
}

}  // namespace

cudaError_t launch_grouped_conv(const GroupedConvProblem& p, const Launching& launching) {
  const int64_t pixels = int64_t{p.images} * p.out_h * p.out_w;
  return for_element(p.element, [&]<Element kElement>() {
    if (p.groups == p.channels && p.channels == p.outputs)
      return launch(reinterpret_cast<const void*>(&depthwise_kernel<kElement>), grid_of(pixels * (p.y_stored / 8)), kThreads, p,
                    launching);
    return launch(reinterpret_cast<const void*>(&grouped_conv_kernel<kElement>), grid_of(pixels * p.y_stored), kThreads, p,
                  launching);
  });
}

cudaError_t launch_elementwise(const ElementwiseProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&elementwise_kernel<kElement>), grid_of(p.count), kThreads, p, launching);
  });
}

cudaError_t launch_matmul(const MatmulProblem& p, const Launching& launching) {
  const dim3 grid(static_cast<unsigned>((p.n + kTile - 1) / kTile), static_cast<unsigned>((p.m + kTile - 1) / kTile),
                  static_cast<unsigned>(p.batches));
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&matmul_kernel<kElement>), grid, kTile * kTile, p, launching);
  });
}

cudaError_t launch_layer_norm(const LayerNormProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&layer_norm_kernel<kElement>), grid_of(p.rows * 32), kThreads, p, launching);
  });
}

cudaError_t launch_reduce(const ReduceProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&reduce_kernel<kElement>), grid_of(p.count * 32), kThreads, p, launching);
  });
}

}  // namespace corolla::engine::cuda
