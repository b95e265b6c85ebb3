#include "wire/http1_chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace corolla::wire {
namespace {

// The body of `text`, fed `step` bytes at a time; "!<what>" for an error, and "..." behind what is
// not complete.
std::string unchunk(std::string_view text, size_t step = SIZE_MAX) {
  ChunkReader reader;
  std::string body, pending;
  while (!text.empty() || !pending.empty()) {
    const size_t n = std::min(step, text.size());
    pending += text.substr(0, n);
    text.remove_prefix(n);
    while (!pending.empty()) {
      const auto eaten = reader.eat(pending);
      if (!eaten.ok()) return "!" + eaten.error().what;
      pending.erase(0, *eaten);
      if (reader.done()) return body + (pending + std::string(text));
      const size_t take = std::min<uint64_t>(reader.data_left(), pending.size());
      body += pending.substr(0, take);
      pending.erase(0, take);
      if (take > 0) reader.took(take);
    }
    if (text.empty()) break;
  }
  return body + "...";
}

TEST(ChunkReader, ReadsChunksHoweverTheyCome) {
  const std::string text =
      "5\r\nhello\r\n00A;name=\"v\"\r\n0123456789\r\n1\r\n!\r\n000\r\nTrailer: x\r\nOther:\r\n\r\n";
  for (const size_t step : {1, 2, 3, 5, 7, 1000})
    EXPECT_EQ(unchunk(text, step), "hello0123456789!");
  EXPECT_EQ(unchunk("0\r\n\r\n"), "");
  EXPECT_EQ(unchunk("0\r\n\r\nGET "), "GET ") << "what follows is left";
  EXPECT_EQ(unchunk("fFf\r\nx"), "x...");
}

TEST(ChunkReader, EveryPrefixIsIncompleteAndNothingMore) {
  const std::string text = "5;a\r\nhello\r\n0\r\nT: 1\r\n\r\n";
  for (size_t n = 0; n < text.size(); ++n)
    EXPECT_TRUE(unchunk(text.substr(0, n), 1).ends_with("...")) << n;
}

TEST(ChunkReader, RefusesWhatIsNoChunk) {
  for (const std::string_view text :
       {"\r\n",         "g\r\n",           " 5\r\nhello",           "5 \r\nhello",
        "0x5\r\nhello", "-1\r\n",          "+5\r\nhello",           "5\nhello",
        "5\rhello",     "5\r\nhelloo\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\rx",
        "0\r\n\n",      "0\r\n x\r\n\r\n", "0\r\nA\x01\r\n\r\n",    "0\r\nA\n\r\n",
        "5;\x01\r\n",   "5;a\nhello",      "1234567890123456\r\n",  "FFFFFFFFFFFFFFFFF\r\n",
        ";\r\n"})
    EXPECT_EQ(unchunk(text)[0], '!') << text;
  EXPECT_EQ(unchunk("1;" + std::string(257, 'x') + "\r\na")[0], '!');
  EXPECT_EQ(unchunk("0\r\n" + std::string(8193, 'x'))[0], '!');
  EXPECT_EQ(unchunk(std::string("0\r\nA\0\r\n\r\n", 9))[0], '!');
}

TEST(ChunkReader, TheLargestSizeIsCountedRight) {
  ChunkReader reader;
  ASSERT_TRUE(reader.eat("FFFFFFFFFFFFFFF\r\n").ok());
  EXPECT_EQ(reader.data_left(), (uint64_t{1} << 60) - 1);
}

}  // namespace
}  // namespace corolla::wire
