// The two decoders, before orientation. Private to this folder.
#pragma once
#include "engine/image/picture.h"

namespace corolla::engine {

struct Decoded {
  Picture picture;
  int orientation = 1;  // EXIF's number, 1 to 8
};

Result<Decoded> decode_jpeg(std::span<const std::byte> file, const PictureLimits& limits);
Result<Decoded> decode_png(std::span<const std::byte> file, const PictureLimits& limits);

// kTooLarge, naming both sizes.
Status check_size(const char* kind, int64_t width, int64_t height, const PictureLimits& limits);

// From a TIFF structure as EXIF has it (without the "Exif\0\0" before it); 1 when it says nothing
// sensible.
int exif_orientation(std::span<const std::byte> tiff);

// Turns and mirrors the picture so that orientation 1 is right for it.
Picture upright(Picture picture, int orientation);

}  // namespace corolla::engine
