// Pictures on their way into a model: decoded from JPEG or PNG, turned upright, fitted to the
// model's size. Answers are Pillow's: the same pixels (JPEG and PNG by the same libraries), the
// same orientation as ImageOps.exif_transpose, the same resampling as Image.resize(BILINEAR).
//
// Stateless and thread-safe. Input is hostile: there is a fuzzer beside it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace corolla::engine {

// Packed RGB, rows from top to bottom.
struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
};
struct PictureView {
  int width = 0, height = 0;
  const uint8_t* rgb = nullptr;
  PictureView(const Picture& picture)
      : width(picture.width), height(picture.height), rgb(picture.rgb.data()) {}
  PictureView(int w, int h, const uint8_t* pixels) : width(w), height(h), rgb(pixels) {}
};

struct PictureLimits {
  int64_t most_pixels = int64_t{32} << 20;   // width times height
  int64_t most_memory = int64_t{320} << 20;  // of a decoder's own, beside the pixels
  int most_scans = 100;                      // of a progressive JPEG
};

// JPEG (grey, YCbCr, RGB, CMYK, YCCK) or PNG (any kind; transparency is dropped, 16 bits are cut to
// 8, of an animation the first picture), told apart by their first bytes. kInvalidArgument:
// neither, broken, truncated; kTooLarge: over a limit, which is named.
Result<Picture> decode_picture(std::span<const std::byte> file, const PictureLimits& limits = {});

// Scales the picture so that it just covers width x height (torchvision's Resize(s) for square
// sizes), with antialiasing, and cuts out the centre (CenterCrop). A picture of that size already
// is copied. REQUIRES: all sizes over 0; out.size() == width * height * 3.
void fit_picture(const PictureView& picture, int width, int height, std::span<uint8_t> out);

}  // namespace corolla::engine
