#include "engine/cuda/kernels/byte_kernels.h"

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/items.cuh"
#include "engine/cuda/kernels/ptx.cuh"

namespace corolla::engine::cuda {
namespace {

__device__ float real(int stored, const ByteScale& s) { return static_cast<float>(stored - s.zero) * s.scale; }
__device__ uint8_t byte(float v, const ByteScale& s) {
  return static_cast<uint8_t>(quantised(v, 1.f / s.scale, static_cast<float>(s.zero)));
}

// Eight numbers a thread.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) quantize_kernel(const __grid_constant__ ByteCastProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  using One = typename Numbers<kElement>::One;
  const int64_t at = item() * 8;
  if (at >= p.count) return;
  const One* x = static_cast<const One*>(p.x) + at;
  uint8_t* y = static_cast<uint8_t*>(p.y) + at;
  if (at + 8 > p.count) {
    for (int64_t i = 0; at + i < p.count; ++i) y[i] = byte(Numbers<kElement>::wide(x[i]), p.bytes);
    return;
  }
  float v[8] = {};
  add_chunk<kElement>(v, *reinterpret_cast<const uint4*>(x));
  uint32_t words[2] = {};
#pragma unroll
  for (int i = 0; i < 8; ++i) words[i / 4] |= static_cast<uint32_t>(byte(v[i], p.bytes)) << (i % 4 * 8);
  *reinterpret_cast<uint2*>(y) = make_uint2(words[0], words[1]);
}

template <Element kElement>
__global__ void __launch_bounds__(kThreads) dequantize_kernel(const __grid_constant__ ByteCastProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  using One = typename Numbers<kElement>::One;
  const int64_t at = item() * 8;
  if (at >= p.count) return;
  const uint8_t* x = static_cast<const uint8_t*>(p.x) + at;
  One* y = static_cast<One*>(p.y) + at;
  const auto value = [&](int i, int stored) {
    return static_cast<int>((at + i) % p.stored) < p.real ? real(stored, p.bytes) : 0.f;
  };
  if (at + 8 > p.count) {
    for (int i = 0; at + i < p.count; ++i) y[i] = Numbers<kElement>::narrow(value(i, x[i]));
    return;
  }
  const uint2 packed = *reinterpret_cast<const uint2*>(x);
  const uint32_t words[2] = {packed.x, packed.y};
  float v[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) v[i] = value(i, static_cast<int>(words[i / 4] >> (i % 4 * 8) & 255));
  *reinterpret_cast<uint4*>(y) = pack_chunk<kElement>(v);
}

// One thread: four bytes of y. Blocks: along the width, rows, images.
__global__ void __launch_bounds__(kThreads) byte_import_kernel(const __grid_constant__ ByteImportProblem b) {
  ptx::let_next_start();
  const ImportProblem& p = b.picture;
  const int quads = p.y_channels / 4, i = blockIdx.x * kThreads + threadIdx.x;
  const int x = i / quads, quad = i - x * quads, y = static_cast<int>(blockIdx.y);
  const int w = (b.blocks ? 2 * x + (quad & 1) : x) - p.left, h = (b.blocks ? 2 * y + (quad >> 1) : y) - p.top;
  const int c0 = b.blocks ? 0 : quad * 4;
  const float scale = 1.f / b.to.scale, zero = static_cast<float>(b.to.zero);
  ptx::wait_for_previous();
  if (x >= p.y_width) return;
  uint32_t word = static_cast<uint32_t>(b.to.zero) * 0x01010101u;
  if (static_cast<unsigned>(h) < static_cast<unsigned>(p.height) && static_cast<unsigned>(w) < static_cast<unsigned>(p.width)) {
    const int64_t n = blockIdx.z;
    word = 0;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int c = c0 + e;
      if (c >= p.channels) continue;
      float v = p.pixels ? static_cast<const uint8_t*>(p.x)[((n * p.height + h) * p.width + w) * p.channels + c]
                         : static_cast<const float*>(p.x)[((n * p.channels + c) * p.height + h) * p.width + w];
      if (c < 8) v = (v - p.mean[c]) * p.scale[c];
      word |= static_cast<uint32_t>(quantised(v, scale, zero)) << (e * 8);
    }
  }
  static_cast<uint32_t*>(p.y)[(int64_t{blockIdx.z} * p.y_height + y) * p.y_width * quads + i] = word;
}

// One thread: kWords times four channels of one pixel. Blocks: along the width, rows, images.
template <int kWords>
struct Words {
  uint32_t word[kWords];
};
template <int kWords>
__global__ void __launch_bounds__(kThreads) byte_pool_kernel(const __grid_constant__ BytePoolProblem b) {
  ptx::let_next_start();
  const PoolProblem& p = b.pool;
  using Chunk = std::conditional_t<kWords == 4, uint4, uint2>;
  const int chunks = p.channels / (kWords * 4), i = blockIdx.x * kThreads + threadIdx.x;
  const int ow = i / chunks, chunk = i - ow * chunks, oh = blockIdx.y;
  ptx::wait_for_previous();
  if (ow >= p.out_w) return;
  const int h0 = oh * p.stride_h - p.pad_top, w0 = ow * p.stride_w - p.pad_left;
  const Chunk* x = static_cast<const Chunk*>(p.x) + int64_t{blockIdx.z} * p.height * p.width * chunks + chunk;
  Chunk* y = static_cast<Chunk*>(p.y) + (int64_t{blockIdx.z} * p.out_h + oh) * p.out_w * chunks + i;
  Words<kWords> most = {};
  int sums[kWords * 4] = {}, count = 0, counted = 0;
  for (int r = 0; r < p.kernel_h; ++r) {
    const int h = h0 + r * p.dilation_h;
    for (int s = 0; s < p.kernel_w; ++s) {
      const int w = w0 + s * p.dilation_w;
      if (h < p.height + p.pad_bottom && w < p.width + p.pad_right) counted += p.count_pad;
      if (static_cast<unsigned>(h) >= static_cast<unsigned>(p.height) || static_cast<unsigned>(w) >= static_cast<unsigned>(p.width))
        continue;
      ++count;
      const Chunk packed = x[(int64_t{h} * p.width + w) * chunks];
      const Words<kWords>& here = reinterpret_cast<const Words<kWords>&>(packed);
      if (p.average) {
#pragma unroll
        for (int e = 0; e < kWords * 4; ++e) sums[e] += static_cast<int>(here.word[e / 4] >> (e % 4 * 8) & 255);
      } else {
#pragma unroll
        for (int e = 0; e < kWords; ++e) most.word[e] = __vmaxu4(most.word[e], here.word[e]);
      }
    }
  }
  if (p.average || b.from.scale != b.to.scale || b.from.zero != b.to.zero) {
    const int divisor = p.count_pad ? counted : count;
    Words<kWords> made = {};
#pragma unroll
    for (int e = 0; e < kWords * 4; ++e) {
      const float v = p.average ? static_cast<float>(sums[e] - count * b.from.zero) * b.from.scale / static_cast<float>(max(divisor, 1))
                                : real(static_cast<int>(most.word[e / 4] >> (e % 4 * 8) & 255), b.from);
      made.word[e / 4] |= static_cast<uint32_t>(byte(v, b.to)) << (e % 4 * 8);
    }
    most = made;
  }
  *y = reinterpret_cast<const Chunk&>(most);
}

// One thread an output.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) byte_conv_kernel(const __grid_constant__ ByteConvProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  using One = typename Numbers<kElement>::One;
  const int64_t i = item();
  const int o = static_cast<int>(i % p.y_stored);
  const int64_t pixel = i / p.y_stored;
  const int ow = static_cast<int>(pixel % p.out_w), oh = static_cast<int>(pixel / p.out_w % p.out_h);
  const int64_t n = pixel / p.out_w / p.out_h;
  if (n >= p.images) return;
  float v = 0;
  if (o < p.outputs) {
    const int in_group = p.channels / p.groups, c0 = o / (p.outputs / p.groups) * in_group;
    const int8_t* w = static_cast<const int8_t*>(p.w) + static_cast<int64_t>(o) * p.kernel_h * p.kernel_w * p.w_stored;
    int sum = 0;
    for (int r = 0; r < p.kernel_h; ++r) {
      const int h = oh * p.stride_h - p.pad_h + r * p.dilation_h;
      if (static_cast<unsigned>(h) >= static_cast<unsigned>(p.height)) continue;
      for (int s = 0; s < p.kernel_w; ++s) {
        const int u = ow * p.stride_w - p.pad_w + s * p.dilation_w;
        if (static_cast<unsigned>(u) >= static_cast<unsigned>(p.width)) continue;
        const uint8_t* x = static_cast<const uint8_t*>(p.x) + ((n * p.height + h) * p.width + u) * p.x_stored + c0;
        const int8_t* tap = w + (r * p.kernel_w + s) * p.w_stored;
        for (int c = 0; c < in_group; ++c) sum += (x[c] - p.from.zero) * tap[c];
      }
    }
    v = static_cast<float>(sum) * (p.from.scale * p.w_scale[o]) + p.bias[o];
    if (p.residual != nullptr)
      v += p.residual_bytes ? real(static_cast<const uint8_t*>(p.residual)[pixel * p.y_stored + o], p.residual_from)
                            : Numbers<kElement>::wide(static_cast<const One*>(p.residual)[pixel * p.y_stored + o]);
    v = activated(v, p.act, p.act_a, p.act_b);
  }
  if (p.y_bytes)
    static_cast<uint8_t*>(p.y)[i] = byte(v, p.to);
  else
    static_cast<One*>(p.y)[i] = Numbers<kElement>::narrow(v);
}

}  // namespace

cudaError_t launch_quantize(const ByteCastProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&quantize_kernel<kElement>), grid_of((p.count + 7) / 8), kThreads, p, launching);
  });
}

cudaError_t launch_dequantize(const ByteCastProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&dequantize_kernel<kElement>), grid_of((p.count + 7) / 8), kThreads, p, launching);
  });
}

cudaError_t launch_byte_import(const ByteImportProblem& b, const Launching& launching) {
  const ImportProblem& p = b.picture;
  const dim3 grid(grid_of(int64_t{p.y_width} * (p.y_channels / 4)).x, static_cast<unsigned>(p.y_height), static_cast<unsigned>(p.images));
  return launch(reinterpret_cast<const void*>(&byte_import_kernel), grid, kThreads, b, launching);
}

cudaError_t launch_byte_pool(const BytePoolProblem& b, const Launching& launching) {
  const PoolProblem& p = b.pool;
  const bool wide = p.channels % 16 == 0;
  const dim3 grid(grid_of(int64_t{p.out_w} * (p.channels / (wide ? 16 : 8))).x, static_cast<unsigned>(p.out_h), static_cast<unsigned>(p.images));
  return launch(wide ? reinterpret_cast<const void*>(&byte_pool_kernel<4>) : reinterpret_cast<const void*>(&byte_pool_kernel<2>), grid,
                kThreads, b, launching);
}

cudaError_t launch_byte_conv(const ByteConvProblem& p, const Launching& launching) {
  const int64_t count = int64_t{p.images} * p.out_h * p.out_w * p.y_stored;
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&byte_conv_kernel<kElement>), grid_of(count), kThreads, p, launching);
  });
}

}  // namespace corolla::engine::cuda
