#include <cstring>

#include "engine/image/decoders.h"

namespace corolla::engine {

int exif_orientation(std::span<const std::byte> tiff) {
  constexpr uint16_t kOrientation = 0x0112, kShort = 3;
  if (tiff.size() < 8) return 1;
  const auto byte = [&](size_t at) { return static_cast<uint32_t>(tiff[at]); };
  const bool little = byte(0) == 'I' && byte(1) == 'I';
  if (!little && !(byte(0) == 'M' && byte(1) == 'M')) return 1;
  const auto u16 = [&](size_t at) {
    return little ? byte(at) | byte(at + 1) << 8 : byte(at) << 8 | byte(at + 1);
  };
  const auto u32 = [&](size_t at) {
    return little ? u16(at) | u16(at + 2) << 16 : u16(at) << 16 | u16(at + 2);
  };
  if (u16(2) != 42) return 1;
  const size_t directory = u32(4);
  if (directory > tiff.size() || tiff.size() - directory < 2) return 1;
  const size_t entries = u16(directory);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * 12;
    if (at + 12 > tiff.size()) return 1;
    if (u16(at) != kOrientation) continue;
    const uint32_t value = u16(at + 8);
    return u16(at + 2) == kShort && u32(at + 4) == 1 && value >= 1 && value <= 8
               ? static_cast<int>(value)
               : 1;
  }
  return 1;
}

Picture upright(Picture picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return picture;
  const int w = picture.width, h = picture.height;
  const bool turned = orientation >= 5;
  Picture made{turned ? h : w, turned ? w : h, std::vector<uint8_t>(picture.rgb.size())};
  for (int y = 0; y < made.height; ++y) {
    for (int x = 0; x < made.width; ++x) {
      int from_x = x, from_y = y;
      switch (orientation) {
        case 2:
          from_x = w - 1 - x;
          break;  // mirrored
        case 3:
          from_x = w - 1 - x, from_y = h - 1 - y;
          break;  // half a turn
        case 4:
          from_y = h - 1 - y;
          break;  // upside down, mirrored
        case 5:
          from_x = y, from_y = x;
          break;  // transposed
        case 6:
          from_x = y, from_y = h - 1 - x;
          break;  // a quarter turn clockwise is needed
        case 7:
          from_x = w - 1 - y, from_y = h - 1 - x;
          break;  // transposed the other way
        case 8:
          from_x = w - 1 - y, from_y = x;
          break;  // a quarter turn counter-clockwise is needed
      }
      std::memcpy(made.rgb.data() + (size_t(y) * made.width + x) * 3,
                  picture.rgb.data() + (size_t(from_y) * w + from_x) * 3, 3);
    }
  }
  return made;
}

}  // namespace corolla::engine
