// The implicit GEMM of conv_problem.h on tensor cores. See docs/kernels.md.
//
// A block computes a tile of kM pixels x kN channels for one part (split) of K. Steps of 64 of K go
// through kStages tiles in shared memory: [kM][64] of x and [kN][64] of w, rows of 128 bytes,
// swizzled (tile_byte). Every thread copies its chunks with cp.async, so there are no special warps.
//
// Two ways to multiply the same tiles:
//   mma:   kWarpsM x kWarpsN warps, ldmatrix + mma.sync                     (sm_80 and later)
//   wgmma: kWarpsM / 4 warpgroups, each kM / (kWarpsM / 4) rows x all kN    (sm_90a)
//
// Splits of a tile meet in one of two ways, both summing in the order of the splits, so that results
// do not change from run to run: through distributed shared memory when they are one cluster, each
// block finishing a part of the rows; else through memory, the block that arrives last finishing
// all. Bias, residual and ReLU are fp32, as are the sums of fp16 and bf16, then rounded once; other
// activations may act on what was rounded. Sums of bytes are exact.
#pragma once
#include <type_traits>

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/conv_kernels.h"
#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/element.cuh"
#include "engine/cuda/kernels/ptx.cuh"
#include "engine/cuda/kernels/wgmma.cuh"

namespace corolla::engine::cuda {

template <Element kElement_, int kM_, int kN_, int kWarpsM_, int kWarpsN_, int kStages_, int kBlocks_, bool kWgmma_,
          bool kDrain_ = false>
struct ConvTile {
  static constexpr Element kElement = kElement_;
  static constexpr bool kBytes = kElement == Element::kByte;
  using Sum = typename SumOf<kElement>::Type;
  using Number = Numbers<kElement>;
  static constexpr int kM = kM_, kN = kN_, kWarpsM = kWarpsM_, kWarpsN = kWarpsN_, kStages = kStages_;
  static constexpr int kBlocks = kBlocks_;  // a multiprocessor, at least
  static constexpr bool kWgmma = kWgmma_;
  // wgmma: each step's products end before the next step begins. One more stage may then be in
  // flight, which is worth more where several blocks share a multiprocessor and K is short.
  static constexpr bool kDrain = kDrain_;
  static constexpr int kThreads = kWarpsM * kWarpsN * 32;
  static constexpr int kRowsAtOnce = kThreads / 8;
  static constexpr int kChunksM = kM / kRowsAtOnce, kChunksN = kN / kRowsAtOnce;  // a thread, a step
  static constexpr int kStageBytes = (kM + kN) * 128;
  // A warp's piece: rows of 16 x columns of 8.
  static constexpr int kRowBlocks = kWgmma ? kM / (16 * kWarpsM) : kM / kWarpsM / 16;
  static constexpr int kColumnBlocks = kN / kWarpsN / 8;
  static constexpr int kSumPitch = kN + 8;  // floats; no bank conflicts for pairs
  // Stages in flight: wgmma reads a stage while the next step begins, so one less may be refilled.
  static constexpr int kAhead = kWgmma && !kDrain ? kStages - 2 : kStages - 1;
  // The finished tile, and the residual before it, lie where a stage lay that is free by then.
  static constexpr int kRowChunks = kN / 8;
  static constexpr int kTileBytes = kM * kN * 2;
  static constexpr bool kTileInStage = kTileBytes <= kStageBytes;
  static constexpr int kAlignment = kWgmma ? 1024 : 128;
  static_assert(kM % kRowsAtOnce == 0 && kN % kRowsAtOnce == 0);
  static_assert(kWgmma ? kWarpsM % 4 == 0 && kWarpsN == 1 : kColumnBlocks % 2 == 0);
};

template <class Tile>
__device__ __forceinline__ int warp_row(int warp_m, int i) {
  return warp_row(Tile::kWgmma, Tile::kRowBlocks, warp_m, i);
}

template <class Tile>
struct ConvCopies {  // one thread's part of filling a stage
  PixelRow rows[Tile::kChunksM];
  KWalk x_at, w_at;
  int first_n, place;  // in a stage's tile

  __device__ __forceinline__ void begin(const ConvProblem& p, int m0, int n0, int step) {
    const int first_row = threadIdx.x / 8, chunk = threadIdx.x % 8, first_m = m0 + first_row;
    first_n = n0 + first_row;
    place = tile_byte(first_row, chunk);
    if (p.pointwise) {
#pragma unroll
      for (int i = 0; i < Tile::kChunksM; ++i) rows[i] = pointwise_row(p, first_m + i * Tile::kRowsAtOnce);
    } else {
#pragma unroll
      for (int i = 0; i < Tile::kChunksM; ++i) rows[i] = window_row(p, first_m + i * Tile::kRowsAtOnce);
    }
    x_at = w_at = k_walk(p, step * kBlockK + chunk * kChunk);
  }
  __device__ __forceinline__ void x(const ConvProblem& p, uint32_t stage) {
    const uint16_t* base = static_cast<const uint16_t*>(p.x);
    const uint32_t to = stage + place;
#pragma unroll
    for (int i = 0; i < Tile::kChunksM; ++i) {
      const Source from = x_source(p, rows[i], x_at);
      if constexpr (Tile::kBytes) {
        if (p.fill != 0 && !from.inside) {
          ptx::store16(to + i * Tile::kRowsAtOnce * 128, p.fill);
          continue;
        }
      }
      ptx::copy16_near(to + i * Tile::kRowsAtOnce * 128, base + static_cast<uint32_t>(from.inside ? from.offset : 0),
                       from.inside);
    }
    k_next(p, x_at);
  }
  __device__ __forceinline__ void w(const ConvProblem& p, uint32_t stage) {
    const uint16_t* base = static_cast<const uint16_t*>(p.w);
    const uint32_t to = stage + Tile::kM * 128 + place;
#pragma unroll
    for (int i = 0; i < Tile::kChunksN; ++i) {
      const Source from = w_source(p, first_n + i * Tile::kRowsAtOnce, w_at);
      ptx::copy16(to + i * Tile::kRowsAtOnce * 128, base + static_cast<uint32_t>(from.inside ? from.offset : 0),
                  from.inside);
    }
    w_at.k += kBlockK;
  }
};

template <class Tile>
using Sums = typename Tile::Sum[Tile::kRowBlocks][Tile::kColumnBlocks][4];

template <class Tile>
__device__ __forceinline__ void mma_stage(Sums<Tile>& sums, uint32_t stage, int warp_m, int warp_n, int lane) {
  const uint32_t w_tile = stage + Tile::kM * 128;
#pragma unroll
  for (int kk = 0; kk < kBlockK / 16; ++kk) {
    uint32_t a[Tile::kRowBlocks][4];
#pragma unroll
    for (int i = 0; i < Tile::kRowBlocks; ++i)
      ptx::load_matrix4(a[i], stage + tile_byte(warp_row<Tile>(warp_m, i) + lane % 16, kk * 2 + lane / 16));
#pragma unroll
    for (int j = 0; j < Tile::kColumnBlocks; j += 2) {
      uint32_t b[4];
      const int row = (warp_n * Tile::kColumnBlocks + j) * 8 + lane % 8 + lane / 16 * 8;
      ptx::load_matrix4(b, w_tile + tile_byte(row, kk * 2 + lane / 8 % 2));
#pragma unroll
      for (int i = 0; i < Tile::kRowBlocks; ++i) {
        ptx::mma<Tile::kElement>(sums[i][j], a[i], b[0], b[1]);
        ptx::mma<Tile::kElement>(sums[i][j + 1], a[i], b[2], b[3]);
      }
    }
  }
}

template <class Tile>
__device__ __forceinline__ void wgmma_stage(Sums<Tile>& sums, uint32_t stage, int warp_m) {
  const uint64_t b = ptx::wgmma_tile(stage + Tile::kM * 128);
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i) {
    const uint64_t a = ptx::wgmma_tile(stage + (warp_m / 4 * Tile::kRowBlocks + i) * 64 * 128);
    auto& flat = *reinterpret_cast<typename Tile::Sum(*)[Tile::kColumnBlocks * 4]>(&sums[i]);
#pragma unroll
    for (int kk = 0; kk < kBlockK / 16; ++kk) ptx::wgmma<Tile::kElement, Tile::kN>(flat, a + kk * 2, b + kk * 2);
  }
}

// This thread's chunks of the finished tile: always the same columns.
template <class Tile>
struct ResultChunks {
  static constexpr int kRows = Tile::kThreads / Tile::kRowChunks;  // at once
  static constexpr int kCount = Tile::kM / kRows;
  static_assert(Tile::kThreads % Tile::kRowChunks == 0 && Tile::kM % kRows == 0);
  int row, chunk;
  __device__ __forceinline__ ResultChunks()
      : row(threadIdx.x / Tile::kRowChunks), chunk(threadIdx.x % Tile::kRowChunks) {}
};

template <class Tile>
__device__ __forceinline__ void copy_residual(const ConvProblem& p, uint32_t to, int m0, int n0) {
  const ResultChunks<Tile> mine;
  const uint16_t* base = static_cast<const uint16_t*>(p.residual);
  const int n = n0 + mine.chunk * 8;
#pragma unroll
  for (int i = 0; i < ResultChunks<Tile>::kCount; ++i) {
    const int row = mine.row + i * ResultChunks<Tile>::kRows, m = m0 + row;
    const bool inside = m < p.m && n < p.n;
    ptx::copy16(to + result_byte<Tile::kN>(row, mine.chunk),
                base + static_cast<uint32_t>(inside ? m * p.residual_pixel + n : 0), inside);
  }
}

__device__ __forceinline__ void activate(const ConvProblem& p, float (&v)[8], int n) {
  if (p.act == Act::kRelu) {
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = fmaxf(v[i], 0.f);
  } else if (p.act != Act::kNone) {
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = activated_apart(v[i], p.act, p.act_a, p.act_b);
  }
  if (n + 8 > p.n_real) {
#pragma unroll
    for (int i = 0; i < 8; ++i)
      if (n + i >= p.n_real) v[i] = 0.f;
  }
}

// Eight channels of one pixel. vectors: they lie on 16 bytes (bytes: on 8) and all exist.
template <class Tile>
__device__ __forceinline__ void store_halves(const ConvProblem& p, const uint4& packed, int m, int n, bool vectors) {
  uint16_t* y = static_cast<uint16_t*>(p.y) + static_cast<int64_t>(m) * p.y_pixel + n;
  if (vectors) {
    *reinterpret_cast<uint4*>(y) = packed;
  } else {
    const uint16_t* each = reinterpret_cast<const uint16_t*>(&packed);
#pragma unroll
    for (int i = 0; i < 8; ++i)
      if (n + i < p.n) y[i] = each[i];
  }
}
template <class Tile>
__device__ __forceinline__ void store_chunk(const ConvProblem& p, const float (&v)[8], int m, int n, bool vectors) {
  if constexpr (Tile::kBytes) {
    if (p.y_bytes) {
      uint8_t* y = static_cast<uint8_t*>(p.y) + static_cast<int64_t>(m) * p.y_pixel + n;
      uint32_t words[2] = {};
#pragma unroll
      for (int i = 0; i < 8; ++i)
        words[i / 4] |= static_cast<uint32_t>(quantised(v[i], p.y_scale, p.y_zero)) << (i % 4 * 8);
      if (vectors) {
        *reinterpret_cast<uint2*>(y) = make_uint2(words[0], words[1]);
      } else {
#pragma unroll
        for (int i = 0; i < 8; ++i)
          if (n + i < p.n) y[i] = static_cast<uint8_t>(words[i / 4] >> (i % 4 * 8));
      }
      return;
    }
  }
  store_halves<Tile>(p, pack_chunk<Tile::kElement>(v), m, n, vectors);
}
// As it lies in memory: 16 bytes, or 8 where it is bytes.
template <class Tile>
__device__ __forceinline__ void load_residual(const ConvProblem& p, uint4& packed, int m, int n, bool vectors) {
  const int64_t at = static_cast<int64_t>(m) * p.residual_pixel + n;
  if constexpr (Tile::kBytes) {
    if (p.residual_bytes) {
      const uint8_t* r = static_cast<const uint8_t*>(p.residual) + at;
      if (vectors) {
        const uint2 words = *reinterpret_cast<const uint2*>(r);
        packed.x = words.x;
        packed.y = words.y;
      } else {
        uint8_t* each = reinterpret_cast<uint8_t*>(&packed);
#pragma unroll
        for (int i = 0; i < 8; ++i) each[i] = n + i < p.n ? r[i] : 0;
      }
      return;
    }
  }
  const uint16_t* r = static_cast<const uint16_t*>(p.residual) + at;
  if (vectors) {
    packed = *reinterpret_cast<const uint4*>(r);
  } else {
    uint16_t* each = reinterpret_cast<uint16_t*>(&packed);
#pragma unroll
    for (int i = 0; i < 8; ++i) each[i] = n + i < p.n ? r[i] : 0;
  }
}
template <class Tile>
__device__ __forceinline__ void add_residual(const ConvProblem& p, float (&v)[8], const uint4& packed) {
  if constexpr (Tile::kBytes) {
    if (p.residual_bytes) {
      const uint32_t words[2] = {packed.x, packed.y};
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = fmaf(static_cast<float>(words[i / 4] >> (i % 4 * 8) & 255), p.residual_scale, v[i]);
      return;
    }
  }
  add_chunk<Tile::kElement>(v, packed);
}

// Splits through memory: adds up what all blocks of the tile have, in the block that arrives last.
// False for the others: they are done.
template <class Tile>
__device__ __forceinline__ bool meet_in_memory(const ConvProblem& p, Sums<Tile>& sums, int split) {
  constexpr int kElements = Tile::kRowBlocks * Tile::kColumnBlocks;  // of 4 floats
  using Four = std::conditional_t<Tile::kBytes, int4, float4>;
  Four* all = reinterpret_cast<Four*>(p.partial) +
              static_cast<int64_t>(blockIdx.x) * p.splits * kElements * Tile::kThreads + threadIdx.x;
  Four* mine = all + static_cast<int64_t>(split) * kElements * Tile::kThreads;
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kColumnBlocks; ++j)
      __stcg(mine + (i * Tile::kColumnBlocks + j) * Tile::kThreads,
             Four{sums[i][j][0], sums[i][j][1], sums[i][j][2], sums[i][j][3]});
  __threadfence();
  __syncthreads();
  __shared__ int arrived;
  if (threadIdx.x == 0) arrived = atomicAdd(p.arrivals + blockIdx.x, 1);
  __syncthreads();
  if (arrived != p.splits - 1) return false;
  if (threadIdx.x == 0) p.arrivals[blockIdx.x] = 0;
  __threadfence();
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kColumnBlocks; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[i][j][e] = 0;
#pragma unroll 1
  for (int z = 0; z < p.splits; ++z) {
    const Four* theirs = all + static_cast<int64_t>(z) * kElements * Tile::kThreads;
#pragma unroll
    for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kColumnBlocks; ++j) {
        const Four v = __ldcg(theirs + (i * Tile::kColumnBlocks + j) * Tile::kThreads);
        sums[i][j][0] += v.x;
        sums[i][j][1] += v.y;
        sums[i][j][2] += v.z;
        sums[i][j][3] += v.w;
      }
  }
  return true;
}

// Splits in a cluster: each block finishes some rows of the tile; everybody sends it their sums
// of these rows, into shared memory that nothing else uses: [splits][kM / splits rounded up][kN + 8].
template <class Tile>
__device__ __forceinline__ void meet_in_cluster(const ConvProblem& p, const Sums<Tile>& sums, const typename Tile::Sum* received,
                                                const float* bias, const float* scale, int m0, int n0, int split, bool vectors) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int part_rows = (Tile::kM + p.splits - 1) / p.splits, by_part_rows = (65535 + part_rows) / part_rows;
  ptx::cluster_wait();  // all blocks run: their memory may be written
  const uint32_t mine = ptx::shared_address(received) + split * part_rows * Tile::kSumPitch * 4;
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = warp_row<Tile>(warp / Tile::kWarpsN, i) + fragment_place(lane, half * 2).row;
      const int owner = row * by_part_rows >> 16;  // row / part_rows: both are at most 256
      const uint32_t to = mine + ((row - owner * part_rows) * Tile::kSumPitch + warp % Tile::kWarpsN * Tile::kColumnBlocks * 8 +
                                  fragment_place(lane, 0).column) * 4;
      const uint32_t there = ptx::cluster_address(to, owner);
#pragma unroll
      for (int j = 0; j < Tile::kColumnBlocks; ++j)
        ptx::cluster_store2(there + j * 32, sums[i][j][half * 2], sums[i][j][half * 2 + 1]);
    }
  ptx::cluster_arrive();
  const int rows = min(part_rows, Tile::kM - split * part_rows);
  const int last = rows * Tile::kRowChunks;
  // The first chunk's residual comes while the others arrive.
  int i = threadIdx.x;
  uint4 early = {};
  const int early_m = m0 + split * part_rows + i / Tile::kRowChunks, early_n = n0 + i % Tile::kRowChunks * 8;
  if (p.residual != nullptr && i < last && early_m < p.m && early_n < p.n)
    load_residual<Tile>(p, early, early_m, early_n, vectors);
  ptx::cluster_wait();
#pragma unroll 1
  for (bool first = true; i < last; i += Tile::kThreads, first = false) {
    const int row = i / Tile::kRowChunks, m = m0 + split * part_rows + row, column = i % Tile::kRowChunks * 8, n = n0 + column;
    if (m >= p.m || n >= p.n) continue;
    typename Tile::Sum sum[8];
#pragma unroll
    for (int e = 0; e < 8; ++e) sum[e] = Tile::kBytes ? 0 : bias[column + e];
    const typename Tile::Sum* part = received + row * Tile::kSumPitch + column;
#pragma unroll 2
    for (int z = 0; z < p.splits; ++z, part += part_rows * Tile::kSumPitch) {
      using Four = std::conditional_t<Tile::kBytes, int4, float4>;
      const Four low = reinterpret_cast<const Four*>(part)[0], high = reinterpret_cast<const Four*>(part)[1];
      sum[0] += low.x;
      sum[1] += low.y;
      sum[2] += low.z;
      sum[3] += low.w;
      sum[4] += high.x;
      sum[5] += high.y;
      sum[6] += high.z;
      sum[7] += high.w;
    }
    float v[8];
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      if constexpr (Tile::kBytes)
        v[e] = real_sum(sum[e], scale[column + e], bias[column + e]);
      else
        v[e] = sum[e];
    }
    if (p.residual != nullptr) {
      if (!first) load_residual<Tile>(p, early, m, n, vectors);
      add_residual<Tile>(p, v, early);
    }
    activate(p, v, n);
    store_chunk<Tile>(p, v, m, n, vectors);
  }
}

// A finished tile of bytes: a chunk is 16 columns, and the residual lies where the result will.
template <class Tile>
struct ByteChunks {
  static constexpr int kRowChunks = Tile::kN / 16, kRows = Tile::kThreads / kRowChunks;  // at once
  int row, n_offset, chunk;
  __device__ __forceinline__ ByteChunks() : row(threadIdx.x / kRowChunks), chunk(threadIdx.x % kRowChunks) { n_offset = chunk * 16; }
};

template <class Tile>
__device__ __forceinline__ void copy_byte_residual(const ConvProblem& p, uint32_t to, int m0, int n0) {
  const ByteChunks<Tile> mine;
  const uint8_t* base = static_cast<const uint8_t*>(p.residual);
  const int n = n0 + mine.n_offset;
#pragma unroll
  for (int row = mine.row; row < Tile::kM; row += ByteChunks<Tile>::kRows) {
    const int m = m0 + row;
    const bool inside = m < p.m && n < p.n;
    ptx::copy16(to + result_byte<Tile::kN / 2>(row, mine.chunk),
                base + (inside ? static_cast<int64_t>(m) * p.residual_pixel + n : 0), inside);
  }
}

// Of activations that are one range. REQUIRES: as `fast_bytes` below says.
template <class Tile>
__device__ __forceinline__ void finish_bytes(const ConvProblem& p, const Sums<Tile>& sums, unsigned char* tile, const float* bias,
                                             const float* scale, int m0, int n0) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int warp_m = warp / Tile::kWarpsN, warp_n = warp % Tile::kWarpsN;
  // The activation's range as it is stored: one pair of bounds for both.
  float low = 0, high = 255;
  if (p.act == Act::kRelu) low = fmaxf(p.y_zero, 0.f);
  if (p.act == Act::kClip) {
    low = fminf(fmaxf(fmaf(p.act_a, p.y_scale, p.y_zero), 0.f), 255.f);
    high = fminf(fmaxf(fmaf(p.act_b, p.y_scale, p.y_zero), low), 255.f);
  }
#pragma unroll
  for (int j = 0; j < Tile::kColumnBlocks; ++j) {
    const int block = warp_n * Tile::kColumnBlocks + j, column = fragment_place(lane, 0).column;
    const float2 b = *reinterpret_cast<const float2*>(bias + block * 8 + column);
    const float2 s = *reinterpret_cast<const float2*>(scale + block * 8 + column);
#pragma unroll
    for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
      for (int e = 0; e < 4; e += 2) {
        const int row = warp_row<Tile>(warp_m, i) + fragment_place(lane, e).row;
        uchar2* to = reinterpret_cast<uchar2*>(tile + result_byte<Tile::kN / 2>(row, block / 2) + block % 2 * 8 + column);
        float2 v = make_float2(real_sum(sums[i][j][e], s.x, b.x), real_sum(sums[i][j][e + 1], s.y, b.y));
        if (p.residual != nullptr) {
          const uchar2 r = *to;
          v.x = fmaf(static_cast<float>(r.x), p.residual_scale, v.x);
          v.y = fmaf(static_cast<float>(r.y), p.residual_scale, v.y);
        }
        *to = make_uchar2(static_cast<unsigned char>(quantised(v.x, p.y_scale, p.y_zero, low, high)),
                          static_cast<unsigned char>(quantised(v.y, p.y_scale, p.y_zero, low, high)));
      }
  }
  __syncthreads();
  const ByteChunks<Tile> mine;
  const int n = n0 + mine.n_offset;
  if (n >= p.n) return;
#pragma unroll
  for (int row = mine.row; row < Tile::kM; row += ByteChunks<Tile>::kRows) {
    const int m = m0 + row;
    if (m >= p.m) break;
    *reinterpret_cast<uint4*>(static_cast<uint8_t*>(p.y) + static_cast<int64_t>(m) * p.y_pixel + n) =
        *reinterpret_cast<const uint4*>(tile + result_byte<Tile::kN / 2>(row, mine.chunk));
  }
}

template <class Tile>
__device__ __forceinline__ void add_bias(Sums<Tile>& sums, const float* bias, int warp_n, int lane) {
  const float* mine = bias + warp_n * Tile::kColumnBlocks * 8 + fragment_place(lane, 0).column;
#pragma unroll
  for (int j = 0; j < Tile::kColumnBlocks; ++j) {
    const float2 b = *reinterpret_cast<const float2*>(mine + j * 8);
#pragma unroll
    for (int i = 0; i < Tile::kRowBlocks; ++i) {
      sums[i][j][0] += b.x;
      sums[i][j][1] += b.y;
      sums[i][j][2] += b.x;
      sums[i][j][3] += b.y;
    }
  }
}

// A warp's 16 x 16 piece of the finished tile is four matrices of 8 x 8, as ldmatrix has them. Where
// this lane's row of them lies: from matrices_begin(), with row block i and column block j (even).
template <class Tile>
__device__ __forceinline__ uint32_t matrices_begin(uint32_t tile, int warp_m, int warp_n, int lane) {
  return tile + result_byte<Tile::kN>(warp_row<Tile>(warp_m, 0) + lane % 16, warp_n * Tile::kColumnBlocks + lane / 16);
}
template <class Tile>
__device__ __forceinline__ uint32_t matrices_at(uint32_t begin, int i, int j) {
  return (begin ^ (j & 7) << 4) + (j >> 3) * 128 + i * (Tile::kWgmma ? 64 : 16) * Tile::kN * 2;
}

template <class Tile>
__device__ __forceinline__ void add_matrices(Sums<Tile>& sums, uint32_t begin) {
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kColumnBlocks; j += 2) {
      uint32_t packed[4];
      ptx::load_matrix4(packed, matrices_at<Tile>(begin, i, j));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float2 pair = Tile::Number::wide(reinterpret_cast<const typename Tile::Number::Pair&>(packed[e]));
        sums[i][j + e / 2][e % 2 * 2] += pair.x;
        sums[i][j + e / 2][e % 2 * 2 + 1] += pair.y;
      }
    }
}

template <class Tile>
__device__ __forceinline__ void store_matrices(const Sums<Tile>& sums, uint32_t begin, bool relu, int lane) {
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kColumnBlocks; j += 2) {
      uint32_t packed[4];
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        auto pair = Tile::Number::narrow(sums[i][j + e / 2][e % 2 * 2], sums[i][j + e / 2][e % 2 * 2 + 1]);
        if (relu) pair = __hmax2(pair, Tile::Number::narrow(0.f, 0.f));
        packed[e] = reinterpret_cast<const uint32_t&>(pair);
      }
      ptx::store_matrix4(matrices_at<Tile>(begin, i, j), packed, lane);
    }
}

// A finished tile of numbers of 16 bits. in_tile: the residual lies where the result will.
template <class Tile>
__device__ __forceinline__ void finish_halves(const ConvProblem& p, Sums<Tile>& sums, unsigned char* tile, const float* bias,
                                              const float* scale, int m0, int n0, bool vectors, bool in_tile) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int warp_m = warp / Tile::kWarpsN, warp_n = warp % Tile::kWarpsN;
  const bool late = p.residual != nullptr && !in_tile;
  const bool relu = p.act == Act::kRelu && !late;
  if constexpr (Tile::kBytes) {
#pragma unroll
    for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kColumnBlocks; ++j)
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
          const Place at = fragment_place(lane, e);
          const int row = warp_row<Tile>(warp_m, i) + at.row, block = warp_n * Tile::kColumnBlocks + j;
          auto* to = reinterpret_cast<typename Tile::Number::Pair*>(tile + result_byte<Tile::kN>(row, block) + at.column * 2);
          const float2 b = *reinterpret_cast<const float2*>(bias + block * 8 + at.column);
          const float2 s = *reinterpret_cast<const float2*>(scale + block * 8 + at.column);
          float2 v = make_float2(real_sum(sums[i][j][e], s.x, b.x), real_sum(sums[i][j][e + 1], s.y, b.y));
          if (in_tile) {
            const float2 r = Tile::Number::wide(*to);
            v.x += r.x;
            v.y += r.y;
          }
          if (relu) v = make_float2(fmaxf(v.x, 0.f), fmaxf(v.y, 0.f));
          *to = Tile::Number::narrow(v.x, v.y);
        }
  } else {
    const uint32_t begin = matrices_begin<Tile>(ptx::shared_address(tile), warp_m, warp_n, lane);
    add_bias<Tile>(sums, bias, warp_n, lane);
    if (in_tile) add_matrices<Tile>(sums, begin);
    store_matrices<Tile>(sums, begin, relu, lane);
  }
  __syncthreads();
  const ResultChunks<Tile> mine;
  const int n = n0 + mine.chunk * 8;
  if (n >= p.n) return;
  if (vectors && (relu || p.act == Act::kNone) && n0 + Tile::kN <= p.n_real && !late && !p.y_bytes) {
    uint16_t* y = static_cast<uint16_t*>(p.y) + n;
#pragma unroll
    for (int i = 0; i < ResultChunks<Tile>::kCount; ++i) {
      const int row = mine.row + i * ResultChunks<Tile>::kRows, m = m0 + row;
      if (m < p.m)
        *reinterpret_cast<uint4*>(y + static_cast<uint32_t>(m * p.y_pixel)) =
            *reinterpret_cast<const uint4*>(tile + result_byte<Tile::kN>(row, mine.chunk));
    }
    return;
  }
#pragma unroll 1
  for (int row = mine.row; row < Tile::kM && m0 + row < p.m; row += ResultChunks<Tile>::kRows) {
    float v[8] = {};
    add_chunk<Tile::kElement>(v, *reinterpret_cast<const uint4*>(tile + result_byte<Tile::kN>(row, mine.chunk)));
    if (late) {
      uint4 r;
      load_residual<Tile>(p, r, m0 + row, n, vectors);
      add_residual<Tile>(p, v, r);
    }
    activate(p, v, n);
    store_chunk<Tile>(p, v, m0 + row, n, vectors);
  }
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) conv_kernel(const __grid_constant__ ConvProblem p) {
  extern __shared__ __align__(1024) unsigned char dynamic_shared[];
  __shared__ __align__(16) float bias[Tile::kN];
  __shared__ __align__(16) float scale[Tile::kBytes ? Tile::kN : 2];
  const uint32_t unaligned = ptx::shared_address(dynamic_shared);
  const uint32_t shared = (unaligned + Tile::kAlignment - 1) & ~(Tile::kAlignment - 1u);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int warp_m = warp / Tile::kWarpsN, warp_n = warp % Tile::kWarpsN;
  const int tile_m = divide(blockIdx.x, p.by_tiles_n), tile_n = blockIdx.x - tile_m * p.tiles_n;
  const int m0 = tile_m * Tile::kM, n0 = tile_n * Tile::kN;
  const int split = blockIdx.z;
  const Steps steps = split_steps(p.k_steps, p.splits, split);
  const int count = steps.end - steps.begin;
  constexpr int kAhead = Tile::kAhead;

  ptx::let_next_start();
  if (p.cluster) ptx::cluster_arrive();
  ConvCopies<Tile> copies;
  copies.begin(p, m0, n0, steps.begin);
  // Weights do not depend on the previous kernel: they are on their way while it ends.
#pragma unroll 1
  for (int i = 0; i < kAhead; ++i)
    if (i < count) copies.w(p, shared + i * Tile::kStageBytes);
#pragma unroll 1
  for (int i = threadIdx.x; i < Tile::kN; i += Tile::kThreads) {
    bias[i] = p.bias != nullptr && n0 + i < p.n ? __ldg(p.bias + n0 + i) : 0.f;
    if constexpr (Tile::kBytes) scale[i] = n0 + i < p.n ? __ldg(p.scale + n0 + i) : 0.f;
  }
  const bool vectors = p.n % 8 == 0 && p.y_pixel % 8 == 0 && p.residual_pixel % 8 == 0;
  const bool fast_bytes = Tile::kBytes && p.y_bytes && p.n % 16 == 0 && p.y_pixel % 16 == 0 && p.residual_pixel % 16 == 0 &&
                          (p.residual == nullptr || p.residual_bytes) &&
                          (p.act == Act::kNone || p.act == Act::kRelu || p.act == Act::kClip);
  // The residual can lie in the tile before the result does.
  const bool in_tile = p.residual != nullptr && (Tile::kBytes ? fast_bytes : vectors);
  const bool early_residual = Tile::kTileInStage && in_tile && p.splits == 1;
  const auto fetch_residual = [&](uint32_t to) {
    if constexpr (Tile::kBytes)
      copy_byte_residual<Tile>(p, to, m0, n0);
    else
      copy_residual<Tile>(p, to, m0, n0);
  };
  uint32_t result = shared;
  const int last_refill = max(count - kAhead, 0);  // the step after whose copies a stage is free
  ptx::wait_for_previous();
#pragma unroll 1
  for (int i = 0; i < kAhead; ++i) {
    if (i < count) copies.x(p, shared + i * Tile::kStageBytes);
    ptx::copy_commit();
  }

  Sums<Tile> sums;
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kColumnBlocks; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[i][j][e] = 0;

  int slot = 0, refill = kAhead;
  for (int step = 0; step < count; ++step) {
    ptx::copy_wait<kAhead - 1>();
    if (Tile::kWgmma) ptx::proxy_fence();
    __syncthreads();
    const uint32_t stage = shared + slot * Tile::kStageBytes;
    if constexpr (Tile::kWgmma) {
      ptx::wgmma_arrive();
      wgmma_stage<Tile>(sums, stage, warp_m);
      ptx::wgmma_commit();
    }
    if (step + kAhead < count) {
      const uint32_t to = shared + refill * Tile::kStageBytes;
      copies.x(p, to);
      copies.w(p, to);
    } else if (Tile::kTileInStage && step == last_refill) {
      result = shared + min(refill, count) * Tile::kStageBytes;  // there are no more stages than steps and one
      if (early_residual) fetch_residual(result);
    }
    ptx::copy_commit();
    if constexpr (Tile::kWgmma)
      ptx::wgmma_wait<Tile::kDrain ? 0 : 1>();
    else
      mma_stage<Tile>(sums, stage, warp_m, warp_n, lane);
    if (++slot == Tile::kStages) slot = 0;
    if (++refill == Tile::kStages) refill = 0;
  }
  if constexpr (Tile::kWgmma) ptx::wgmma_wait<0>();
  ptx::copy_wait<0>();

  if (p.cluster) {
    meet_in_cluster<Tile>(p, sums,
                          reinterpret_cast<const typename Tile::Sum*>(dynamic_shared + (shared - unaligned) + p.received),
                          bias, scale, m0, n0, split, vectors);
    return;
  }
  if (p.splits > 1 && !meet_in_memory<Tile>(p, sums, split)) return;

  __syncthreads();
  if (in_tile && !early_residual) {
    fetch_residual(result);
    ptx::copy_commit();
    ptx::copy_wait<0>();
    __syncthreads();
  }
  unsigned char* tile = dynamic_shared + (result - unaligned);
  if constexpr (Tile::kBytes) {
    if (fast_bytes) {
      finish_bytes<Tile>(p, sums, tile, bias, scale, m0, n0);
      return;
    }
  }
  finish_halves<Tile>(p, sums, tile, bias, scale, m0, n0, vectors, in_tile);
}

// The table's line of a tile.
template <class Tile>
ConvKernel conv_entry(std::string_view name) {
  return {name,
          Tile::kElement,
          Tile::kM,
          Tile::kN,
          Tile::kThreads,
          Tile::kStages,
          Tile::kStageBytes,
          Tile::kSumPitch * 4,
          Tile::kTileBytes,
          Tile::kAlignment,
          Tile::kWgmma,
          reinterpret_cast<const void*>(&conv_kernel<Tile>)};
}

}  // namespace corolla::engine::cuda
