#include "engine/cuda/kernels/items.cuh"
#include "engine/cuda/kernels/ptx.cuh"
#include "engine/cuda/kernels/search_kernels.h"

namespace corolla::engine::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

// One warp a row. Round j finds the first element after the one that round j - 1 found, in the order of (value, place):
// every round finds one, since that order is total.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) top_k_kernel(const __grid_constant__ TopKProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= p.rows) return;
  const int64_t outer = row / p.inner, in_row = row % p.inner;
  const int64_t from = outer * p.n * p.inner + in_row;
  float last = 0;
  int last_at = -1;
  for (int j = 0; j < p.k; ++j) {
    float best = 0;
    int at = -1;
    for (int i = lane; i < p.n; i += 32) {
      float v = number_at<kElement>(p.x, from + i * p.inner);
      v = isnan(v) ? -INFINITY : p.largest ? v : -v;
      if (j > 0 && (v > last || (v == last && i <= last_at))) continue;
      if (at < 0 || v > best) {
        best = v;
        at = i;
      }
    }
#pragma unroll
    for (int d = 16; d > 0; d /= 2) {
      const float v = __shfl_xor_sync(~0u, best, d);
      const int other = __shfl_xor_sync(~0u, at, d);
      if (other >= 0 && (at < 0 || v > best || (v == best && other < at))) {
        best = v;
        at = other;
      }
    }
    last = best;
    last_at = at;
    if (lane != 0) continue;
    const int64_t to = (outer * p.k + j) * p.inner + in_row;
    if (p.indices)
      static_cast<int64_t*>(p.y)[to] = at;
    else
      static_cast<uint16_t*>(p.y)[to] = static_cast<const uint16_t*>(p.x)[from + at * p.inner];
  }
}

__device__ float sum_of_block(float v, float* shared) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(~0u, v, d);
  __syncthreads();  // what was read of `shared` before has been read
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = v;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kWarps; ++i) sum += shared[i];
  return sum;
}

// One block a group of an image.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) group_norm_kernel(const __grid_constant__ GroupNormProblem p) {
  __shared__ float shared[kWarps];
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int group = static_cast<int>(blockIdx.x) % p.groups;
  const int64_t image = int64_t{blockIdx.x} / p.groups * p.image;
  const int own = p.channels / p.groups, first = group * own;
  const int64_t count = own * p.pixels;
  // Neighbouring threads read neighbours in memory.
  const bool channels_first = p.channel == 1;
  const auto place = [&](int64_t i, int& c) {
    const int64_t pixel = channels_first ? i / own : i % p.pixels;
    c = first + static_cast<int>(channels_first ? i % own : i / p.pixels);
    return image + c * p.channel + pixel * p.pixel;
  };
  int c;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += number_at<kElement>(p.x, place(i, c));
  const float mean = sum_of_block(sum, shared) / static_cast<float>(count);
  float squares = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    const float off = number_at<kElement>(p.x, place(i, c)) - mean;
    squares += off * off;
  }
  const float scale = rsqrtf(sum_of_block(squares, shared) / static_cast<float>(count) + p.epsilon);
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    const int64_t at = place(i, c);
    put_number<kElement>(p.y, at, (number_at<kElement>(p.x, at) - mean) * scale * p.gamma[c] + p.beta[c]);
  }
  const int padding = p.stored - p.channels;
  if (group + 1 == p.groups)
    for (int64_t i = threadIdx.x; i < padding * p.pixels; i += kThreads)
      put_number<kElement>(p.y, image + p.channels + i % padding + i / padding * p.pixel, 0.f);
}

// Eight channels of a pixel a thread.
template <Element kElement>
__global__ void __launch_bounds__(kThreads) resize_kernel(const __grid_constant__ ResizeProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int64_t i = item();
  const int chunks = p.stored / 8;
  const int64_t pixel = i / chunks;
  const int ow = static_cast<int>(pixel % p.out_w), oh = static_cast<int>(pixel / p.out_w % p.out_h);
  const int64_t n = pixel / p.out_w / p.out_h;
  if (n >= p.images) return;
  const ResizeTap row = p.rows[oh], column = p.columns[ow];
  float sum[8] = {};
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b) {
      const float weight = row.weight[a] * column.weight[b];
      if (row.weight[a] == 0 || column.weight[b] == 0) continue;
      const int64_t at = (((n * p.height + row.at[a]) * p.width + column.at[b]) * chunks + i % chunks) * 8;
      for (int c = 0; c < 8; ++c) sum[c] += weight * number_at<kElement>(p.x, at + c);
    }
  for (int c = 0; c < 8; ++c) put_number<kElement>(p.y, i * 8 + c, sum[c]);
}

}  // namespace

cudaError_t launch_top_k(const TopKProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&top_k_kernel<kElement>), grid_of(p.rows * 32), kThreads, p, launching);
  });
}

cudaError_t launch_group_norm(const GroupNormProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&group_norm_kernel<kElement>), grid_of(int64_t{p.images} * p.groups * kThreads), kThreads, p, launching);
  });
}

cudaError_t launch_resize(const ResizeProblem& p, const Launching& launching) {
  return for_element(p.element, [&]<Element kElement>() {
    return launch(reinterpret_cast<const void*>(&resize_kernel<kElement>), grid_of(int64_t{p.images} * p.out_h * p.out_w * p.stored / 8), kThreads, p, launching);
  });
}

}  // namespace corolla::engine::cuda
