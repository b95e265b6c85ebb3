#include "engine/image/jpeg_head.h"

#include <cstdint>

namespace corolla::engine {
namespace {

uint32_t byte_at(std::span<const std::byte> bytes, size_t at) {
  return std::to_integer<uint32_t>(bytes[at]);
}
uint32_t word_at(std::span<const std::byte> bytes, size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

// The frame header behind its length: sizes, and sampling that is known to work.
std::optional<PictureSize> frame(std::span<const std::byte> body, int64_t most_pixels) {
  if (body.size() < 6 || byte_at(body, 0) != 8) return std::nullopt;
  const int height = static_cast<int>(word_at(body, 1)), width = static_cast<int>(word_at(body, 3));
  const size_t components = byte_at(body, 5);
  if (width < 1 || height < 1 || int64_t{width} * height > most_pixels ||
      body.size() != 6 + 3 * components)
    return std::nullopt;
  if (components != 3) return std::nullopt;
  const uint32_t luma = byte_at(body, 7);
  const bool sampled = luma == 0x11 || luma == 0x21 || luma == 0x12 || luma == 0x22;
  for (size_t c = 0; c < 3; ++c) {
    // JFIF's numbers: others may say RGB.
    if (byte_at(body, 6 + 3 * c) != c + 1) return std::nullopt;
    if (c > 0 && byte_at(body, 7 + 3 * c) != 0x11) return std::nullopt;
  }
  if (!sampled) return std::nullopt;
  return PictureSize{height, width};
}

}  // namespace

std::optional<PictureSize> plain_jpeg(std::span<const std::byte> file, int64_t most_pixels) {
  constexpr uint32_t kStart = 0xd8, kEnd = 0xd9, kScan = 0xda, kBaseline = 0xc0, kTables = 0xc4,
                     kApp1 = 0xe1, kApp14 = 0xee;
  if (file.size() < 4 || word_at(file, 0) != (0xff00 | kStart) ||
      word_at(file, file.size() - 2) != (0xff00 | kEnd))
    return std::nullopt;
  std::optional<PictureSize> size;
  size_t components = 0;
  for (size_t at = 2; at + 4 <= file.size();) {
    if (byte_at(file, at) != 0xff) return std::nullopt;
    const uint32_t kind = byte_at(file, at + 1);
    const size_t length = word_at(file, at + 2);
    if (kind < kBaseline || length < 2 || length > file.size() - at - 2) return std::nullopt;
    const auto body = file.subspan(at + 4, length - 2);
    const bool other_frame = kind > kBaseline && kind <= 0xcf && kind != kTables;
    if (kind == kApp1 || kind == kApp14 || other_frame) return std::nullopt;
    if (kind == kBaseline) {
      if (size) return std::nullopt;
      size = frame(body, most_pixels);
      if (!size) return std::nullopt;
      components = byte_at(body, 5);
    }
    if (kind == kScan) {
      if (!size || body.empty() || byte_at(body, 0) != components) return std::nullopt;
      // No second scan, and no marker but restarts, before the end.
      for (size_t i = at + 2 + length; i + 2 < file.size(); ++i) {
        if (byte_at(file, i) != 0xff) continue;
        const uint32_t next = byte_at(file, i + 1);
        if (next != 0 && (next < 0xd0 || next > 0xd7)) return std::nullopt;
      }
      return size;
    }
    at += 2 + length;
  }
  return std::nullopt;
}

}  // namespace corolla::engine
