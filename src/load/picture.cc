#include "load/picture.h"

#include <string.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/check.h"

namespace corolla::load {
namespace {

// torchvision's mean and deviation of ImageNet, for red, green and blue in 0..1.
constexpr float kMean[3] = {0.485f, 0.456f, 0.406f};
constexpr float kDeviation[3] = {0.229f, 0.224f, 0.225f};

// The weights of one target pixel along one axis.
struct Taps {
  int first = 0;
  std::vector<float> weights;
};

std::vector<Taps> taps_for(int from, int to, int begin, int count) {
  const double scale = static_cast<double>(from) / to;
  const double support = std::max(scale, 1.0);
  std::vector<Taps> out(count);
  for (int i = 0; i < count; ++i) {
    const double center = (begin + i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(center - support + 0.5));
    const int high = std::min(from, static_cast<int>(center + support + 0.5));
    double sum = 0;
    out[i].first = low;
    for (int x = low; x < high; ++x) {
      const double w = std::max(0.0, 1 - std::abs((x - center + 0.5) / support));
      out[i].weights.push_back(static_cast<float>(w));
      sum += w;
    }
    for (float& w : out[i].weights) w = static_cast<float>(w / sum);
  }
  return out;
}

uint8_t rounded(float value) {
  return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
}

}  // namespace

Picture resize_and_crop(const Picture& picture, int shorter, int width, int height) {
  CHECK(shorter >= width && shorter >= height);
  const bool wide = picture.width >= picture.height;
  const int full_width =
      wide ? static_cast<int>(static_cast<int64_t>(shorter) * picture.width / picture.height)
           : shorter;
  const int full_height =
      wide ? shorter
           : static_cast<int>(static_cast<int64_t>(shorter) * picture.height / picture.width);
  const int left = static_cast<int>(std::lround((full_width - width) / 2.0));
  const int top = static_cast<int>(std::lround((full_height - height) / 2.0));
  const std::vector<Taps> across = taps_for(picture.width, full_width, left, width);
  const std::vector<Taps> down = taps_for(picture.height, full_height, top, height);

  // Across first, only for the rows that are needed, rounded to bytes as PIL does between its
  // passes.
  const int first_row = down.front().first;
  const int last_row = down.back().first + static_cast<int>(down.back().weights.size());
  std::vector<uint8_t> narrow(static_cast<size_t>(last_row - first_row) * width * 3);
  for (int y = first_row; y < last_row; ++y) {
    const uint8_t* row = picture.rgb.data() + static_cast<size_t>(y) * picture.width * 3;
    uint8_t* out = narrow.data() + static_cast<size_t>(y - first_row) * width * 3;
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        const uint8_t* at = row + across[x].first * 3 + c;
        for (const float w : across[x].weights) {
          sum += w * *at;
          at += 3;
        }
        *out++ = rounded(sum);
      }
  }
  Picture result{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  uint8_t* out = result.rgb.data();
  for (int y = 0; y < height; ++y) {
    const uint8_t* rows =
        narrow.data() + static_cast<size_t>(down[y].first - first_row) * width * 3;
    for (int x = 0; x < width * 3; ++x) {
      float sum = 0;
      const uint8_t* at = rows + x;
      for (const float w : down[y].weights) {
        sum += w * *at;
        at += width * 3;
      }
      *out++ = rounded(sum);
    }
  }
  return result;
}

Result<PictureInput> picture_input(DType dtype, std::span<const int64_t> shape) {
  const Error no_picture{
      Code::kUnsupported,
      "an input of type " + std::string(dtype_name(dtype)) + " and shape " + shape_text(shape) +
          " takes no picture: [3,h,w] or [h,w,3] of FP32 or UINT8, or one BYTES element is wanted"};
  if (dtype == DType::kBytes &&
      (shape.empty() || (shape.size() == 1 && (shape[0] == 1 || shape[0] == -1))))
    return PictureInput{PictureForm::kEncoded, dtype, 0, 0};
  if ((dtype != DType::kFp32 && dtype != DType::kUint8) || shape.size() != 3) return no_picture;
  PictureInput input;
  input.dtype = dtype;
  int64_t height = 0, width = 0;
  if (shape[0] == 3) {
    input.form = PictureForm::kPlanes;
    height = shape[1];
    width = shape[2];
  } else if (shape[2] == 3) {
    input.form = PictureForm::kPixels;
    height = shape[0];
    width = shape[1];
  } else {
    return no_picture;
  }
  if (height == -1) height = 224;
  if (width == -1) width = 224;
  if (height < 1 || width < 1 || height > 8192 || width > 8192) return no_picture;
  input.width = static_cast<int>(width);
  input.height = static_cast<int>(height);
  return input;
}

Result<std::vector<std::byte>> picture_tensor(std::span<const std::byte> file,
                                              const PictureInput& input, int shorter) {
  if (input.form == PictureForm::kEncoded) {
    const uint32_t size = static_cast<uint32_t>(file.size());
    std::vector<std::byte> out(4 + file.size());
    memcpy(out.data(), &size, 4);
    if (!file.empty()) memcpy(out.data() + 4, file.data(), file.size());
    return out;
  }
  ASSIGN_OR_RETURN(const Picture whole, decode_picture(file));
  const int largest = std::max(input.width, input.height);
  if (shorter == 0) shorter = largest * 256 / 224;
  const Picture picture =
      resize_and_crop(whole, std::max(shorter, largest), input.width, input.height);
  const size_t pixels = static_cast<size_t>(input.width) * input.height;
  std::vector<std::byte> out(pixels * 3 * dtype_size(input.dtype));
  auto put = [&](size_t at, size_t channel, uint8_t value) {
    if (input.dtype == DType::kUint8) {
      out[at] = std::byte{value};
    } else {
      const float normal =
          (static_cast<float>(value) / 255.0f - kMean[channel]) / kDeviation[channel];
      memcpy(out.data() + at * sizeof normal, &normal, sizeof normal);
    }
  };
  for (size_t i = 0; i < pixels; ++i)
    for (size_t c = 0; c < 3; ++c)
      put(input.form == PictureForm::kPlanes ? c * pixels + i : i * 3 + c, c,
          picture.rgb[i * 3 + c]);
  return out;
}

Result<std::vector<std::string>> find_pictures(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::string extension = it->path().extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](unsigned char c) { return tolower(c); });
    if (extension == ".jpg" || extension == ".jpeg" || extension == ".png")
      paths.push_back(it->path().string());
  }
  if (error)
    return Error{Code::kNotFound, "cannot read the folder '" + folder + "': " + error.message()};
  if (paths.empty())
    return Error{Code::kNotFound, "the folder '" + folder + "' holds no .jpg, .jpeg or .png file"};
  std::sort(paths.begin(), paths.end());
  return paths;
}

Result<std::vector<std::byte>> read_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return Error{Code::kInvalidArgument, "'" + path + "' is a folder, not a file"};
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return Error{Code::kNotFound, "cannot read '" + path + "'"};
  std::vector<std::byte> bytes(static_cast<size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) return Error{Code::kInternal, "cannot read '" + path + "' to its end"};
  return bytes;
}

}  // namespace corolla::load
