// What ends a step, on fp32.
#pragma once
#include "engine/cuda/kernels/conv_problem.h"

namespace corolla::engine::cuda {

__device__ __forceinline__ float activated(float v, Act act, float a, float b) {
  switch (act) {
    case Act::kNone: return v;
    case Act::kRelu: return fmaxf(v, 0.f);
    case Act::kClip: return fminf(fmaxf(v, a), b);
    case Act::kSilu: return v / (1.f + __expf(-v));
    case Act::kHardSwish: return v * __saturatef(v * (1.f / 6) + 0.5f);
    case Act::kHardSigmoid: return __saturatef(a * v + b);
    case Act::kSigmoid: return 1.f / (1.f + __expf(-v));
    case Act::kGelu: return 0.5f * v * (1.f + erff(v * 0.70710678f));
    case Act::kGeluTanh: return 0.5f * v * (1.f + tanhf(0.79788456f * (v + 0.044715f * v * v * v)));
    case Act::kTanh: return tanhf(v);
    case Act::kLeaky: return v < 0.f ? a * v : v;
  }
  return v;
}

// For where every instruction counts: all but the most common ones, in one place of the code.
inline __device__ __noinline__ float activated_apart(float v, Act act, float a, float b) {
  return activated(v, act, a, b);
}

}  // namespace corolla::engine::cuda
