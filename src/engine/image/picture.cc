#include "engine/image/picture.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/check.h"
#include "engine/image/decoders.h"
#include "engine/image/resampling.h"

namespace corolla::engine {
namespace {

bool begins_with(std::span<const std::byte> file, std::string_view magic) {
  return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

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
  const auto [across, down] = resampling({picture.height, picture.width}, {height, width});

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
      int32_t sum[3] = {1 << (kWeightBits - 1), 1 << (kWeightBits - 1), 1 << (kWeightBits - 1)};
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
    std::fill(sums.begin(), sums.end(), 1 << (kWeightBits - 1));
    for (int k = 0; k < count; ++k) {
      const uint8_t* from = narrow.data() + size_t(first - first_row + k) * width * 3;
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += from[i] * weight[k];
    }
    uint8_t* to = out.data() + size_t(y) * width * 3;
    for (size_t i = 0; i < sums.size(); ++i) to[i] = rounded(sums[i]);
  }
}

}  // namespace corolla::engine
