#include "engine/image/picture_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

namespace corolla::engine {
namespace {

using testing::Each;
using testing::HasSubstr;

std::string file(const std::string& name) {
  std::ifstream in(std::string(COROLLA_TESTDATA) + "/picture_fuzz/" + name, std::ios::binary);
  return {(std::istreambuf_iterator<char>(in)), {}};
}
std::string element(const std::string& text) {
  const auto length = static_cast<uint32_t>(text.size());
  std::string made(4, '\0');
  std::memcpy(made.data(), &length, 4);
  return made + text;
}

constexpr PictureSize kSize{12, 16};

TEST(PictureRows, PixelsOfTheRightSizeAreTakenWhereTheyLie) {
  const std::vector<std::byte> pixels(2 * 12 * 16 * 3, std::byte{9});
  const int64_t shape[] = {2, 12, 16, 3};
  std::vector<std::byte> room;
  const auto rows = rows_of_pixels(shape, pixels, 2, kSize, room);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->data(), pixels.data());
  EXPECT_EQ(rows->size(), pixels.size());
}

TEST(PictureRows, OtherSizesAreFitted) {
  std::vector<std::byte> pixels(2 * 5 * 7 * 3, std::byte{9});
  std::fill(pixels.begin() + 105, pixels.end(), std::byte{20});
  const int64_t shape[] = {2, 5, 7, 3};
  std::vector<std::byte> room;
  const auto rows = rows_of_pixels(shape, pixels, 2, kSize, room);
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2 * 12 * 16 * 3u);
  EXPECT_THAT(rows->first(12 * 16 * 3), Each(std::byte{9}));
  EXPECT_THAT(rows->last(12 * 16 * 3), Each(std::byte{20}));
}

TEST(PictureRows, ImpossiblePixelsAreErrors) {
  const std::vector<std::byte> pixels(105);
  std::vector<std::byte> room;
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{1, 0, 7, 3},
                                         {1, 5, 0, 3},
                                         {1, 5, 7, 4},
                                         {1, 5, 6, 3},
                                         {7, 3},
                                         {1, int64_t{1} << 62, 4, 3},
                                         {1, -5, -7, 3}})
    EXPECT_EQ(rows_of_pixels(shape, pixels, 1, kSize, room).error().code, Code::kInvalidArgument);
}

TEST(PictureRows, ElementsAreTakenOneByOne) {
  const std::string text = element("ab") + element("") + element("cde");
  const auto bytes = std::as_bytes(std::span(text));
  auto left = bytes;
  constexpr std::pair<size_t, size_t> kPlaces[] = {{4, 2}, {10, 0}, {14, 3}};
  for (const auto& [at, size] : kPlaces) {
    const auto taken = next_element(left);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->data(), bytes.data() + at);
    EXPECT_EQ(taken->size(), size);
  }
  EXPECT_TRUE(left.empty());
  EXPECT_FALSE(next_element(left));
  for (size_t n = 0; n < 6; ++n) {
    left = bytes.first(n);
    EXPECT_FALSE(next_element(left)) << n;
    EXPECT_EQ(left.size(), n);
  }
}

TEST(PictureRows, FilesAreDecodedOneARow) {
  const std::string text = element(file("rgb.png")) + element(file("orientation6.jpg"));
  std::vector<std::byte> room;
  const auto rows = rows_of_files(std::as_bytes(std::span(text)), 2, kSize, room);
  ASSERT_TRUE(rows.ok()) << rows.error().what;
  ASSERT_EQ(rows->size(), 2 * 12 * 16 * 3u);
  const auto picture = decode_picture(std::as_bytes(std::span(text)).subspan(4));
  std::vector<uint8_t> fitted(12 * 16 * 3);
  fit_picture(*picture, 16, 12, fitted);
  EXPECT_EQ(std::memcmp(fitted.data(), rows->data(), fitted.size()), 0);
}

TEST(PictureRows, BrokenFilesAreNamedByTheirRow) {
  std::vector<std::byte> room;
  const auto refused = [&](const std::string& text) {
    const auto rows = rows_of_files(std::as_bytes(std::span(text)), 2, kSize, room);
    return rows.ok() ? std::string("taken") : rows.error().what;
  };
  const std::string good = element(file("rgb.png"));
  EXPECT_THAT(refused(good + element("no picture")),
              HasSubstr("picture 2 of 2: the input's 10 bytes are neither"));
  EXPECT_THAT(refused(good), HasSubstr("element 2 of 2"));
  EXPECT_THAT(refused(good + "\xff\xff\xff\xff"), HasSubstr("element 2 of 2"));
  EXPECT_THAT(refused(good + good + "x"), HasSubstr("1 bytes more"));
  EXPECT_THAT(refused(""), HasSubstr("element 1 of 2"));
  EXPECT_EQ(refused(good + good), "taken");
}

}  // namespace
}  // namespace corolla::engine
