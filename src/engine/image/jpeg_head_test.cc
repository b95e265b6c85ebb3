#include "engine/image/jpeg_head.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace corolla::engine {
namespace {

constexpr int64_t kMost = 1 << 24;

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::optional<PictureSize> head_of(const std::string& file, int64_t most = kMost) {
  return plain_jpeg(std::as_bytes(std::span(file)), most);
}

const std::filesystem::path kExamples =
    std::filesystem::path(COROLLA_SOURCE_DIR) / "models/flower/examples";

TEST(PlainJpeg, OrdinaryPicturesAreOfTheirSize) {
  size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kExamples)) {
    if (entry.path().extension() != ".jpg") continue;
    const auto head = head_of(read(entry.path()));
    ASSERT_TRUE(head) << entry.path();
    EXPECT_EQ(head->width, 224);
    EXPECT_EQ(head->height, 224);
    ++seen;
  }
  EXPECT_GT(seen, 200u);
}

TEST(PlainJpeg, OddOnesAreLeftAlone) {
  for (const char* name :
       {"cmyk.jpg", "progressive.jpg", "truncated.jpg", "exif-6.jpg", "grey.jpg"}) {
    const std::string file = read(kExamples / "odd" / name);
    ASSERT_FALSE(file.empty()) << name;
    EXPECT_FALSE(head_of(file)) << name;
  }
}

TEST(PlainJpeg, NoBeginningOfAFileAndNoMoreThanTheLimitPass) {
  const std::string file = read(kExamples / "001a.jpg");
  ASSERT_TRUE(head_of(file));
  for (size_t n = 0; n < file.size(); ++n) ASSERT_FALSE(head_of(file.substr(0, n))) << n;
  EXPECT_TRUE(head_of(file, 224 * 224));
  EXPECT_FALSE(head_of(file, 224 * 224 - 1));
}

TEST(PlainJpeg, ChangedHeadersNeverReadBeyondTheFile) {
  const std::string file = read(kExamples / "001a.jpg");
  for (size_t at = 0; at < 700; ++at) {
    for (const char value : {'\0', '\1', '\x7f', '\xff', '\xc0', '\xda', '\xe1'}) {
      std::string changed = file;
      changed[at] = value;
      const auto head = head_of(changed);
      EXPECT_TRUE(!head || head->width * head->height > 0);
    }
  }
}

}  // namespace
}  // namespace corolla::engine
