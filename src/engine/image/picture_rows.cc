#include "engine/image/picture_rows.h"

#include <cstring>
#include <string>

#include "base/dtype.h"

namespace corolla::engine {
namespace {

Error of_row(int row, int rows, Error error) {
  if (rows > 1)
    error.what =
        "picture " + std::to_string(row + 1) + " of " + std::to_string(rows) + ": " + error.what;
  return error;
}

std::span<uint8_t> place(std::vector<std::byte>& room, int row, size_t bytes) {
  return {reinterpret_cast<uint8_t*>(room.data()) + static_cast<size_t>(row) * bytes, bytes};
}

}  // namespace

Result<std::span<const std::byte>> rows_of_pixels(std::span<const int64_t> shape,
                                                  std::span<const std::byte> bytes, int rows,
                                                  PictureSize size, std::vector<std::byte>& room,
                                                  const PictureLimits& limits) {
  const size_t dims = shape.size();
  const int64_t height = dims >= 3 ? shape[dims - 3] : 0, width = dims >= 3 ? shape[dims - 2] : 0;
  // Bounded first, so that nothing below can overflow.
  if (height < 1 || width < 1 || width > limits.most_pixels / height || shape[dims - 1] != 3 ||
      bytes.size() != static_cast<uint64_t>(height * width) * 3 * static_cast<uint64_t>(rows))
    return Error{Code::kInvalidArgument, "a picture of shape " + shape_text(shape) + " and " +
                                             std::to_string(bytes.size()) +
                                             " bytes is not [height,width,3] of at most " +
                                             std::to_string(limits.most_pixels) + " pixels"};
  if (height == size.height && width == size.width) return bytes;
  const size_t row_bytes = static_cast<size_t>(size.height) * static_cast<size_t>(size.width) * 3;
  room.resize(row_bytes * static_cast<size_t>(rows));
  const auto* pixels = reinterpret_cast<const uint8_t*>(bytes.data());
  for (int row = 0; row < rows; ++row)
    fit_picture(
        {static_cast<int>(width), static_cast<int>(height), pixels + row * height * width * 3},
        size.width, size.height, place(room, row, row_bytes));
  return std::span<const std::byte>(room);
}

std::optional<std::span<const std::byte>> next_element(std::span<const std::byte>& left) {
  uint32_t length = 0;
  if (left.size() < sizeof length) return std::nullopt;
  std::memcpy(&length, left.data(), sizeof length);
  if (length > left.size() - sizeof length) return std::nullopt;
  const auto element = left.subspan(sizeof length, length);
  left = left.subspan(sizeof length + length);
  return element;
}

Result<std::span<const std::byte>> rows_of_files(std::span<const std::byte> bytes, int rows,
                                                 PictureSize size, std::vector<std::byte>& room,
                                                 const PictureLimits& limits) {
  const size_t row_bytes = static_cast<size_t>(size.height) * static_cast<size_t>(size.width) * 3;
  room.resize(row_bytes * static_cast<size_t>(rows));
  std::span<const std::byte> left = bytes;
  for (int row = 0; row < rows; ++row) {
    const auto file = next_element(left);
    if (!file)
      return Error{Code::kInvalidArgument, "the BYTES input of " + std::to_string(bytes.size()) +
                                               " bytes ends within its element " +
                                               std::to_string(row + 1) + " of " +
                                               std::to_string(rows)};
    const auto picture = decode_picture(*file, limits);
    if (!picture.ok()) return of_row(row, rows, picture.error());
    fit_picture(*picture, size.width, size.height, place(room, row, row_bytes));
  }
  if (!left.empty())
    return Error{Code::kInvalidArgument, "the BYTES input has " + std::to_string(left.size()) +
                                             " bytes more than its " + std::to_string(rows) +
                                             " elements"};
  return std::span<const std::byte>(room);
}

}  // namespace corolla::engine
