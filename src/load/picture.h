// Pictures from disk as a model wants them: decoded, the shorter side resized, the middle cut out,
// and for float inputs normalised as torchvision's models are trained. Thread-safe: pure functions.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"

namespace corolla::load {

struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // width * height * 3, rows from the top
};

// JPEG or PNG, told by its first bytes. kInvalidArgument when it is neither or broken, kTooLarge
// beyond 100 million pixels.
Result<Picture> decode_picture(std::span<const std::byte> file);

// Resizes so that the shorter side is `shorter`, then cuts the middle `width` x `height` out.
// Bilinear with antialiasing: each target pixel weighs all source pixels under it, as PIL and
// torchvision do. REQUIRES: shorter >= width and height.
Picture resize_and_crop(const Picture& picture, int shorter, int width, int height);

// How an input of a model takes a picture.
enum class PictureForm {
  kEncoded,  // BYTES: the file as it is
  kPlanes,   // [3,h,w]
  kPixels,   // [h,w,3]
};

struct PictureInput {
  PictureForm form = PictureForm::kPlanes;
  DType dtype = DType::kFp32;  // kFp32: normalised; kUint8: 0..255; kBytes
  int width = 0, height = 0;   // unless kEncoded
};

// What an input of this type and shape (without the batch dimension) takes. kUnsupported, with the
// shape, when it is no picture.
Result<PictureInput> picture_input(DType dtype, std::span<const int64_t> shape);

// One picture's tensor bytes for that input. `shorter`: see resize_and_crop; 0: height * 256 / 224,
// as torchvision's models expect. BYTES elements get their 4-byte length.
Result<std::vector<std::byte>> picture_tensor(std::span<const std::byte> file,
                                              const PictureInput& input, int shorter = 0);

// The paths of all .jpg, .jpeg and .png files under `folder`, also in subfolders, sorted. kNotFound
// when there is none.
Result<std::vector<std::string>> find_pictures(const std::string& folder);

// A whole file. kNotFound, naming it.
Result<std::vector<std::byte>> read_file(const std::string& path);

}  // namespace corolla::load
