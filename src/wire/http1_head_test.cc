#include "wire/http1_head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace corolla::wire {
namespace {

// A head with its text, so that the views stay good.
struct Parsed {
  std::string text;
  Http1Head head;
  std::optional<HttpError> error;
  explicit Parsed(std::string t) : text(std::move(t)) {
    HeadScanner scanner({});
    const auto size = scanner.scan(text);
    if (scanner.error()) {
      error = scanner.error();
    } else if (!size) {
      error = HttpError{0, "not whole"};
    } else {
      error = head.parse(std::span(text).first(*size), {});
    }
  }
  Parsed(const Parsed&) = delete;
};

int status_of(std::string text) {
  const Parsed parsed(std::move(text));
  return parsed.error ? parsed.error->status : 200;
}

int with(std::string_view headers) {
  return status_of("POST /p HTTP/1.1\r\nHost: h\r\n" + std::string(headers) + "\r\n");
}

TEST(Http1Head, ReadsARequest) {
  const Parsed parsed(
      "POST /v2/models/m/infer?x=1&y HTTP/1.1\r\nHOST: a:80\r\nContent-LENGTH: "
      "602294\r\nInference-Header-Content-Length:\t182 \r\n"
      "Empty:\r\n\r\n");
  ASSERT_FALSE(parsed.error) << parsed.error->what;
  const Http1Head& head = parsed.head;
  EXPECT_EQ(head.method(), "POST");
  EXPECT_EQ(head.path(), "/v2/models/m/infer");
  EXPECT_EQ(head.query(), "x=1&y");
  EXPECT_EQ(head.content_length(), 602294u);
  EXPECT_EQ(head.header("inference-header-content-length"), "182");
  EXPECT_EQ(head.header("host"), "a:80");
  EXPECT_EQ(head.header("empty"), "");
  EXPECT_EQ(head.header("absent"), std::nullopt);
  EXPECT_TRUE(head.keep_alive());
  EXPECT_FALSE(head.chunked());
}

TEST(Http1Head, JoinsRepeatedHeaders) {
  const Parsed parsed("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: x\r\na: 2\r\nA: 3\r\n\r\n");
  const auto first = parsed.head.header("a");
  EXPECT_EQ(first, "1, 2, 3");
  EXPECT_EQ(parsed.head.header("a")->data(), first->data()) << "asked twice, made once";
}

TEST(Http1Head, TheAbsoluteFormLosesItsAuthority) {
  EXPECT_EQ(Parsed("GET http://host:8000/v2?q HTTP/1.1\r\nHost: h\r\n\r\n").head.path(), "/v2");
  EXPECT_EQ(Parsed("GET HTTP://host?q HTTP/1.1\r\nHost: h\r\n\r\n").head.query(), "q");
  EXPECT_EQ(Parsed("GET http://host HTTP/1.1\r\nHost: h\r\n\r\n").head.path(), "/");
  const Parsed bare("GET http://host?q HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(bare.head.path(), "/");
  EXPECT_EQ(bare.head.query(), "q");
  EXPECT_EQ(Parsed("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").head.path(), "*");
}

TEST(Http1Head, KeepAliveFollowsVersionAndConnection) {
  const auto keeps = [](std::string text) { return Parsed(std::move(text)).head.keep_alive(); };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, CLOSE\r\n\r\n"));
  EXPECT_FALSE(
      keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(Http1Head, RefusesBadRequestLines) {
  const std::string rest = "\r\nHost: h\r\n\r\n";
  for (const char* line :
       {"GET /", "GET", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
        "G\x01T / HTTP/1.1", "G(T / HTTP/1.1", "GET x HTTP/1.1", "GET /\x7f HTTP/1.1",
        "GET /a b HTTP/1.1", "GET / http/1.1", "GET / FTP/1.1", "GET * HTTP/1.1", "\t/ HTTP/1.1"})
    EXPECT_EQ(status_of(line + rest), 400) << line;
  EXPECT_EQ(status_of("GET / HTTP/2.0" + rest), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.2" + rest), 505);
  EXPECT_EQ(status_of(std::string("GET /\0 HTTP/1.1", 15) + rest), 400);
  EXPECT_EQ(status_of("\r\n" + rest), 400);
}

TEST(Http1Head, RefusesBadHeaderLines) {
  EXPECT_EQ(with(""), 200);
  for (const char* headers :
       {"no colon\r\n", "A : b\r\n", ": b\r\n", "A\tB: c\r\n", "A: b\r\n c\r\n", "A: b\r\n\tc\r\n",
        " A: b\r\n", "A: b\x01\r\n", "A: b\rc\r\n", "A: \x7f\r\n", "A: b\n", "A\n: b\r\n",
        "Host: again\r\n"})
    EXPECT_EQ(with(headers), 400) << headers;
  EXPECT_EQ(with(std::string("A: \0\r\n", 6)), 400);
  EXPECT_EQ(with(std::string("A\0: b\r\n", 7)), 400);
  EXPECT_EQ(with("A: \xC3\xBC\xFF\r\n"), 200) << "obs-text is allowed in values";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400) << "Host is required";
}

TEST(Http1Head, RefusesDoubtfulLengths) {
  for (const char* value : {"", "+1", "-1", "1 ", " 1"})
    EXPECT_NE(with("Content-Length: x" + std::string(value) + "\r\n"), 200);
  for (const char* value :
       {"", "+1", "-1", "0x10", "1,1", "1, 1", "1 1", "1.0", "1e3", "9223372036854775808",
        "18446744073709551617", "0000000000000000001", "٣"})
    EXPECT_EQ(with("Content-Length: " + std::string(value) + "\r\n"), 400) << value;
  EXPECT_EQ(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding: gzip, chunked\r\n"), 501);
  EXPECT_EQ(with("Transfer-Encoding: identity\r\n"), 501);
  EXPECT_EQ(with("Transfer-Encoding: xchunked\r\n"), 501);
  EXPECT_EQ(with("Transfer-Encoding: Chunked\r\n"), 200);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(Http1Head, KnowsTheCodings) {
  EXPECT_EQ(with("Content-Encoding: br\r\n"), 415);
  EXPECT_EQ(with("Content-Encoding: gzip, gzip\r\n"), 415);
  EXPECT_EQ(with("Content-Encoding: gzip\r\nContent-Encoding: deflate\r\n"), 415);
  EXPECT_EQ(with("Content-Encoding: identity\r\n"), 200);
  EXPECT_EQ(
      Parsed("GET / HTTP/1.1\r\nHost: h\r\nContent-Encoding: GZip\r\n\r\n").head.body_coding(),
      Coding::kGzip);
  EXPECT_EQ(with("Expect: 100-Continue\r\n"), 200);
  EXPECT_EQ(with("Expect: tea\r\n"), 417);
}

TEST(Http1Head, ChoosesWhatTheClientPrefers) {
  EXPECT_EQ(choose_coding(""), Coding::kIdentity);
  EXPECT_EQ(choose_coding("br, zstd"), Coding::kIdentity);
  EXPECT_EQ(choose_coding("deflate, gzip"), Coding::kGzip);
  EXPECT_EQ(choose_coding("gzip;q=0.5, deflate"), Coding::kDeflate);
  EXPECT_EQ(choose_coding("gzip;q=0"), Coding::kIdentity);
  EXPECT_EQ(choose_coding("gzip;q=0.000, *;q=0.1"), Coding::kDeflate);
  EXPECT_EQ(choose_coding("*"), Coding::kGzip);
  EXPECT_EQ(choose_coding("*;q=0"), Coding::kIdentity);
  EXPECT_EQ(choose_coding(" , ,GZIP ; q=1.0,"), Coding::kGzip);
}

TEST(Http1Head, TheScannerFindsTheSameEndHoweverTheBytesCome) {
  const std::string text = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  HeadScanner scanner({});
  for (size_t n = 0; n < text.size(); ++n)
    EXPECT_EQ(scanner.scan(text.substr(0, n)), std::nullopt) << n;
  EXPECT_EQ(scanner.scan(text + "body\n"), text.size());
}

TEST(Http1Head, LimitsAreExact) {
  const HeadLimits limits{.max_request_line = 20, .max_head = 60, .max_headers = 3};
  const auto status = [&](std::string text) {
    HeadScanner scanner(limits);
    const auto size = scanner.scan(text);
    if (scanner.error()) return scanner.error()->status;
    if (!size) return 0;
    Http1Head head;
    const auto error = head.parse(text, limits);
    return error ? error->status : 200;
  };
  EXPECT_EQ(status("GET /234567 HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
  EXPECT_EQ(status("GET /2345678 HTTP/1.1\r\nHost: h\r\n\r\n"), 414);
  EXPECT_EQ(status("GET /234567890123456789"), 414) << "before its end has come";
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: h\r\nA: 123456789012345678901234567\r\n"), 0);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: h\r\nA: 12345678901234567890123456789012"), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost:\r\na:\r\nb:\r\n\r\n"), 200);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost:\r\na:\r\nb:\r\nc:\r\n\r\n"), 431);
}

}  // namespace
}  // namespace corolla::wire
