// The weights with which fit_picture() scales and crops, for others that do the same elsewhere.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/image/picture_size.h"

namespace corolla::engine {

// Weights are integers of so many fractional bits, as Pillow has them, so that results agree to the
// bit: a sum of weight * byte begins with half a unit, is shifted right by kWeightBits and clamped
// to 0..255.
inline constexpr int kWeightBits = 32 - 8 - 2;

// One dimension of a triangle-filter resampling: for each wanted output position, which inputs
// count how much.
struct Weights {
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;
  std::vector<int32_t> values;  // `most` for each position
  int most = 0;
};

// From a picture of `from` to the centre of it, scaled so that it just covers `to`: across is done
// first, and its result is rounded to bytes. REQUIRES: all sizes over 0.
struct Resampling {
  Weights across, down;
};
Resampling resampling(PictureSize from, PictureSize to);

}  // namespace corolla::engine
