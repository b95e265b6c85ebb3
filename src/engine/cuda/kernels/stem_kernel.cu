#include "engine/cuda/kernels/element.cuh"
#include "engine/cuda/kernels/ptx.cuh"
#include "engine/cuda/kernels/stem_kernel.h"

namespace corolla::engine::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kRowBlocks = StemTile::kPixels / kWarps / 16;

template <int kN>
struct StemShared {
  static constexpr int kWeights = kN * StemTile::kWeightBytes;
  static constexpr int kConvolved = StemTile::kPixels * kN * 2;  // where weights and picture were
  static constexpr int kBytes =
      kWeights + StemTile::kPictureBytes > kConvolved ? kWeights + StemTile::kPictureBytes : kConvolved;
};

template <Element kElement>
__device__ __forceinline__ uint2 normalised(const StemProblem& p, float a, float b, float c, float d) {
  using Number = Numbers<kElement>;
  typename Number::Pair pairs[2] = {Number::narrow((a - p.mean[0]) * p.scale[0], (b - p.mean[1]) * p.scale[1]),
                                    Number::narrow((c - p.mean[2]) * p.scale[2], (d - p.mean[3]) * p.scale[3])};
  return *reinterpret_cast<uint2*>(pairs);
}

// The tile's part of the picture: zero outside of it.
template <Element kElement>
__device__ __forceinline__ void import_tile(const StemProblem& p, const StemOrigin& origin, int64_t image, unsigned char* picture) {
  if (p.pixels && p.channels == 3 && p.width % 4 == 0 && reinterpret_cast<uintptr_t>(p.x) % 4 == 0) {
    // Four pixels, three words, a thread.
    const int shift = origin.w & 3;
    constexpr int kQuads = (StemTile::kColumns + 3 + 3) / 4;
#pragma unroll 2
    for (int i = threadIdx.x; i < StemTile::kRows * kQuads; i += kThreads) {
      const int row = i / kQuads, column = (i - row * kQuads) * 4 - shift;
      const int h = origin.h + row, w = origin.w + column;
      uint32_t words[3] = {};
      const bool inside = static_cast<unsigned>(h) < static_cast<unsigned>(p.height) && static_cast<unsigned>(w) < static_cast<unsigned>(p.width);
      if (inside) {
        const uint32_t* from =
            reinterpret_cast<const uint32_t*>(static_cast<const uint8_t*>(p.x) + ((image * p.height + h) * p.width + w) * 3);
#pragma unroll
        for (int e = 0; e < 3; ++e) words[e] = __ldg(from + e);
      }
      const uint8_t* bytes = reinterpret_cast<const uint8_t*>(words);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int at = column + e;
        if (at < 0 || at >= StemTile::kColumns) continue;
        uint2 value = {0, 0};
        if (inside) {
          value = normalised<kElement>(p, bytes[e * 3], bytes[e * 3 + 1], bytes[e * 3 + 2], p.mean[3]);
        }
        *reinterpret_cast<uint2*>(picture + row * StemTile::kRowBytes + at * 8) = value;
      }
    }
    return;
  }
#pragma unroll 1
  for (int i = threadIdx.x; i < StemTile::kRows * StemTile::kColumns; i += kThreads) {
    const int row = i / StemTile::kColumns, column = i - row * StemTile::kColumns;
    const int h = origin.h + row, w = origin.w + column;
    uint2 value = {0, 0};
    if (static_cast<unsigned>(h) < static_cast<unsigned>(p.height) && static_cast<unsigned>(w) < static_cast<unsigned>(p.width)) {
      float v[4];
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        v[c] = p.mean[c];
        if (c >= p.channels) continue;
        v[c] = p.pixels ? static_cast<const uint8_t*>(p.x)[((image * p.height + h) * p.width + w) * p.channels + c]
                        : static_cast<const float*>(p.x)[((image * p.channels + c) * p.height + h) * p.width + w];
      }
      value = normalised<kElement>(p, v[0], v[1], v[2], v[3]);
    }
    *reinterpret_cast<uint2*>(picture + row * StemTile::kRowBytes + column * 8) = value;
  }
}

// Blocks: kN channels of a tile; tiles along the width, the height, images.
template <Element kElement, int kN>
__global__ void __launch_bounds__(kThreads, 2) stem_kernel(const __grid_constant__ StemProblem p) {
  using Number = Numbers<kElement>;
  __shared__ __align__(128) unsigned char shared[StemShared<kN>::kBytes];
  const int parts = p.n / kN, tile_w = blockIdx.x / parts, n0 = (blockIdx.x - tile_w * parts) * kN;
  const StemOrigin origin = stem_origin(p, blockIdx.y, tile_w);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  unsigned char* const picture = shared + StemShared<kN>::kWeights;
  const uint32_t weights_at = ptx::shared_address(shared), picture_at = ptx::shared_address(picture);

  ptx::let_next_start();
  constexpr int kChunks = StemTile::kK / 8;
  for (int i = threadIdx.x; i < kN * kChunks; i += kThreads) {
    const int row = i / kChunks, chunk = i - row * kChunks;
    ptx::copy16(weights_at + row * StemTile::kWeightBytes + chunk * 16,
                static_cast<const typename Number::One*>(p.w) + (n0 + row) * StemTile::kK + chunk * 8, true);
  }
  ptx::copy_commit();
  ptx::wait_for_previous();
  import_tile<kElement>(p, origin, blockIdx.z, picture);
  ptx::copy_wait<0>();
  __syncthreads();

  float sums[kRowBlocks][kN / 8][4] = {};
  uint32_t window[kRowBlocks];
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i)
    window[i] = picture_at + stem_window((warp * kRowBlocks + i) * 16 + lane % 16) + lane / 16 * 16;
  const uint32_t weights = weights_at + (lane % 8 + lane / 16 * 8) * StemTile::kWeightBytes + lane / 8 % 2 * 16;
#pragma unroll
  for (int r = 0; r < StemTile::kKernelH; ++r)
#pragma unroll
    for (int half = 0; half < StemTile::kRowElements / 16; ++half) {
      uint32_t a[kRowBlocks][4];
#pragma unroll
      for (int i = 0; i < kRowBlocks; ++i) ptx::load_matrix4(a[i], window[i] + r * StemTile::kRowBytes + half * 32);
#pragma unroll
      for (int j = 0; j < kN / 8; j += 2) {
        uint32_t b[4];
        ptx::load_matrix4(b, weights + j * 8 * StemTile::kWeightBytes + (r * StemTile::kRowElements + half * 16) * 2);
#pragma unroll
        for (int i = 0; i < kRowBlocks; ++i) {
          ptx::mma<kElement>(sums[i][j], a[i], b[0], b[1]);
          ptx::mma<kElement>(sums[i][j + 1], a[i], b[2], b[3]);
        }
      }
    }
  __syncthreads();

#pragma unroll
  for (int j = 0; j < kN / 8; ++j) {
    const int column = j * 8 + lane % 4 * 2;
    const float2 bias = p.bias != nullptr ? __ldg(reinterpret_cast<const float2*>(p.bias + n0 + column)) : make_float2(0.f, 0.f);
#pragma unroll
    for (int i = 0; i < kRowBlocks; ++i)
#pragma unroll
      for (int e = 0; e < 4; e += 2) {
        const int q = (warp * kRowBlocks + i) * 16 + fragment_place(lane, e).row;
        float2 v = make_float2(sums[i][j][e] + bias.x, sums[i][j][e + 1] + bias.y);
        if (p.relu) v = make_float2(fmaxf(v.x, 0.f), fmaxf(v.y, 0.f));
        if (!stem_exists(p, origin, q)) v = make_float2(-INFINITY, -INFINITY);
        *reinterpret_cast<typename Number::Pair*>(shared + result_byte<kN>(q, j) + lane % 4 * 4) = Number::narrow(v.x, v.y);
      }
  }
  __syncthreads();

  constexpr int kRowChunks = kN / 8;
  for (int i = threadIdx.x; i < StemTile::kPooledH * StemTile::kPooledW * kRowChunks; i += kThreads) {
    const int pooled = i / kRowChunks, chunk = i - pooled * kRowChunks;
    const int h = blockIdx.y * StemTile::kPooledH + pooled / StemTile::kPooledW;
    const int w = tile_w * StemTile::kPooledW + pooled % StemTile::kPooledW;
    if (h >= p.out_h || w >= p.out_w) continue;
    uint4 most = *reinterpret_cast<const uint4*>(shared + result_byte<kN>(stem_under(pooled, 0, 0), chunk));
#pragma unroll
    for (int t = 1; t < 9; ++t) {
      const uint4 other = *reinterpret_cast<const uint4*>(shared + result_byte<kN>(stem_under(pooled, t / 3, t % 3), chunk));
      auto* pairs = reinterpret_cast<typename Number::Pair*>(&most);
#pragma unroll
      for (int e = 0; e < 4; ++e) pairs[e] = __hmax2_nan(pairs[e], reinterpret_cast<const typename Number::Pair*>(&other)[e]);
    }
    auto* y = static_cast<typename Number::One*>(p.y) + ((int64_t{blockIdx.z} * p.out_h + h) * p.out_w + w) * p.n + n0 + chunk * 8;
    *reinterpret_cast<uint4*>(y) = most;
  }
}

}  // namespace

bool stem_fits(const StemProblem& p) {
  return p.element != Element::kByte && p.n % 64 == 0 && p.channels <= 4 && p.images <= 65535 && reinterpret_cast<uintptr_t>(p.w) % 16 == 0 &&
         reinterpret_cast<uintptr_t>(p.y) % 16 == 0;
}

cudaError_t launch_stem(const StemProblem& p, const Launching& launching) {
  const int wide = (p.out_w + StemTile::kPooledW - 1) / StemTile::kPooledW, high = (p.out_h + StemTile::kPooledH - 1) / StemTile::kPooledH;
  int device = 0, processors = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (error != cudaSuccess) return error;
  // Where blocks of 64 channels would leave half of the device idle, each takes 32.
  const bool narrow = wide * high * (p.n / 64) * p.images * 2 <= processors;
  const void* kernel = for_element(p.element, [&]<Element kElement>() {
    return narrow ? reinterpret_cast<const void*>(&stem_kernel<kElement, 32>) : reinterpret_cast<const void*>(&stem_kernel<kElement, 64>);
  });
  const dim3 grid(static_cast<unsigned>(wide * (p.n / (narrow ? 32 : 64))), static_cast<unsigned>(high), static_cast<unsigned>(p.images));
  return launch(kernel, grid, kThreads, p, launching);
}

}  // namespace corolla::engine::cuda
