#include "engine/image/picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/check.h"
#include "engine/image/decoders.h"

namespace corolla::engine {
namespace {

bool begins_with(std::span<const std::byte> file, std::string_view magic) {
  return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
}

// One dimension of a triangle-filter resampling: for each wanted output position, which inputs
// count how much. Weights are integers of kBits fractional bits, as Pillow has them, so that
// results agree to the bit.
constexpr int kBits = 32 - 8 - 2;
struct Weights {
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;
  std::vector<int32_t> values;  // `most` for each position
  int most = 0;
};

// Outputs [from, from + count) of a line of `in` values scaled to `out` values.
Weights weights(int in, int64_t out, int64_t from, int count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  Weights made;
  made.most = static_cast<int>(std::ceil(support)) * 2 + 1;
  made.values.assign(static_cast<size_t>(count) * made.most, 0);
  std::vector<double> exact(made.most);
  for (int i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(from + i) + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int n = std::min(in, static_cast<int>(centre + support + 0.5)) - first;
    double sum = 0;
    for (int k = 0; k < n; ++k) {
      exact[k] = std::max(0.0, 1.0 - std::abs((k + first - centre + 0.5) / support));
      sum += exact[k];
    }
    for (int k = 0; k < n; ++k)
      made.values[static_cast<size_t>(i) * made.most + k] =
          static_cast<int32_t>(0.5 + (sum != 0 ? exact[k] / sum : 0) * (1 << kBits));
    made.spans.push_back({first, n});
  }
  return made;
}

uint8_t rounded(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

// Python's round() of n / 2: halves go to the even neighbour, as torchvision's CenterCrop has it.
int64_t half(int64_t n) { return n / 2 + (n % 2 != 0 && (n / 2) % 2 != 0 ? 1 : 0); }

}  // namespace

Status check_size(const char* kind, int64_t width, int64_t height, const PictureLimits& limits) {
  if (width > 0 && height > 0 && width <= limits.most_pixels / height) return ok();
  return Error{Code::kTooLarge, std::string("the ") + kind + " picture is " +
                                    std::to_string(width) + " x " + std::to_string(height) +
                                    "; at most " + std::to_string(limits.most_pixels) +
                                    " pixels are decoded"};
}

Result<Picture> decode_picture(std::span<const std::byte> file, const PictureLimits& limits) {
  const bool jpeg = begins_with(file, "\xff\xd8\xff");
  if (!jpeg && !begins_with(file, "\x89PNG\r\n\x1a\n"))
    return Error{Code::kInvalidArgument, "the input's " + std::to_string(file.size()) +
                                             " bytes are neither a JPEG nor a PNG picture"};
  ASSIGN_OR_RETURN(Decoded decoded, jpeg ? decode_jpeg(file, limits) : decode_png(file, limits));
  return upright(std::move(decoded.picture), decoded.orientation);
}

void fit_picture(const PictureView& picture, int width, int height, std::span<uint8_t> out) {
  CHECK(picture.width > 0 && picture.height > 0 && width > 0 && height > 0);
  CHECK(out.size() == size_t(width) * height * 3);
  if (picture.width == width && picture.height == height) {
    std::memcpy(out.data(), picture.rgb, out.size());
    return;
  }
  const bool wide = int64_t{picture.width} * height >= int64_t{picture.height} * width;
  const int64_t scaled_width = wide ? int64_t{height} * picture.width / picture.height : width;
  const int64_t scaled_height = wide ? height : int64_t{width} * picture.height / picture.width;
  const int64_t left = half(scaled_width - width), top = half(scaled_height - height);
  const Weights across = weights(picture.width, scaled_width, left, width);
  const Weights down = weights(picture.height, scaled_height, top, height);

  // Across first, only the rows that the second pass needs.
  const int first_row = down.spans.front().first;
  const int rows = down.spans.back().first + down.spans.back().count - first_row;
  std::vector<uint8_t> narrow(size_t(rows) * width * 3);
  for (int y = 0; y < rows; ++y) {
    const uint8_t* line = picture.rgb + size_t(first_row + y) * picture.width * 3;
    uint8_t* to = narrow.data() + size_t(y) * width * 3;
    for (int x = 0; x < width; ++x, to += 3) {
      const auto [first, count] = across.spans[x];
      const int32_t* weight = across.values.data() + size_t(x) * across.most;
      int32_t sum[3] = {1 << (kBits - 1), 1 << (kBits - 1), 1 << (kBits - 1)};
      const uint8_t* from = line + size_t(first) * 3;
      for (int k = 0; k < count; ++k, from += 3)
        for (int c = 0; c < 3; ++c) sum[c] += from[c] * weight[k];
      for (int c = 0; c < 3; ++c) to[c] = rounded(sum[c]);
    }
  }
  std::vector<int32_t> sums(size_t(width) * 3);
  for (int y = 0; y < height; ++y) {
    const auto [first, count] = down.spans[y];
    const int32_t* weight = down.values.data() + size_t(y) * down.most;
    std::fill(sums.begin(), sums.end(), 1 << (kBits - 1));
    for (int k = 0; k < count; ++k) {
      const uint8_t* from = narrow.data() + size_t(first - first_row + k) * width * 3;
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += from[i] * weight[k];
    }
    uint8_t* to = out.data() + size_t(y) * width * 3;
    for (size_t i = 0; i < sums.size(); ++i) to[i] = rounded(sums[i]);
  }
}

}  // namespace corolla::engine
