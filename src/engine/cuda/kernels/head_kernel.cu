#include "engine/cuda/kernels/element.cuh"
#include "engine/cuda/kernels/head_kernel.h"
#include "engine/cuda/kernels/ptx.cuh"

namespace corolla::engine::cuda {
namespace {

constexpr int kBlocks = 8, kThreads = 512, kWarps = kThreads / 32;
constexpr int kEarly = 8;  // chunks of a lane's first class that are loaded before the pool is there

// b: 16-byte aligned.
template <Element kElement>
__device__ float dot8(const uint4& a, const float* b) {
  float v[8] = {};
  add_chunk<kElement>(v, a);
  const float4 low = reinterpret_cast<const float4*>(b)[0], high = reinterpret_cast<const float4*>(b)[1];
  return v[0] * low.x + v[1] * low.y + v[2] * low.z + v[3] * low.w + v[4] * high.x + v[5] * high.y + v[6] * high.z +
         v[7] * high.w;
}

template <Element kElement>
__global__ void __launch_bounds__(kThreads) head_kernel(const __grid_constant__ HeadProblem p) {
  __shared__ __align__(16) float partial[kThreads * 8];
  __shared__ __align__(16) float means[kHeadMostChannels];
  __shared__ __align__(16) float logits[kHeadMostClasses];
  ptx::let_next_start();
  const int rank = blockIdx.z, image = blockIdx.x;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int own = p.channels / kBlocks, chunks = own / 8;
  using One = typename Numbers<kElement>::One;
  const One* w = static_cast<const One*>(p.w);
  const int first = warp * kBlocks + rank;
  for (int n = first + kWarps * kBlocks; n < p.classes; n += kWarps * kBlocks)
    if (lane == 0) ptx::prefetch_l2(w + static_cast<int64_t>(n) * p.channels, static_cast<uint32_t>(p.channels) * 2);
  uint4 early[kEarly];
#pragma unroll
  for (int i = 0; i < kEarly; ++i) {
    early[i] = {};
    if (first < p.classes && lane + i * 32 < p.channels / 8)
      early[i] = __ldg(reinterpret_cast<const uint4*>(w + static_cast<int64_t>(first) * p.channels) + lane + i * 32);
  }
  ptx::wait_for_previous();

  // Chunks of eight channels side by side, pixels shared out among the threads left.
  const One* x = static_cast<const One*>(p.x) + static_cast<int64_t>(image) * p.pixels * p.channels + rank * own;
  for (int chunk0 = 0; chunk0 < chunks; chunk0 += kThreads) {
    const int here = min(chunks - chunk0, kThreads), rows = kThreads / here;
    const int chunk = threadIdx.x % here, row = threadIdx.x / here;
    float v[8] = {};
    if (row < rows)
#pragma unroll 4
      for (int i = row; i < p.pixels; i += rows) {
        add_chunk<kElement>(v, *reinterpret_cast<const uint4*>(x + static_cast<int64_t>(i) * p.channels + (chunk0 + chunk) * 8));
      }
#pragma unroll
    for (int e = 0; e < 8; ++e) partial[threadIdx.x * 8 + e] = v[e];
    __syncthreads();
    for (int c = threadIdx.x; c < here * 8; c += kThreads) {
      float sum = 0;
      for (int r = 0; r < rows; ++r) sum += partial[r * here * 8 + c];
      float mean = sum / static_cast<float>(p.pixels);
      if (p.scale != nullptr) mean = static_cast<float>(quantised(mean, p.mean_scale, static_cast<float>(p.mean_zero)) - p.mean_zero);
      means[rank * own + chunk0 * 8 + c] = mean;
    }
    __syncthreads();
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
  const uint32_t means_at = ptx::shared_address(means);
  for (int c = threadIdx.x * 4; c < p.channels; c += kThreads * 4) {
    const int owner = c / own;
    if (owner != rank) *reinterpret_cast<float4*>(means + c) = ptx::cluster_load(means_at + c * 4, owner);
  }
  __syncthreads();

  const uint32_t logits_at = ptx::shared_address(logits);
  for (int n = first; n < p.classes; n += kWarps * kBlocks) {
    float sum = 0;
    if (n == first) {
#pragma unroll
      for (int i = 0; i < kEarly; ++i)
        if (lane + i * 32 < p.channels / 8) sum += dot8<kElement>(early[i], means + (lane + i * 32) * 8);
    }
#pragma unroll 8
    for (int i = n == first ? lane + kEarly * 32 : lane; i < p.channels / 8; i += 32)
      sum += dot8<kElement>(*reinterpret_cast<const uint4*>(w + static_cast<int64_t>(n) * p.channels + i * 8), means + i * 8);
#pragma unroll
    for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
    if (p.scale != nullptr) sum *= p.scale[n];
    if (lane == 0) ptx::cluster_store(logits_at + n * 4, 0, sum + p.bias[n]);
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
  if (rank != 0) return;
  float* y = p.y + static_cast<int64_t>(image) * p.classes;
  if (!p.softmax) {
    for (int n = threadIdx.x; n < p.classes; n += kThreads) y[n] = logits[n];
    return;
  }
  float most = -INFINITY, sum = 0;
  for (int n = lane; n < p.classes; n += 32) most = fmaxf(most, logits[n]);  // each warp for itself
#pragma unroll
  for (int d = 16; d > 0; d /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, d));
  for (int n = lane; n < p.classes; n += 32) sum += __expf(logits[n] - most);
#pragma unroll
  for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
  for (int n = threadIdx.x; n < p.classes; n += kThreads) y[n] = __expf(logits[n] - most) / sum;
}

}  // namespace

bool head_fits(const HeadProblem& p) {
  // Each image reads all weights: many images of many classes are better done as a matrix product.
  return p.channels % (kBlocks * 8) == 0 && p.channels <= kHeadMostChannels && p.classes <= kHeadMostClasses &&
         int64_t{p.images} * p.classes * p.channels <= int64_t{48} << 20;
}

cudaError_t launch_head(const HeadProblem& problem, const Launching& launching) {
  HeadProblem p = problem;
  void* arguments[] = {&p};
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&head_kernel<kElement>), dim3(static_cast<unsigned>(p.images), 1, kBlocks),
                  kThreads, 0, kBlocks, arguments, launching);
  });
}

}  // namespace corolla::engine::cuda
