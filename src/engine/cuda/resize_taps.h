// Where Resize reads: for each output place of one dimension, two source places and their weights.
// Made on the host in double, as the interpreter does, so that a kernel agrees with it at every
// edge; nothing here needs CUDA.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/cuda/kernels/search_kernels.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

inline double resize_source(const plan::Resize& resize, double scale, double in, double out_size,
                            double o) {
  using C = plan::Resize::Coordinates;
  switch (resize.coordinates) {
    case C::kAsymmetric:
      return o / scale;
    case C::kAlignCorners:
      return scale * in == 1 ? 0 : o * (in - 1) / (scale * in - 1);
    case C::kPytorchHalfPixel:
      return out_size <= 1 ? 0 : (o + 0.5) / scale - 0.5;
    case C::kHalfPixelSymmetric:
      return in / 2 * (1 - out_size / (scale * in)) + (o + 0.5) / scale - 0.5;
    case C::kHalfPixel:
      break;
  }
  return (o + 0.5) / scale - 0.5;
}

inline double resize_rounded(plan::Resize::Rounding rounding, double x) {
  using R = plan::Resize::Rounding;
  switch (rounding) {
    case R::kFloor:
      return std::floor(x);
    case R::kCeil:
      return std::ceil(x);
    case R::kPreferCeil:
      return std::floor(x + 0.5);
    case R::kPreferFloor:
      break;
  }
  return std::ceil(x - 0.5);
}

// `scale`: Resize::scale_h or scale_w.
inline std::vector<ResizeTap> resize_taps(const plan::Resize& resize, float given_scale, int64_t in,
                                          int64_t out) {
  const auto size = static_cast<double>(in), out_size = static_cast<double>(out);
  const double scale = given_scale == 0 ? out_size / size : static_cast<double>(given_scale);
  const auto place = [&](double at) { return static_cast<int32_t>(std::clamp(at, 0.0, size - 1)); };
  std::vector<ResizeTap> taps(static_cast<size_t>(out));
  for (size_t o = 0; o < taps.size(); ++o) {
    const double x = resize_source(resize, scale, size, out_size, static_cast<double>(o));
    if (resize.mode == plan::Resize::Mode::kNearest) {
      taps[o].at[0] = taps[o].at[1] = place(resize_rounded(resize.rounding, x));
      continue;
    }
    const double low = std::floor(x), high = x - low;
    taps[o].at[0] = place(low);
    taps[o].at[1] = place(low + 1);
    taps[o].weight[0] = static_cast<float>(1 - high);
    taps[o].weight[1] = static_cast<float>(high);
  }
  return taps;
}

}  // namespace corolla::engine::cuda
