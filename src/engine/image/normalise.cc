#include "engine/image/normalise.h"

#include <algorithm>

#include "base/check.h"

namespace corolla::engine {

Status check_normalisation(const std::string& input, std::span<const float> mean,
                           std::span<const float> deviation) {
  const auto three = [](std::span<const float> list) { return list.empty() || list.size() == 3; };
  if (three(mean) && three(deviation) &&
      std::all_of(deviation.begin(), deviation.end(), [](float s) { return s > 0; }))
    return ok();
  return Error{
      Code::kInvalidArgument,
      "picture input '" + input + "' needs three means and three standard deviations over 0"};
}

Normaliser::Normaliser(std::span<const float> mean, std::span<const float> deviation) {
  for (size_t c = 0; c < 3; ++c) {
    const float middle = mean.empty() ? 0 : mean[c] * 255;
    const float scale = deviation.empty() ? 255 : deviation[c] * 255;
    for (size_t v = 0; v < 256; ++v) values_[c][v] = (static_cast<float>(v) - middle) / scale;
  }
}

void Normaliser::run(std::span<const std::byte> rgb, size_t rows, size_t pixels, bool planes,
                     std::vector<std::byte>& out) const {
  CHECK(rgb.size() == rows * pixels * 3);
  out.resize(rgb.size() * sizeof(float));
  auto* to = reinterpret_cast<float*>(out.data());
  const std::byte* from = rgb.data();
  const size_t channel = planes ? pixels : 1, pixel = planes ? 1 : 3;
  for (size_t row = 0; row < rows; ++row, to += pixels * 3)
    for (size_t i = 0; i < pixels; ++i, from += 3)
      for (size_t c = 0; c < 3; ++c)
        to[c * channel + i * pixel] = values_[c][static_cast<size_t>(from[c])];
}

}  // namespace corolla::engine
