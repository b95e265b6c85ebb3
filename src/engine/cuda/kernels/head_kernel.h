// The end of a classifier in one launch: global average pooling, a matrix product, softmax.
//
//   y[n] = softmax(w * mean over pixels of x[n] + bias), sums fp32, y fp32
//
// A cluster of eight blocks an image (sm_90): each pools an eighth of the channels, all exchange
// their means, each computes an eighth of the classes, the first normalises.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

struct HeadProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;      // [images][pixels][channels]
  const void* w = nullptr;      // [classes][channels]
  const float* bias = nullptr;  // [classes]
  float* y = nullptr;
  int images = 0, pixels = 0, channels = 0, classes = 0;
  bool softmax = false;
  // Of an int8 product: means become 0 .. 255 (/ mean_scale + mean_zero, rounded), less mean_zero
  // again; w holds whole numbers; sums are times scale[class].
  const float* scale = nullptr;  // or null
  float mean_scale = 1;          // 1 / that of the quantised means
  int mean_zero = 0;
};
inline constexpr int kHeadMostChannels = 4096, kHeadMostClasses = 2048;
// What launch_head can do: channels a multiple of 64, within the limits above.
bool head_fits(const HeadProblem& problem);
cudaError_t launch_head(const HeadProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
