// The convolution kernel's blocks and threads played one after the other on the host, with the
// kernels' own index arithmetic (kernels/conv_problem.h): the same copies into the same swizzled
// stages, the same fragments, splits and order of sums.
//
// What it does not play: asynchrony. A missing barrier shows under compute-sanitizer alone.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/cuda/kernels/conv_problem.h"

namespace corolla::engine::cuda {

// As ConvTile of kernels/conv_kernel.cuh.
struct EmulatedTile {
  int m = 64, n = 64, warps_m = 4, warps_n = 1, stages = 4;
  bool wgmma = false;
};

// kHalf, kBfloat: x and w of `problem` point to floats here (whole numbers keep fp16 exact); y is
// float [m][y_pixel], written where the kernel writes, rounded where it is bf16. residual: float,
// too. `splits` meet in their order. False when some chunk of the result was written twice, or a
// copy went outside of its stage.
bool emulate_conv(ConvProblem problem, const EmulatedTile& tile, int splits, std::vector<float>& y);

// kByte, with y and residual of bytes: memory as the kernel has it.
bool emulate_conv(ConvProblem problem, const EmulatedTile& tile, int splits,
                  std::vector<uint8_t>& y);

// To the nearest bf16, ties to even.
float bfloat_rounded(float v);

}  // namespace corolla::engine::cuda
