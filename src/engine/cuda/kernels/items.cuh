// For kernels of one thread an item: blocks of kThreads, counted along one dimension, and numbers
// read and written one at a time.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/element.cuh"

namespace corolla::engine::cuda {

constexpr int kThreads = 256;

inline dim3 grid_of(int64_t items) { return dim3(static_cast<unsigned>((items + kThreads - 1) / kThreads)); }
__device__ __forceinline__ int64_t item() { return int64_t{blockIdx.x} * kThreads + threadIdx.x; }

template <Element kElement>
__device__ __forceinline__ float number_at(const void* x, int64_t at) {
  return Numbers<kElement>::wide(static_cast<const typename Numbers<kElement>::One*>(x)[at]);
}
template <Element kElement>
__device__ __forceinline__ void put_number(void* y, int64_t at, float v) {
  static_cast<typename Numbers<kElement>::One*>(y)[at] = Numbers<kElement>::narrow(v);
}

}  // namespace corolla::engine::cuda
