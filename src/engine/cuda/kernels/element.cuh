// The numbers that kernels are made for, as they lie in memory and in registers.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "engine/cuda/kernels/conv_problem.h"

namespace corolla::engine::cuda {

// Of 16 bits. kByte's numbers that are not 8 bits are fp16.
template <Element kElement>
struct Numbers {
  using One = __half;
  using Pair = __half2;
  static __device__ __forceinline__ float wide(One v) { return __half2float(v); }
  static __device__ __forceinline__ float2 wide(Pair v) { return __half22float2(v); }
  static __device__ __forceinline__ One narrow(float v) { return __float2half_rn(v); }
  static __device__ __forceinline__ Pair narrow(float a, float b) { return __floats2half2_rn(a, b); }
};
template <>
struct Numbers<Element::kBfloat> {
  using One = __nv_bfloat16;
  using Pair = __nv_bfloat162;
  static __device__ __forceinline__ float wide(One v) { return __bfloat162float(v); }
  static __device__ __forceinline__ float2 wide(Pair v) { return __bfloat1622float2(v); }
  static __device__ __forceinline__ One narrow(float v) { return __float2bfloat16_rn(v); }
  static __device__ __forceinline__ Pair narrow(float a, float b) { return __floats2bfloat162_rn(a, b); }
};

template <Element kElement>
struct SumOf {
  using Type = float;
};
template <>
struct SumOf<Element::kByte> {
  using Type = int;
};

// Eight numbers of 16 bits in 16 bytes.
template <Element kElement>
__device__ __forceinline__ void add_chunk(float (&v)[8], const uint4& packed) {
  const auto* pairs = reinterpret_cast<const typename Numbers<kElement>::Pair*>(&packed);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = Numbers<kElement>::wide(pairs[i]);
    v[2 * i] += pair.x;
    v[2 * i + 1] += pair.y;
  }
}
template <Element kElement>
__device__ __forceinline__ uint4 pack_chunk(const float (&v)[8]) {
  uint4 packed;
  auto* pairs = reinterpret_cast<typename Numbers<kElement>::Pair*>(&packed);
#pragma unroll
  for (int i = 0; i < 4; ++i) pairs[i] = Numbers<kElement>::narrow(v[2 * i], v[2 * i + 1]);
  return packed;
}

// Calls f.operator()<Element>() for fp16 and bf16.
template <class F>
auto for_element(Element element, F f) {
  return element == Element::kBfloat ? f.template operator()<Element::kBfloat>() : f.template operator()<Element::kHalf>();
}

}  // namespace corolla::engine::cuda
