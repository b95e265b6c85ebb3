#include "engine/image/resampling.h"

#include <algorithm>
#include <cmath>

namespace corolla::engine {
namespace {

// Outputs [from, from + count) of a line of `in` values scaled to `out` values.
Weights weights(int in, int64_t out, int64_t from, int count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  Weights made;
  made.most = static_cast<int>(std::ceil(support)) * 2 + 1;
  made.values.assign(static_cast<size_t>(count) * made.most, 0);
  std::vector<double> exact(made.most);
  // Rounds as Pillow does; lround() differs below zero.
  const auto cut = [](double v) { return static_cast<int32_t>(v); };
  for (int i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(from + i) + 0.5) * scale;
    const int first = std::max(0, cut(centre - support + 0.5));
    const int n = std::min(in, cut(centre + support + 0.5)) - first;
    double sum = 0;
    for (int k = 0; k < n; ++k) {
      exact[k] = std::max(0.0, 1.0 - std::abs((k + first - centre + 0.5) / support));
      sum += exact[k];
    }
    for (int k = 0; k < n; ++k)
      made.values[static_cast<size_t>(i) * made.most + k] =
          cut(0.5 + (sum != 0 ? exact[k] / sum : 0) * (1 << kWeightBits));
    made.spans.push_back({first, n});
  }
  return made;
}

// Python's round() of n / 2: halves go to the even neighbour, as torchvision's CenterCrop has it.
int64_t half(int64_t n) { return n / 2 + (n % 2 != 0 && (n / 2) % 2 != 0 ? 1 : 0); }

}  // namespace

Resampling resampling(PictureSize from, PictureSize to) {
  const bool wide = int64_t{from.width} * to.height >= int64_t{from.height} * to.width;
  const int64_t scaled_width = wide ? int64_t{to.height} * from.width / from.height : to.width;
  const int64_t scaled_height = wide ? to.height : int64_t{to.width} * from.height / from.width;
  const int64_t left = half(scaled_width - to.width), top = half(scaled_height - to.height);
  return {weights(from.width, scaled_width, left, to.width),
          weights(from.height, scaled_height, top, to.height)};
}

}  // namespace corolla::engine
