// A decoded picture scaled and cropped to the model's size, as engine/image does it on the host:
// the same weights, across first, rounded to bytes, then down. All pictures are packed RGB.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

// One pass: `lines` x `out` pixels from lines of `in` pixels; pixels of a line are `step` bytes
// apart and lines `line` bytes, so that the same kernel goes across (step 3) and down (step 3 *
// width).
struct FitPass {
  const uint8_t* from = nullptr;
  uint8_t* to = nullptr;
  int lines = 0, out = 0;
  int64_t from_step = 0, from_line = 0, to_step = 0, to_line = 0;
  // Weights (engine/image/resampling.h) of each output: {first, count} pairs, then `most` values
  // each.
  const int* spans = nullptr;
  const int* values = nullptr;
  int most = 0;
  int first = 0;  // subtracted from every span's first: `from` begins there
};
cudaError_t launch_fit(const FitPass& pass, const Launching& launching);

}  // namespace corolla::engine::cuda
