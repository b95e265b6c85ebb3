// Kernels of 8-bit activations (u8, NHWC) beside the convolutions on tensor cores: one thread a few
// outputs.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"
#include "engine/cuda/kernels/picture_kernels.h"

namespace corolla::engine::cuda {

// What a byte means: scale * (stored - zero).
struct ByteScale {
  float scale = 1;
  int zero = 0;
};

// fp16 or bf16 -> u8 and back, of `count` numbers that lie in a row on both sides. Going back,
// numbers past `real` of every `stored` become zero: channels that pad.
struct ByteCastProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  void* y = nullptr;
  int64_t count = 0;
  int stored = 1, real = 1;
  ByteScale bytes;
};
cudaError_t launch_quantize(const ByteCastProblem& problem, const Launching& launching);
cudaError_t launch_dequantize(const ByteCastProblem& problem, const Launching& launching);

// As ImportProblem, to u8. `blocks`: y holds blocks of 2 x 2 pixels of four channels, 16 bytes each
// (y_height and y_width count blocks); top and left count pixels.
struct ByteImportProblem {
  ImportProblem picture;
  ByteScale to;
  bool blocks = false;
};
cudaError_t launch_byte_import(const ByteImportProblem& problem, const Launching& launching);

struct BytePoolProblem {
  PoolProblem pool;
  ByteScale from, to;
};
cudaError_t launch_byte_pool(const BytePoolProblem& problem, const Launching& launching);

// Any convolution or matrix product of u8 by s8, slowly. w:
// [outputs][kernel_h][kernel_w][w_stored].
struct ByteConvProblem {
  Element element = Element::kHalf;  // of what is not bytes
  const void* x = nullptr;
  const void* w = nullptr;
  const float* bias = nullptr;
  const float* w_scale = nullptr;
  const void* residual = nullptr;  // or null
  void* y = nullptr;
  bool y_bytes = false, residual_bytes = false;
  ByteScale from, residual_from, to;
  int images = 0, height = 0, width = 0, channels = 0, x_stored = 0, w_stored = 0;
  int out_h = 0, out_w = 0, outputs = 0, y_stored = 0;
  int kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int pad_h = 0, pad_w = 0, groups = 1;
  Act act = Act::kNone;
  float act_a = 0, act_b = 0;
};
cudaError_t launch_byte_conv(const ByteConvProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
