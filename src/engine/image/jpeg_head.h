// Which JPEG files a hardware decoder may have: those of which nothing but their entropy-coded data
// is left to doubt. Everything else (and everything that it fails at) is jpeg.cc's.
//
// Stateless and thread-safe. Input is hostile.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/image/picture_size.h"

namespace corolla::engine {

// The picture's size (ITU-T T.81, section B); nullopt unless the file is baseline (SOF0) of 8 bits
// in one scan, grey or YCbCr in 4:4:4, 4:2:2, 4:4:0 or 4:2:0, without an Adobe marker (other
// colours) or EXIF (which may turn it), of at most `most_pixels`, and ends with its end marker.
std::optional<PictureSize> plain_jpeg(std::span<const std::byte> file, int64_t most_pixels);

}  // namespace corolla::engine
