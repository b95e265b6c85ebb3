#include "load/picture.h"

#include <gtest/gtest.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

namespace corolla::load {
namespace {

Picture gradient(int width, int height) {
  Picture picture{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      picture.rgb.push_back(static_cast<uint8_t>(x * 255 / std::max(1, width - 1)));
      picture.rgb.push_back(static_cast<uint8_t>(y * 255 / std::max(1, height - 1)));
      picture.rgb.push_back(40);
    }
  return picture;
}

std::vector<std::byte> png_of(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.width;
  image.height = picture.height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, picture.rgb.data(), 0, nullptr);
  std::vector<std::byte> out(size);
  png_image_write_to_memory(&image, out.data(), &size, 0, picture.rgb.data(), 0, nullptr);
  return out;
}

TEST(Picture, PngComesBackAsItWas) {
  const Picture picture = gradient(31, 17);
  const auto decoded = decode_picture(png_of(picture));
  ASSERT_TRUE(decoded.ok()) << decoded.error().what;
  EXPECT_EQ(decoded->width, 31);
  EXPECT_EQ(decoded->rgb, picture.rgb);
}

TEST(Picture, BrokenFilesAreOneSentence) {
  std::vector<std::byte> file = png_of(gradient(64, 64));
  file.resize(file.size() / 2);
  EXPECT_EQ(decode_picture(file).error().code, Code::kInvalidArgument);
  EXPECT_FALSE(decode_picture({}).ok());
  const std::byte jpeg[] = {std::byte{0xff}, std::byte{0xd8}, std::byte{0xff}, std::byte{0xe0},
                            std::byte{0}};
  EXPECT_FALSE(decode_picture(jpeg).ok());
  const std::string_view text = "GIF89a, or anything else";
  EXPECT_NE(
      decode_picture(std::as_bytes(std::span(text))).error().what.find("neither JPEG nor PNG"),
      std::string::npos);
}

TEST(Picture, CroppingWithoutScalingKeepsThePixels) {
  const Picture picture = gradient(40, 20);
  const Picture middle = resize_and_crop(picture, 20, 20, 20);
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 20; ++x) {
      const size_t at = (static_cast<size_t>(y) * 20 + x) * 3,
                   from = (static_cast<size_t>(y) * 40 + x + 10) * 3;
      EXPECT_EQ(middle.rgb[at], picture.rgb[from]);
      EXPECT_EQ(middle.rgb[at + 1], picture.rgb[from + 1]);
    }
}

TEST(Picture, ShrinkingAveragesAllThatLiesBeneath) {
  // A chessboard of single pixels: only antialiasing makes it grey.
  Picture board{256, 256, {}};
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x) board.rgb.insert(board.rgb.end(), 3, (x + y) % 2 ? 255 : 0);
  const Picture small = resize_and_crop(board, 32, 32, 32);
  for (size_t i = 0; i < small.rgb.size(); ++i) EXPECT_NEAR(small.rgb[i], 127, 3);
}

TEST(Picture, TensorsAreNormalisedPlanesOrPlainPixels) {
  Picture flat{300, 260, {}};
  for (int i = 0; i < 300 * 260; ++i) flat.rgb.insert(flat.rgb.end(), {255, 0, 128});
  const std::vector<std::byte> file = png_of(flat);
  const int64_t planes[] = {3, 224, 224}, pixels[] = {224, 224, 3};
  const auto input = picture_input(DType::kFp32, planes);
  ASSERT_TRUE(input.ok());
  const auto tensor = picture_tensor(file, *input);
  ASSERT_EQ(tensor->size(), 602112u);
  float red, green, blue;
  memcpy(&red, tensor->data(), 4);
  memcpy(&green, tensor->data() + 224 * 224 * 4, 4);
  memcpy(&blue, tensor->data() + 2 * 224 * 224 * 4, 4);
  EXPECT_NEAR(red, (1 - 0.485) / 0.229, 1e-5);
  EXPECT_NEAR(green, -0.456 / 0.224, 1e-5);
  EXPECT_NEAR(blue, (128 / 255.0 - 0.406) / 0.225, 1e-5);
  const auto bytes = picture_tensor(file, *picture_input(DType::kUint8, pixels));
  ASSERT_EQ(bytes->size(), 150528u);
  EXPECT_EQ((*bytes)[0], std::byte{255});
  EXPECT_EQ((*bytes)[2], std::byte{128});
}

TEST(Picture, InputsThatTakeNoPictureSaySo) {
  const int64_t four[] = {4}, one[] = {1}, square[] = {224, 224};
  EXPECT_NE(picture_input(DType::kFp32, four).error().what.find("[4]"), std::string::npos);
  EXPECT_FALSE(picture_input(DType::kFp32, square).ok());
  EXPECT_FALSE(picture_input(DType::kInt64, square).ok());
  EXPECT_EQ(picture_input(DType::kBytes, one)->form, PictureForm::kEncoded);
  const std::string_view text = "abc";
  const auto encoded =
      picture_tensor(std::as_bytes(std::span(text)), *picture_input(DType::kBytes, one));
  EXPECT_EQ(encoded->size(), 7u);
}

}  // namespace
}  // namespace corolla::load
