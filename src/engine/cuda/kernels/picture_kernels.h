// What leads into and out of a network of pictures: import, pooling, softmax. fp16 or bf16
// (`element`) NHWC between.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

// y[n][top + h][left + w][c] = (x - mean[c]) * scale[c]; channels past `channels`, and the border
// around the picture, are zero. x is u8 NHWC or fp32 NCHW.
struct ImportProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  void* y = nullptr;
  int images = 0, height = 0, width = 0, channels = 0;
  int y_height = 0, y_width = 0, y_channels = 0;  // y_channels: 4, or a multiple of 8
  int top = 0, left = 0;
  bool pixels = false;
  float mean[8] = {}, scale[8] = {};  // of the first 8 channels; others: 0 and 1
};
cudaError_t launch_import(const ImportProblem& problem, const Launching& launching);

struct PoolProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  void* y = nullptr;
  int images = 0, height = 0, width = 0, channels = 0;  // channels: stored, a multiple of 8
  int out_h = 0, out_w = 0;
  int kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool average = false, count_pad = false;
};
cudaError_t launch_pool(const PoolProblem& problem, const Launching& launching);

// y[n][c] = mean over pixels.
struct GlobalPoolProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  void* y = nullptr;
  int images = 0, pixels = 0, channels = 0;
};
cudaError_t launch_global_pool(const GlobalPoolProblem& problem, const Launching& launching);

// Rows of `columns`; y is as x, or fp32 where `to_float`.
struct SoftmaxProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  void* y = nullptr;
  int64_t rows = 0;
  int columns = 0;
  bool to_float = false;
};
cudaError_t launch_softmax(const SoftmaxProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
