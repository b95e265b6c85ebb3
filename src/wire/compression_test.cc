#include "wire/compression.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace corolla::wire {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(size_t size) {
  std::mt19937 chance(7);
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>("abcdefgh"[chance() % 8]);
  return text;
}

class Compression : public testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Codings, Compression, testing::Values(Coding::kGzip, Coding::kDeflate),
                         [](const auto& info) { return std::string(coding_name(info.param)); });

TEST_P(Compression, ThereAndBack) {
  for (const size_t size : {0, 1, 100, 16384, 16385, 1000000}) {
    const std::string text = text_of(size);
    const std::string small = deflate_all(GetParam(), bytes(text));
    if (size > 100) {
      EXPECT_LT(small.size(), size);
    }
    const auto back = inflate_all(GetParam(), bytes(small), size);
    ASSERT_TRUE(back.ok()) << back.error().what;
    EXPECT_EQ(*back, text);
  }
}

TEST_P(Compression, OneBytePerCallEachWay) {
  const std::string text = text_of(3000);
  const std::string small = deflate_all(GetParam(), bytes(text));
  Inflater inflater(GetParam());
  std::string back;
  size_t at = 0;
  for (int calls = 0; calls < 20000; ++calls) {
    std::byte room;
    const auto progress =
        inflater.run(bytes(small).subspan(at, at < small.size() ? 1 : 0), {&room, 1});
    ASSERT_TRUE(progress.ok());
    at += progress->consumed;
    if (progress->produced > 0) back += static_cast<char>(room);
    if (inflater.ended() && at == small.size()) break;
  }
  EXPECT_TRUE(inflater.ended());
  EXPECT_EQ(back, text);
}

TEST_P(Compression, EndsWithoutRoomOnceAllIsOut) {
  const std::string text = text_of(5000);
  const std::string small = deflate_all(GetParam(), bytes(text));
  Inflater inflater(GetParam());
  std::string room(text.size(), ' ');
  const auto progress = inflater.run(bytes(small), std::as_writable_bytes(std::span(room)));
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->consumed, small.size());
  EXPECT_TRUE(inflater.ended());
}

TEST_P(Compression, ABombIsStoppedAtTheLimit) {
  const std::string bomb = deflate_all(GetParam(), bytes(std::string(50 << 20, '\0')));
  EXPECT_LT(bomb.size(), 300000u);
  const auto result = inflate_all(GetParam(), bytes(bomb), 1 << 20);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kTooLarge);
}

TEST_P(Compression, BrokenDataIsAnError) {
  const std::string text = text_of(2000);
  const std::string small = deflate_all(GetParam(), bytes(text));
  for (size_t n = 0; n < small.size(); n += 7) {
    const auto cut = inflate_all(GetParam(), bytes(small).first(n), 1 << 20);
    ASSERT_FALSE(cut.ok()) << n;
    EXPECT_EQ(cut.error().code, Code::kInvalidArgument);
  }
  std::string spoilt = small;
  spoilt.back() ^= 1;
  EXPECT_FALSE(inflate_all(GetParam(), bytes(spoilt), 1 << 20).ok());
  EXPECT_FALSE(inflate_all(GetParam(), bytes(small + "x"), 1 << 20).ok());
  EXPECT_FALSE(inflate_all(GetParam(), bytes(text), 1 << 20).ok());
}

TEST(Inflater, TakesSeveralGzipMembers) {
  const std::string two =
      deflate_all(Coding::kGzip, bytes("one,")) + deflate_all(Coding::kGzip, bytes("two"));
  EXPECT_EQ(*inflate_all(Coding::kGzip, bytes(two), 100), "one,two");
}

TEST(Inflater, DeflateMeansZlibsFormat) {
  EXPECT_FALSE(
      inflate_all(Coding::kDeflate, bytes(deflate_all(Coding::kGzip, bytes("abc"))), 100).ok());
  EXPECT_FALSE(
      inflate_all(Coding::kGzip, bytes(deflate_all(Coding::kDeflate, bytes("abc"))), 100).ok());
}

TEST(Inflater, IsReusedForEitherCoding) {
  Inflater inflater(Coding::kGzip);
  for (const Coding coding : {Coding::kDeflate, Coding::kGzip, Coding::kGzip, Coding::kDeflate}) {
    inflater.reset(coding);
    std::string room(100, ' ');
    const auto progress = inflater.run(bytes(deflate_all(coding, bytes("hello"))),
                                       std::as_writable_bytes(std::span(room)));
    ASSERT_TRUE(progress.ok());
    EXPECT_EQ(room.substr(0, progress->produced), "hello");
  }
}

TEST(Deflater, ManyPiecesMakeOneStream) {
  Deflater deflater;
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate, Coding::kDeflate}) {
    std::string out;
    deflater.begin(coding);
    for (int i = 0; i < 1000; ++i) deflater.add(bytes("piece "), out);
    deflater.finish(out);
    EXPECT_EQ(inflate_all(coding, bytes(out), 6000)->size(), 6000u);
  }
}

}  // namespace
}  // namespace corolla::wire
