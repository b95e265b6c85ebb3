#include "engine/cuda/kernels/element.cuh"
#include "engine/cuda/kernels/picture_kernels.h"
#include "engine/cuda/kernels/ptx.cuh"

namespace corolla::engine::cuda {
namespace {

constexpr int kThreads = 128;

unsigned blocks(int64_t items, int threads) { return static_cast<unsigned>((items + threads - 1) / threads); }

// One thread: four channels of one pixel of y; blocks: along the width, rows, images.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) import_kernel(const __grid_constant__ ImportProblem p) {
  ptx::let_next_start();
  const int quads = p.y_channels / 4, i = blockIdx.x * kThreads + threadIdx.x;
  const int x = i / quads, quad = i - x * quads;
  const int w = x - p.left, h = static_cast<int>(blockIdx.y) - p.top;
  ptx::wait_for_previous();
  if (x >= p.y_width) return;
  float v[4] = {};
  if (static_cast<unsigned>(h) < static_cast<unsigned>(p.height) && static_cast<unsigned>(w) < static_cast<unsigned>(p.width)) {
    const int64_t n = blockIdx.z;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int c = quad * 4 + e;
      if (c >= p.channels) continue;
      const float value = p.pixels ? static_cast<const uint8_t*>(p.x)[((n * p.height + h) * p.width + w) * p.channels + c]
                                   : static_cast<const float*>(p.x)[((n * p.channels + c) * p.height + h) * p.width + w];
      v[e] = c < 8 ? (value - p.mean[c]) * p.scale[c] : value;
    }
  }
  typename Numbers<kElement>::Pair pairs[2] = {Numbers<kElement>::narrow(v[0], v[1]), Numbers<kElement>::narrow(v[2], v[3])};
  static_cast<uint2*>(p.y)[(int64_t{blockIdx.z} * p.y_height + blockIdx.y) * p.y_width * quads + i] = *reinterpret_cast<uint2*>(pairs);
}

// u8 pictures of three channels into four-channel pixels: one thread four source pixels, or four of
// the border. REQUIRES: width % 4 == 0, x 4-byte aligned.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) import_pixels_kernel(const __grid_constant__ ImportProblem p) {
  ptx::let_next_start();
  const int h = static_cast<int>(blockIdx.y) - p.top, at = (blockIdx.x * kThreads + threadIdx.x) * 4;
  uint2* y = static_cast<uint2*>(p.y) + (int64_t{blockIdx.z} * p.y_height + blockIdx.y) * p.y_width;
  ptx::wait_for_previous();
  const bool row_inside = static_cast<unsigned>(h) < static_cast<unsigned>(p.height);
  if (!row_inside) {
    for (int i = at; i < min(at + 4, p.y_width); ++i) y[i] = {0, 0};
    return;
  }
  if (at >= p.width) {  // what is left of the row: both borders
    const int border = p.y_width - p.width;
    for (int i = at - p.width; i < min(at - p.width + 4, border); ++i) y[i < p.left ? i : i + p.width] = {0, 0};
    return;
  }
  const uint32_t* x = reinterpret_cast<const uint32_t*>(static_cast<const uint8_t*>(p.x) + ((int64_t{blockIdx.z} * p.height + h) * p.width + at) * 3);
  const uint32_t words[3] = {x[0], x[1], x[2]};
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(words);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    typename Numbers<kElement>::Pair pairs[2];
    pairs[0] = Numbers<kElement>::narrow((bytes[i * 3] - p.mean[0]) * p.scale[0], (bytes[i * 3 + 1] - p.mean[1]) * p.scale[1]);
    pairs[1] = Numbers<kElement>::narrow((bytes[i * 3 + 2] - p.mean[2]) * p.scale[2], 0.f);
    y[p.left + at + i] = *reinterpret_cast<uint2*>(pairs);
  }
}

// One thread: eight channels of one pixel of y; blocks: along the width, rows, images. kSize: of the
// window where it is known and loads can all be under way at once; 0: any.
template <Element kElement, int kSize>
__global__ void __launch_bounds__(kThreads) pool_kernel(const __grid_constant__ PoolProblem p) {
  ptx::let_next_start();
  const int chunks = p.channels / 8, i = blockIdx.x * kThreads + threadIdx.x;
  const int ow = i / chunks, chunk = i - ow * chunks, oh = blockIdx.y;
  ptx::wait_for_previous();
  if (ow >= p.out_w) return;
  const int h0 = oh * p.stride_h - p.pad_top, w0 = ow * p.stride_w - p.pad_left;
  const uint4* x = static_cast<const uint4*>(p.x) + int64_t{blockIdx.z} * p.height * p.width * chunks + chunk;
  uint4* y = static_cast<uint4*>(p.y) + (int64_t{blockIdx.z} * p.out_h + oh) * p.out_w * chunks + i;
  const auto inside = [&](int h, int w) {
    return static_cast<unsigned>(h) < static_cast<unsigned>(p.height) && static_cast<unsigned>(w) < static_cast<unsigned>(p.width);
  };
  if constexpr (kSize > 0) {
    using Pair = typename Numbers<kElement>::Pair;
    constexpr uint32_t kLeast = kElement == Element::kBfloat ? 0xff80ff80 : 0xfc00fc00;  // -infinity
    const uint4 least = {kLeast, kLeast, kLeast, kLeast};
    uint4 window[kSize * kSize];
#pragma unroll
    for (int r = 0; r < kSize; ++r)
#pragma unroll
      for (int s = 0; s < kSize; ++s)
        window[r * kSize + s] = inside(h0 + r, w0 + s) ? x[(int64_t{h0 + r} * p.width + w0 + s) * chunks] : least;
#pragma unroll
    for (int t = 1; t < kSize * kSize; ++t) {
      Pair* most = reinterpret_cast<Pair*>(&window[0]);
      const Pair* other = reinterpret_cast<const Pair*>(&window[t]);
#pragma unroll
      for (int e = 0; e < 4; ++e) most[e] = __hmax2_nan(most[e], other[e]);
    }
    *y = window[0];
  } else {
  float v[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) v[e] = p.average ? 0.f : -INFINITY;
  int count = 0;
  for (int r = 0; r < p.kernel_h; ++r) {
    const int h = h0 + r * p.dilation_h;
    for (int s = 0; s < p.kernel_w; ++s) {
      const int w = w0 + s * p.dilation_w;
      // Beyond the explicit padding (ceil mode) nothing counts.
      if (h < p.height + p.pad_bottom && w < p.width + p.pad_right) count += p.count_pad;
      if (!inside(h, w)) continue;
      count += !p.count_pad;
      float here[8] = {};
      add_chunk<kElement>(here, x[(int64_t{h} * p.width + w) * chunks]);
#pragma unroll
      for (int e = 0; e < 8; ++e) v[e] = p.average ? v[e] + here[e] : fmaxf(v[e], here[e]);
    }
  }
  const float scale = p.average && count > 0 ? 1.f / static_cast<float>(count) : 1.f;
#pragma unroll
  for (int e = 0; e < 8; ++e) v[e] *= scale;
  *y = pack_chunk<kElement>(v);
  }
}

// One block: 64 channels of one image; 8 threads along channels, 32 along pixels.
constexpr int kPoolRows = 32;
template <Element kElement>
__global__ void __launch_bounds__(8 * kPoolRows) global_pool_kernel(const __grid_constant__ GlobalPoolProblem p) {
  __shared__ float sums[kPoolRows][64 + 4];
  ptx::let_next_start();
  const int lane = threadIdx.x % 8, row = threadIdx.x / 8;
  const int c = blockIdx.x * 64 + lane * 8;
  using One = typename Numbers<kElement>::One;
  const One* x = static_cast<const One*>(p.x) + int64_t{blockIdx.y} * p.pixels * p.channels + c;
  ptx::wait_for_previous();
  float v[8] = {};
  if (c < p.channels)
#pragma unroll 2
    for (int i = row; i < p.pixels; i += kPoolRows) {
      add_chunk<kElement>(v, *reinterpret_cast<const uint4*>(x + static_cast<int64_t>(i) * p.channels));
    }
#pragma unroll
  for (int e = 0; e < 8; ++e) sums[row][lane * 8 + e] = v[e];
  __syncthreads();
  if (threadIdx.x < 64 && blockIdx.x * 64 + threadIdx.x < p.channels) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kPoolRows; ++i) sum += sums[i][threadIdx.x];
    static_cast<One*>(p.y)[int64_t{blockIdx.y} * p.channels + blockIdx.x * 64 + threadIdx.x] =
        Numbers<kElement>::narrow(sum / static_cast<float>(p.pixels));
  }
}

// One warp a row.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) softmax_kernel(const __grid_constant__ SoftmaxProblem p) {
  ptx::let_next_start();
  const int64_t row = int64_t{blockIdx.x} * (kThreads / 32) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  ptx::wait_for_previous();
  if (row >= p.rows) return;
  using One = typename Numbers<kElement>::One;
  const One* x = static_cast<const One*>(p.x) + row * p.columns;
  float most = -INFINITY, sum = 0;
  for (int i = lane; i < p.columns; i += 32) most = fmaxf(most, Numbers<kElement>::wide(x[i]));
#pragma unroll
  for (int d = 16; d > 0; d /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, d));
  for (int i = lane; i < p.columns; i += 32) sum += __expf(Numbers<kElement>::wide(x[i]) - most);
#pragma unroll
  for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
  for (int i = lane; i < p.columns; i += 32) {
    const float y = __expf(Numbers<kElement>::wide(x[i]) - most) / sum;
    if (p.to_float)
      static_cast<float*>(p.y)[row * p.columns + i] = y;
    else
      static_cast<One*>(p.y)[row * p.columns + i] = Numbers<kElement>::narrow(y);
  }
}

template <Element kElement>
const void* pool_kernel_for(const PoolProblem& p) {
  const bool simple = !p.average && p.dilation_h == 1 && p.dilation_w == 1 && p.kernel_h == p.kernel_w;
  if (simple && p.kernel_h == 3) return reinterpret_cast<const void*>(&pool_kernel<kElement, 3>);
  if (simple && p.kernel_h == 2) return reinterpret_cast<const void*>(&pool_kernel<kElement, 2>);
  return reinterpret_cast<const void*>(&pool_kernel<kElement, 0>);
}

}  // namespace

cudaError_t launch_import(const ImportProblem& p, const Launching& launching) {
  const auto height = static_cast<unsigned>(p.y_height), images = static_cast<unsigned>(p.images);
  return for_element(p.element, [&]<Element kElement>() {
    if (p.pixels && p.channels == 3 && p.y_channels == 4 && p.width % 4 == 0 && reinterpret_cast<uintptr_t>(p.x) % 4 == 0)
      return launch(reinterpret_cast<const void*>(&import_pixels_kernel<kElement>),
                    dim3(blocks((p.y_width + 7) / 4, kThreads), height, images), kThreads, p, launching);
    return launch(reinterpret_cast<const void*>(&import_kernel<kElement>),
                  dim3(blocks(p.y_width * (p.y_channels / 4), kThreads), height, images), kThreads, p, launching);
  });
}

cudaError_t launch_pool(const PoolProblem& p, const Launching& launching) {
  const dim3 grid(blocks(p.out_w * (p.channels / 8), kThreads), static_cast<unsigned>(p.out_h), static_cast<unsigned>(p.images));
  return for_element(p.element, [&]<Element kElement>() {
    return launch(pool_kernel_for<kElement>(p), grid, kThreads, p, launching);
  });
}

cudaError_t launch_global_pool(const GlobalPoolProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&global_pool_kernel<kElement>),
                  dim3(blocks(p.channels, 64), static_cast<unsigned>(p.images)), 8 * kPoolRows, p, launching);
  });
}

cudaError_t launch_softmax(const SoftmaxProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&softmax_kernel<kElement>), dim3(blocks(p.rows, kThreads / 32)), kThreads, p,
                  launching);
  });
}

}  // namespace corolla::engine::cuda
