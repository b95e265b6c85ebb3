// From a picture input as clients send it to rows of UINT8 [height, width, 3], which a model takes:
// one picture after the other, all of the model's size.
//
// Rows are the tensor's own bytes where they can be taken as they are, else made in `room`, which
// must then live as long as the answer. kInvalidArgument, kTooLarge: what is wrong with which
// picture.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/image/picture.h"
#include "engine/image/picture_size.h"

namespace corolla::engine {

// From UINT8 [..., h, w, 3]; pictures of another size than the model's are fitted (fit_picture).
Result<std::span<const std::byte>> rows_of_pixels(std::span<const int64_t> shape,
                                                  std::span<const std::byte> bytes, int rows,
                                                  PictureSize size, std::vector<std::byte>& room,
                                                  const PictureLimits& limits = {});

// Takes the next element off a BYTES tensor: four bytes of length (little endian), then as many of
// its own. nullopt: `left` ends before it does, and stays as it is.
std::optional<std::span<const std::byte>> next_element(std::span<const std::byte>& left);

// From BYTES: for each row an element that is a JPEG or PNG file.
Result<std::span<const std::byte>> rows_of_files(std::span<const std::byte> bytes, int rows,
                                                 PictureSize size, std::vector<std::byte>& room,
                                                 const PictureLimits& limits = {});

}  // namespace corolla::engine
