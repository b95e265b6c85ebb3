// The implicit GEMM of conv_problem.h with warps of special trades, for sm_90a. See docs/kernels.md.
//
// One warp loads: its first lane has the tensor memory accelerator copy boxes (conv_boxes.h) into a
// ring of stages, as far ahead as there is room. Groups of warpgroups multiply (wgmma) and finish
// tiles. One warp stores what they finished, again by the accelerator. They meet at barriers in
// shared memory:
//   full, empty    a stage: copied; multiplied by all warps of the group
//   ready, done, free   a buffer of a finished tile: its residual has come; the result is in it;
//                  the result has left it
//   turn           of a group: the group before has seen all stages of its tile. (A barrier tells only
//                  the last phase from this one: nobody may wait for one that is further away.)
//
// A block computes tiles blockIdx.x, + gridDim.x, ... in that order, so loads and stores of several
// tiles overlap with products. With two groups tiles go to them in turn, and one finishes a tile
// while the other multiplies. Splits of K are one cluster and meet as in conv_kernel.cuh.
//
// Stages: [kM][64] of x and [kN][64] of w, rows of 128 bytes, swizzled (tile_byte). Buffers: for
// every 64 channels [kM][64], swizzled likewise.
#pragma once
#include "engine/cuda/kernels/conv_kernel.cuh"
#include "engine/cuda/kernels/ptx_boxes.cuh"
#include "engine/cuda/kernels/tensor_map.h"

namespace corolla::engine::cuda {

template <Element kElement_, int kM_, int kN_, int kStages_, int kBuffers_, int kGroups_, int kWarpgroups_, int kBlocks_>
struct BoxTile {
  static constexpr Element kElement = kElement_;  // kHalf, kBfloat
  static constexpr bool kBytes = false;
  using Sum = float;
  using Number = Numbers<kElement>;
  static constexpr int kM = kM_, kN = kN_, kStages = kStages_, kBuffers = kBuffers_;
  static constexpr int kGroups = kGroups_, kWarpgroups = kWarpgroups_;  // warpgroups of each group
  static constexpr int kBlocks = kBlocks_;                             // a multiprocessor, at least
  static constexpr bool kWgmma = true;
  static constexpr int kWarpsM = 4 * kWarpgroups, kWarpsN = 1;
  static constexpr int kThreads = kWarpsM * 32;  // of a group
  static constexpr int kBlockThreads = kGroups * kThreads + 64;
  static constexpr int kRowBlocks = kM / (16 * kWarpsM), kColumnBlocks = kN / 8;
  static constexpr int kRowChunks = kN / 8;
  static constexpr int kSumPitch = kN + 8;
  static constexpr int kStageBytes = (kM + kN) * 128, kTileBytes = kM * kN * 2;
  static constexpr int kBiasFloats = kGroups * 2 * kN;
  static constexpr int kTailBytes = kBiasFloats * 4 + (2 * kStages + 3 * kBuffers + kGroups) * 8;
  static_assert(kM % (64 * kWarpgroups) == 0 && kN % 64 == 0 && kN <= kThreads && kM <= 256 && kN <= 256);
  static_assert(kBuffers % kGroups == 0);
};

template <class Tile>
struct BoxBarriers {
  uint32_t base;
  __device__ __forceinline__ uint32_t full(int stage) const { return base + stage * 8; }
  __device__ __forceinline__ uint32_t empty(int stage) const { return base + (Tile::kStages + stage) * 8; }
  __device__ __forceinline__ uint32_t ready(int buffer) const { return base + (2 * Tile::kStages + buffer) * 8; }
  __device__ __forceinline__ uint32_t done(int buffer) const { return base + (2 * Tile::kStages + Tile::kBuffers + buffer) * 8; }
  __device__ __forceinline__ uint32_t free(int buffer) const { return base + (2 * Tile::kStages + 2 * Tile::kBuffers + buffer) * 8; }
  __device__ __forceinline__ uint32_t turn(int group) const { return base + (2 * Tile::kStages + 3 * Tile::kBuffers + group) * 8; }
  __device__ __forceinline__ void make() const {
    for (int i = 0; i < Tile::kStages; ++i) {
      ptx::barrier_init(full(i), 1);
      ptx::barrier_init(empty(i), Tile::kWarpsM);
    }
    for (int i = 0; i < Tile::kBuffers; ++i) {
      ptx::barrier_init(ready(i), 1);
      ptx::barrier_init(done(i), Tile::kWarpsM);
      ptx::barrier_init(free(i), 1);
    }
    for (int i = 0; i < Tile::kGroups; ++i) ptx::barrier_init(turn(i), Tile::kWarpsM);
    ptx::barriers_are_made();
  }
};

// A place in a ring: `parity` of the phase that ends when it is filled for this round.
struct RingPlace {
  int at = 0, parity = 0;
  __device__ __forceinline__ void next(int size) {
    if (++at == size) {
      at = 0;
      parity ^= 1;
    }
  }
};

template <class Tile>
struct BoxLoader {
  const BoxArguments& a;
  const BoxBarriers<Tile> barriers;
  const uint32_t shared;
  const Steps steps;
  BoxStep first;
  int own_steps;  // steps from here on are the extra product's

  __device__ __forceinline__ BoxLoader(const BoxArguments& a_, BoxBarriers<Tile> barriers_, uint32_t shared_, Steps steps_)
      : a(a_), barriers(barriers_), shared(shared_), steps(steps_) {
    const ConvProblem& p = a.problem;
    own_steps = p.k_steps - (p.extra.x != nullptr ? (p.extra.channels + kBlockK - 1) / kBlockK : 0);
    first = box_step(p, min(steps.begin, own_steps));
  }
  __device__ __forceinline__ void w(int stage, int step, const BoxStep& at, int n0) const {
    const uint32_t to = shared + stage * Tile::kStageBytes + Tile::kM * 128;
    if (step < own_steps)
      ptx::load_rows(to, a.w, barriers.full(stage), at.k, n0);
    else
      ptx::load_rows(to, a.extra_w, barriers.full(stage), (step - own_steps) * kBlockK, n0);
  }
  // As many steps of the first tile as there are stages: weights do not depend on what went before.
  __device__ __forceinline__ int early(int n0) const {
    const int count = min(a.ring, steps.end - steps.begin);
    BoxStep at = first;
    for (int i = 0; i < count; ++i) {
      ptx::barrier_expect(barriers.full(i), Tile::kStageBytes);
      w(i, steps.begin + i, at, n0);
      box_next(a.problem, at);
    }
    return count;
  }
  __device__ __forceinline__ void run(int early) const {
    const ConvProblem& p = a.problem;
    RingPlace stage, buffer;
    for (int tile = blockIdx.x; tile < a.tiles; tile += gridDim.x) {
      const int tile_m = divide(tile, p.by_tiles_n), n0 = (tile - tile_m * p.tiles_n) * Tile::kN, m0 = tile_m * Tile::kM;
      BoxPixel pixel = {}, extra = {};
      if (!p.pointwise) pixel = box_pixel(p, m0);
      if (p.extra.x != nullptr) extra = box_extra_pixel(p, m0);
      BoxStep at = first;
      for (int step = steps.begin; step < steps.end; ++step) {
        const uint32_t full = barriers.full(stage.at), to = shared + stage.at * Tile::kStageBytes;
        if (early > 0) {
          --early;
        } else {
          ptx::barrier_wait(barriers.empty(stage.at), stage.parity ^ 1);
          ptx::barrier_expect(full, Tile::kStageBytes);
          w(stage.at, step, at, n0);
        }
        if (step >= own_steps)
          ptx::load_pixels(to, a.extra_x, full, (step - own_steps) * kBlockK, extra.w, extra.h, extra.image, 0, 0);
        else if (p.pointwise)
          ptx::load_rows(to, a.x, full, at.c, m0);
        else
          ptx::load_pixels(to, a.x, full, at.c, pixel.w, pixel.h, pixel.image, at.s * p.dilation_w, at.r * p.dilation_h);
        box_next(p, at);
        stage.next(a.ring);
      }
      if (p.residual != nullptr && p.splits == 1) {
        ptx::barrier_wait(barriers.free(buffer.at), buffer.parity ^ 1);
        ptx::barrier_expect(barriers.ready(buffer.at), Tile::kTileBytes);
        const uint32_t to = shared + a.ring * Tile::kStageBytes + buffer.at * Tile::kTileBytes;
#pragma unroll 1
        for (int i = 0; i < Tile::kN / 64; ++i)
          ptx::load_rows(to + i * Tile::kM * 128, a.residual, barriers.ready(buffer.at), n0 + i * 64, m0);
        buffer.next(Tile::kBuffers);
      }
    }
  }
};

template <class Tile>
__device__ __forceinline__ void store_boxes(const BoxArguments& a, const BoxBarriers<Tile>& barriers, uint32_t shared) {
  const ConvProblem& p = a.problem;
  RingPlace buffer;
  for (int tile = blockIdx.x; tile < a.tiles; tile += gridDim.x) {
    const int tile_m = divide(tile, p.by_tiles_n), n0 = (tile - tile_m * p.tiles_n) * Tile::kN, m0 = tile_m * Tile::kM;
    ptx::barrier_wait(barriers.done(buffer.at), buffer.parity);
    const uint32_t from = shared + a.ring * Tile::kStageBytes + buffer.at * Tile::kTileBytes;
#pragma unroll 1
    for (int i = 0; i < Tile::kN / 64 && n0 + i * 64 < p.n; ++i)
      ptx::store_rows(a.y, from + i * Tile::kM * 128, n0 + i * 64, m0);
    ptx::stores_commit();
    ptx::stores_have_read();
    ptx::barrier_arrive(barriers.free(buffer.at));
    buffer.next(Tile::kBuffers);
  }
  ptx::stores_have_written();
}

// Bias, residual and activation of one warp's rows, in the buffer.
template <class Tile>
__device__ __forceinline__ void finish_rows(const ConvProblem& p, const Sums<Tile>& sums, const float* bias, uint32_t buffer,
                                            unsigned char* buffer_at, int warp, int lane, int n0) {
  const bool relu = p.act == Act::kRelu, residual = p.residual != nullptr;
  const bool plain = (relu || p.act == Act::kNone) && min(n0 + Tile::kN, p.n) <= p.n_real;
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i) {
    const int first = warp_row<Tile>(warp, i), row = first + lane % 16;
#pragma unroll
    for (int j = 0; j < Tile::kColumnBlocks; j += 2) {
      const uint32_t at = buffer + j / 8 * Tile::kM * 128 + tile_byte(row, j % 8 + lane / 16);
      uint32_t packed[4];  // without a residual what lies there is read and not used: no branches
      ptx::load_matrix4(packed, at);
#pragma unroll
      for (int q = 0; q < 4; ++q) {  // two rows of two blocks of columns
        const float2 b = *reinterpret_cast<const float2*>(bias + (j + q / 2) * 8 + lane % 4 * 2);
        float2 v = make_float2(sums[i][j + q / 2][q % 2 * 2] + b.x, sums[i][j + q / 2][q % 2 * 2 + 1] + b.y);
        packed[q] = residual ? packed[q] : 0;
        auto& pair = reinterpret_cast<typename Tile::Number::Pair&>(packed[q]);
        const float2 r = Tile::Number::wide(pair);
        v.x += r.x;
        v.y += r.y;
        v.x = relu ? fmaxf(v.x, 0.f) : v.x;
        v.y = relu ? fmaxf(v.y, 0.f) : v.y;
        pair = Tile::Number::narrow(v.x, v.y);
      }
      ptx::store_matrix4(at, packed, lane);
    }
    if (!plain) {
      __syncwarp();
#pragma unroll 1
      for (int c = lane; c < 16 * Tile::kN; c += 32) {
        const int column = c % Tile::kN, of = first + c / Tile::kN;
        auto& v = *reinterpret_cast<typename Tile::Number::One*>(buffer_at + column / 64 * Tile::kM * 128 + tile_byte(of, column / 8 % 8) + column % 8 * 2);
        v = n0 + column < p.n_real ? Tile::Number::narrow(activated_apart(Tile::Number::wide(v), p.act, p.act_a, p.act_b)) : Tile::Number::narrow(0.f);
      }
    }
  }
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kBlockThreads, Tile::kBlocks) conv_boxes_kernel(const __grid_constant__ BoxArguments a) {
  extern __shared__ __align__(1024) unsigned char dynamic_shared[];
  const ConvProblem& p = a.problem;
  const uint32_t shared = ptx::shared_address(dynamic_shared);
  float* const all_bias = reinterpret_cast<float*>(dynamic_shared + a.tail);
  const BoxBarriers<Tile> barriers{shared + a.tail + Tile::kBiasFloats * 4};
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const Steps steps = split_steps(p.k_steps, p.splits, blockIdx.z);
  constexpr int kLoads = Tile::kGroups * Tile::kWarpsM;  // the warp that loads; the next one stores

  ptx::let_next_start();
  if (p.cluster) ptx::cluster_arrive();
  const BoxLoader<Tile> loader(a, barriers, shared, steps);
  int early = 0;
  if (warp == kLoads && lane == 0) {
    ptx::prefetch_map(a.w);
    ptx::prefetch_map(a.x);
    barriers.make();
    early = loader.early((blockIdx.x - divide(blockIdx.x, p.by_tiles_n) * p.tiles_n) * Tile::kN);
  }
  __syncthreads();  // one for all warps: synccheck takes one in each branch for divergence
  if (warp >= kLoads) {
    if (lane == 0) {
      ptx::wait_for_previous();
      if (warp == kLoads)
        loader.run(early);
      else if (p.splits == 1)
        store_boxes<Tile>(a, barriers, shared);
    }
    __syncwarp();
    if (p.cluster) {
      ptx::cluster_wait();
      ptx::cluster_arrive();
      ptx::cluster_wait();
    }
    return;
  }
  ptx::wait_for_previous();
  const int group = warp / Tile::kWarpsM, thread = threadIdx.x - group * Tile::kThreads;
  const int warp_m = warp - group * Tile::kWarpsM;
  const int count = steps.end - steps.begin;
  Sums<Tile> sums;
  int order = group;  // of the tile among the block's
  for (int tile = blockIdx.x + group * gridDim.x; tile < a.tiles; tile += Tile::kGroups * gridDim.x, order += Tile::kGroups) {
    const int tile_m = divide(tile, p.by_tiles_n), n0 = (tile - tile_m * p.tiles_n) * Tile::kN;
    float own_bias = 0.f;
    if (thread < Tile::kN && n0 + thread < p.n) {
      if (p.bias != nullptr) own_bias = __ldg(p.bias + n0 + thread);
      if (p.extra.bias != nullptr) own_bias += __ldg(p.extra.bias + n0 + thread);
    }
#pragma unroll
    for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kColumnBlocks; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[i][j][e] = 0.f;
    const int before = order * count, rounds = before / a.ring;  // stages used before this tile
    RingPlace stage{before - rounds * a.ring, rounds & 1};
    int last = -1;
    if (Tile::kGroups > 1) ptx::barrier_wait(barriers.turn(group), (order / Tile::kGroups & 1) ^ (group == 0 ? 1 : 0));
    for (int step = 0; step < count; ++step) {
      ptx::barrier_wait(barriers.full(stage.at), stage.parity);
      ptx::wgmma_arrive();
      wgmma_stage<Tile>(sums, shared + stage.at * Tile::kStageBytes, warp_m);
      ptx::wgmma_commit();
      ptx::wgmma_wait<1>();
      if (last >= 0 && lane == 0) ptx::barrier_arrive(barriers.empty(last));
      last = stage.at;
      stage.next(a.ring);
    }
    if (Tile::kGroups > 1 && lane == 0) ptx::barrier_arrive(barriers.turn((group + 1) % Tile::kGroups));
    ptx::wgmma_wait<0>();
    if (lane == 0) ptx::barrier_arrive(barriers.empty(last));

    float* const bias = all_bias + (group * 2 + order / Tile::kGroups % 2) * Tile::kN;
    if (thread < Tile::kN) bias[thread] = own_bias;
    ptx::threads_meet(1 + group, Tile::kThreads);
    if (p.cluster) {
      meet_in_cluster<Tile>(p, sums, reinterpret_cast<const float*>(dynamic_shared + p.received), bias, nullptr,
                            tile_m * Tile::kM, n0, blockIdx.z, true);
      return;
    }
    const int buffer = order % Tile::kBuffers, parity = order / Tile::kBuffers & 1;
    const int at = a.ring * Tile::kStageBytes + buffer * Tile::kTileBytes;
    if (p.residual != nullptr)
      ptx::barrier_wait(barriers.ready(buffer), parity);
    else
      ptx::barrier_wait(barriers.free(buffer), parity ^ 1);
    finish_rows<Tile>(p, sums, bias, shared + at, dynamic_shared + at, warp_m, lane, n0);
    ptx::proxy_fence();
    __syncwarp();
    if (lane == 0) ptx::barrier_arrive(barriers.done(buffer));
  }
}

// The table's line of a tile.
template <class Tile>
ConvKernel boxes_entry(std::string_view name) {
  ConvKernel entry = {name,
                      Tile::kElement,
                      Tile::kM,
                      Tile::kN,
                      Tile::kBlockThreads,
                      Tile::kStages,
                      Tile::kStageBytes,
                      Tile::kSumPitch * 4,
                      Tile::kTileBytes,
                      0,
                      true,
                      reinterpret_cast<const void*>(&conv_boxes_kernel<Tile>)};
  entry.boxes = true;
  entry.groups = Tile::kGroups;
  entry.buffers = Tile::kBuffers;
  entry.tail_bytes = Tile::kTailBytes;
  return entry;
}

}  // namespace corolla::engine::cuda
