#include "engine/image/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/image/decoders.h"

namespace corolla::engine {
namespace {

using testing::HasSubstr;

std::vector<std::byte> read(const std::string& name) {
  std::ifstream file(std::string(COROLLA_TESTDATA) + "/picture_fuzz/" + name, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  CHECK(!text.empty(), name);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<uint8_t> unhex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

int largest_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  if (a.size() != b.size()) return 256;
  int most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST(Picture, IsWhatPillowMakesOfIt) {
  std::ifstream golden(std::string(COROLLA_TESTDATA) + "/golden.txt");
  std::string line;
  int checked = 0;
  while (std::getline(golden, line)) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    std::string name, pixels, fitted;
    int width, height, fit_width, fit_height;
    words >> name >> width >> height >> pixels >> fit_width >> fit_height >> fitted;
    SCOPED_TRACE(name + " to " + std::to_string(fit_width) + " x " + std::to_string(fit_height));
    const auto picture = decode_picture(read(name));
    ASSERT_TRUE(picture.ok()) << picture.error().what;
    EXPECT_EQ(picture->width, width);
    EXPECT_EQ(picture->height, height);
    // PNG has one answer; JPEG libraries may differ in the last bit.
    const int tolerance = name.ends_with(".png") ? 0 : 1;
    if (pixels != "-") {
      EXPECT_LE(largest_difference(picture->rgb, unhex(pixels)), tolerance);
    }
    std::vector<uint8_t> out(size_t(fit_width) * fit_height * 3);
    fit_picture(*picture, fit_width, fit_height, out);
    EXPECT_LE(largest_difference(out, unhex(fitted)), tolerance);
    ++checked;
  }
  EXPECT_EQ(checked, 31);
}

TEST(Picture, EveryTruncationIsAnErrorOrStillAPicture) {
  for (const char* name :
       {"rgb.jpg", "progressive.jpg", "cmyk.jpg", "palette.png", "rgb16.png", "orientation6.jpg"}) {
    const auto whole = read(name);
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto picture = decode_picture(std::span(whole).first(size));
      // All that may be missing is the two or twelve bytes that say "end".
      if (picture.ok()) {
        EXPECT_GE(size + 2, whole.size()) << name << " at " << size;
      } else {
        EXPECT_EQ(picture.error().code, Code::kInvalidArgument) << picture.error().what;
      }
    }
  }
}

TEST(Picture, AnyWrongByteIsSurvived) {
  for (const char* name :
       {"subsampled.jpg", "progressive.jpg", "palette_transparent.png", "exif6.png"}) {
    const auto whole = read(name);
    for (size_t at = 0; at < whole.size(); ++at) {
      for (int flip : {0x01, 0x80, 0xff}) {
        auto broken = whole;
        broken[at] ^= static_cast<std::byte>(flip);
        (void)decode_picture(broken, {.most_pixels = 1 << 20}).ok();
      }
    }
  }
}

TEST(Picture, WhatIsNoPictureIsNamedSo) {
  const auto none = decode_picture(std::as_bytes(std::span("GIF89a, or anything else")));
  EXPECT_EQ(none.error().code, Code::kInvalidArgument);
  EXPECT_THAT(none.error().what, HasSubstr("neither a JPEG nor a PNG"));
  EXPECT_FALSE(decode_picture({}).ok());
  auto whole = read("rgb.jpg");
  const auto cut = decode_picture(std::span(whole).first(300));
  EXPECT_THAT(cut.error().what, HasSubstr("JPEG picture cannot be decoded: "));
}

TEST(Picture, LimitsHold) {
  const auto large = decode_picture(read("rgb.jpg"), {.most_pixels = 21 * 14 - 1});
  EXPECT_EQ(large.error().code, Code::kTooLarge);
  EXPECT_THAT(large.error().what, HasSubstr("21 x 14"));
  EXPECT_TRUE(decode_picture(read("rgb.png"), {.most_pixels = 21 * 14}).ok());
  EXPECT_FALSE(decode_picture(read("rgb.png"), {.most_pixels = 21 * 14 - 1}).ok());
  EXPECT_FALSE(decode_picture(read("progressive.jpg"), {.most_scans = 1}).ok());
  // A head that promises 60000 x 60000 pixels costs nothing.
  auto bomb = read("rgb.png");
  for (size_t at : {18, 22}) bomb[at] = std::byte{0xea};
  EXPECT_FALSE(decode_picture(bomb).ok());
}

TEST(Picture, ExtremeShapesAreFitted) {
  for (auto [w, h] : {std::pair{1, 100000}, {100000, 1}, {1, 1}, {2, 3}}) {
    const std::vector<uint8_t> grey(size_t(w) * h * 3, 77);
    std::vector<uint8_t> out(224 * 200 * 3, 1);
    fit_picture({w, h, grey.data()}, 224, 200, out);
    EXPECT_THAT(out, testing::Each(77));
  }
}

TEST(Orientation, NonsenseMeansUpright) {
  const unsigned char good[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12,
                                1,   3,   0,  1, 0, 0, 0, 6, 0, 0, 0};
  EXPECT_EQ(exif_orientation(std::as_bytes(std::span(good))), 6);
  for (size_t size = 0; size < sizeof good; ++size)
    EXPECT_EQ(exif_orientation(std::as_bytes(std::span(good)).first(size)), 1);
  for (auto [at, value] :
       {std::pair{0, 'M'}, {2, 43}, {4, 200}, {7, 255}, {12, 4}, {14, 2}, {18, 9}, {18, 0}}) {
    std::vector<unsigned char> bad(good, good + sizeof good);
    bad[at] = static_cast<unsigned char>(value);
    EXPECT_EQ(exif_orientation(std::as_bytes(std::span(bad))), 1) << at;
  }
}

}  // namespace
}  // namespace corolla::engine
