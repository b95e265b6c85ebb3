// The end of a classifier in one launch: global average pooling, a matrix product, softmax.
//
//   y[n] = softmax(w * mean over pixels of x[n] + bias), sums fp32, y fp32
//
// A cluster of eight blocks an image (sm_90): each pools an eighth of the channels, all exchange
// their means, each computes an eighth of the classes, the first normalises.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

struct HeadProblem {
  const void* x = nullptr;      // fp16 [images][pixels][channels]
  const void* w = nullptr;      // fp16 [classes][channels]
  const float* bias = nullptr;  // [classes]
  float* y = nullptr;
  int images = 0, pixels = 0, channels = 0, classes = 0;
  bool softmax = false;
};
inline constexpr int kHeadMostChannels = 4096, kHeadMostClasses = 2048;
// What launch_head can do: channels a multiple of 64, within the limits above.
bool head_fits(const HeadProblem& problem);
cudaError_t launch_head(const HeadProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
