#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "engine/cuda/kernels/copy_kernels.h"
#include "engine/cuda/kernels/items.cuh"
#include "engine/cuda/kernels/ptx.cuh"

namespace corolla::engine::cuda {
namespace {

__device__ float read(const void* x, Cell cell, int64_t at) {
  switch (cell) {
    case Cell::kHalf: return __half2float(static_cast<const __half*>(x)[at]);
    case Cell::kBfloat: return __bfloat162float(static_cast<const __nv_bfloat16*>(x)[at]);
    case Cell::kFloat: return static_cast<const float*>(x)[at];
    case Cell::kByte: return static_cast<const uint8_t*>(x)[at];
    case Cell::kInt32: return static_cast<float>(static_cast<const int32_t*>(x)[at]);
    case Cell::kInt64: return static_cast<float>(static_cast<const int64_t*>(x)[at]);
    case Cell::kDouble: return static_cast<float>(static_cast<const double*>(x)[at]);
  }
  return 0;
}

__device__ void write(void* y, Cell cell, int64_t at, float v) {
  switch (cell) {
    case Cell::kHalf: static_cast<__half*>(y)[at] = __float2half_rn(v); break;
    case Cell::kBfloat: static_cast<__nv_bfloat16*>(y)[at] = __float2bfloat16_rn(v); break;
    case Cell::kFloat: static_cast<float*>(y)[at] = v; break;
    case Cell::kByte: static_cast<uint8_t*>(y)[at] = static_cast<uint8_t>(v); break;
    case Cell::kInt32: static_cast<int32_t*>(y)[at] = static_cast<int32_t>(v); break;
    case Cell::kInt64: static_cast<int64_t*>(y)[at] = static_cast<int64_t>(v); break;
    case Cell::kDouble: static_cast<double*>(y)[at] = v; break;
  }
}

template <class Bits>
__device__ void move(void* y, int64_t to, const void* x, int64_t from) {
  static_cast<Bits*>(y)[to] = static_cast<const Bits*>(x)[from];
}

__device__ void move(Cell cell, void* y, int64_t to, const void* x, int64_t from) {
  switch (cell) {
    case Cell::kByte: move<uint8_t>(y, to, x, from); break;
    case Cell::kHalf:
    case Cell::kBfloat: move<uint16_t>(y, to, x, from); break;
    case Cell::kFloat:
    case Cell::kInt32: move<uint32_t>(y, to, x, from); break;
    case Cell::kInt64:
    case Cell::kDouble: move<uint64_t>(y, to, x, from); break;
  }
}

__global__ void __launch_bounds__(kThreads) copy_kernel(const __grid_constant__ CopyProblem p) {
  ptx::let_next_start();
  ptx::wait_for_previous();
  const int64_t i = item();
  if (i >= p.count) return;
  int64_t rest = i, from = 0, to = 0;
  bool inside = true;
#pragma unroll
  for (int d = kCopyRank - 1; d >= 0; --d) {
    if (d >= p.rank) continue;
    const int64_t next = rest / p.dims[d];
    const int at = static_cast<int>(rest - next * p.dims[d]);
    rest = next;
    inside = inside && at >= p.inside_from[d] && at < p.inside_to[d];
    from += (d == p.indexed ? p.index[at] : at) * p.x_stride[d];
    to += at * p.y_stride[d];
  }
  if (inside && p.x_cell == p.y_cell)
    move(p.x_cell, p.y, to, p.x, from);
  else
    write(p.y, p.y_cell, to, inside ? read(p.x, p.x_cell, from) : p.fill);
}

}  // namespace

cudaError_t launch_copy(const CopyProblem& p, const Launching& launching) {
  if (p.count == 0) return cudaSuccess;
  return launch(reinterpret_cast<const void*>(&copy_kernel), grid_of(p.count), kThreads, p, launching);
}

}  // namespace corolla::engine::cuda
