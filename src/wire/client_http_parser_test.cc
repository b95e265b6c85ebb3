#include "wire/client_http_parser.h"

#include <gtest/gtest.h>
#include <string.h>

#include <algorithm>

namespace corolla::wire {
namespace {

struct Parsed {
  bool complete = false, failed = false;
  std::string error;
};

// Feeds `text` in pieces of `step` bytes.
Parsed feed(HttpAnswerParser& parser, std::string_view text, size_t step) {
  while (!text.empty()) {
    const auto room = parser.room();
    const size_t n = std::min({step, text.size(), room.size()});
    memcpy(room.data(), text.data(), n);
    text.remove_prefix(n);
    const Result<bool> complete = parser.filled(n);
    if (!complete.ok()) return {false, true, complete.error().what};
    if (*complete) return {true, false, {}};
  }
  return {};
}

std::string body_of(const HttpAnswerParser& parser) {
  const auto body = parser.body();
  return {reinterpret_cast<const char*>(body.data()), body.size()};
}

TEST(ClientHttpParser, ReadsABodyByItsLengthInAnyPieces) {
  const std::string_view text =
      "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\nInference-Header-Content-Length: 2\r\n\r\nhello";
  for (size_t step = 1; step <= text.size(); ++step) {
    HttpAnswerParser parser;
    ASSERT_TRUE(feed(parser, text, step).complete) << step;
    EXPECT_EQ(parser.status(), 200);
    EXPECT_EQ(body_of(parser), "hello");
    EXPECT_EQ(parser.json_size(), 2u);
    EXPECT_TRUE(parser.keep_alive());
    EXPECT_FALSE(parser.has_leftover());
  }
}

TEST(ClientHttpParser, ReadsChunksInAnyPieces) {
  const std::string_view text =
      "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "4\r\n{\"er\r\n8;x=1\r\nror\":1}\n\r\n0\r\nTrailer: x\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    HttpAnswerParser parser;
    ASSERT_TRUE(feed(parser, text, step).complete) << step;
    EXPECT_EQ(parser.status(), 503);
    EXPECT_EQ(body_of(parser), "{\"error\":1}\n");
    EXPECT_FALSE(parser.keep_alive());
  }
}

TEST(ClientHttpParser, PassesOverInformationalAnswers) {
  HttpAnswerParser parser;
  ASSERT_TRUE(feed(parser, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n", 7).complete);
  EXPECT_EQ(parser.status(), 204);
  EXPECT_TRUE(body_of(parser).empty());
}

TEST(ClientHttpParser, ABodyWithoutLengthEndsWithTheConnection) {
  HttpAnswerParser parser;
  EXPECT_FALSE(feed(parser, "HTTP/1.0 200 OK\r\n\r\nsome", 100).complete);
  const Result<bool> ended = parser.ended();
  ASSERT_TRUE(ended.ok());
  EXPECT_EQ(body_of(parser), "some");
  EXPECT_FALSE(parser.keep_alive());
}

TEST(ClientHttpParser, AnAnswerCutShortIsAnError) {
  HttpAnswerParser parser;
  EXPECT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", 100).complete);
  EXPECT_EQ(parser.ended().error().code, Code::kUnavailable);
}

TEST(ClientHttpParser, BytesBeyondTheAnswerAreNoticed) {
  HttpAnswerParser parser;
  ASSERT_TRUE(feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", 100).complete);
  EXPECT_EQ(body_of(parser), "ok");
  EXPECT_TRUE(parser.has_leftover());
}

TEST(ClientHttpParser, CanBeUsedAgain) {
  HttpAnswerParser parser;
  for (const std::string body : {"a", "bb", ""}) {
    parser.reset();
    EXPECT_TRUE(parser.fresh());
    ASSERT_TRUE(feed(parser,
                     "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                         "\r\n\r\n" + body,
                     3)
                    .complete);
    EXPECT_EQ(body_of(parser), body);
  }
}

TEST(ClientHttpParser, NonsenseIsAnError) {
  for (const std::string_view text :
       {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"}) {
    HttpAnswerParser parser;
    EXPECT_TRUE(feed(parser, text, 1000).failed) << text;
  }
  HttpAnswerParser parser;
  EXPECT_TRUE(feed(parser, "HTTP/1.1 200 OK\r\nA: " + std::string(70000, 'x'), 4096).failed);
}

}  // namespace
}  // namespace corolla::wire
