// The strict parsers of HTTP/1.1 against arbitrary bytes: the head, scanned whole and byte by byte,
// which must agree; what it says must lie inside its text; then the rest as a chunked body, whole
// and byte by byte.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "wire/http1_chunks.h"
#include "wire/http1_head.h"

using namespace corolla;
using namespace corolla::wire;

namespace {

constexpr HeadLimits kLimits{.max_request_line = 200, .max_head = 1000, .max_headers = 20};

void check_inside(std::string_view part, std::string_view text) {
  if (part.empty()) return;
  CHECK(part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
}

struct Unchunked {
  std::string body;
  bool done = false, bad = false;
  size_t eaten = 0;
  bool operator==(const Unchunked&) const = default;
};

Unchunked unchunk(std::string_view text, size_t step) {
  ChunkReader reader;
  Unchunked result;
  size_t offered = 0;
  while (!result.done && offered < text.size()) {
    offered = std::min(text.size(), offered + step);
    while (result.eaten < offered && !result.done) {
      const auto eaten = reader.eat(text.substr(result.eaten, offered - result.eaten));
      if (!eaten.ok()) {
        result.bad = true;
        result.eaten = 0;  // where exactly it gives up is nobody's business
        return result;
      }
      result.eaten += *eaten;
      result.done = reader.done();
      const size_t n = std::min<uint64_t>(reader.data_left(), offered - result.eaten);
      result.body += text.substr(result.eaten, n);
      result.eaten += n;
      if (n > 0) reader.took(n);
      CHECK(result.done || n > 0 || result.eaten == offered);
    }
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  HeadScanner whole(kLimits), slow(kLimits);
  const auto end = whole.scan(input);
  CHECK(!(end && whole.error()));
  std::optional<size_t> slow_end;
  for (size_t n = 1; n <= size && !slow_end && !slow.error(); ++n)
    slow_end = slow.scan(std::string_view(input).substr(0, n));
  // Byte by byte a limit may be seen before the bare LF that lies behind it, never the other way
  // round.
  CHECK(slow_end == end);
  CHECK(slow.error().has_value() == whole.error().has_value());
  if (!end) return 0;
  CHECK(*end <= kLimits.max_head);

  std::string text = input.substr(0, *end);
  Http1Head head;
  if (const auto error = head.parse(text, kLimits)) {
    CHECK(error->status >= 400 && error->status < 600 && !error->what.empty());
  } else {
    for (const std::string_view part : {head.method(), head.path(), head.query()})
      CHECK(part.find_first_of(std::string_view("\0\r\n ", 4)) == std::string_view::npos);
    check_inside(head.method(), text);
    check_inside(head.query(), text);
    CHECK(!head.path().empty() && head.path().find('?') == std::string_view::npos);
    CHECK(!(head.chunked() && head.content_length()));
    CHECK(head.header_count() <= kLimits.max_headers);
    for (const char* name : {"host", "accept-encoding", "a", "connection"})
      if (const auto value = head.header(name)) {
        CHECK(value->find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos);
        choose_coding(*value);
        list_has(*value, "close");
      }
  }

  const std::string_view body = std::string_view(input).substr(*end);
  CHECK(unchunk(body, SIZE_MAX / 2) == unchunk(body, 1));
  return 0;
}
