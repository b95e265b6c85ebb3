// The head of an HTTP/1.1 or 1.0 request, read strictly: what two readers could understand
// differently is refused, so that no proxy before us can be made to see other requests than we do.
// Refused with 400: bare LF, NUL and other control characters, obs-fold, space before a colon,
// Content-Length that is no plain number or comes twice, Content-Length together with
// Transfer-Encoding, any transfer coding but chunked. Over a limit: 414 (request line), 431 (header
// bytes or count). Pure: bytes in, head out. Input is hostile: http1_head_fuzz.
#pragma once
#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/compression.h"

namespace corolla::wire {

// Why the transport itself refuses a request.
struct HttpError {
  int status = 400;
  std::string what;
};

struct HeadLimits {
  size_t max_request_line = 8 << 10;  // without its line end
  size_t max_head = 64 << 10;         // everything up to and with the empty line
  size_t max_headers = 100;
};

// Finds the end of a head that comes in pieces, without looking at a byte twice.
class HeadScanner {
 public:
  explicit HeadScanner(const HeadLimits& limits) : limits_(limits) {}

  // `text` is everything that has come, from the head's first byte. Returns the head's size once it
  // is whole, nullopt while it is not. An error as soon as one is certain: a bare LF, a limit.
  std::optional<size_t> scan(std::string_view text);
  // Set when the last scan() found an error; scan() then returned nullopt.
  const std::optional<HttpError>& error() const { return error_; }
  void reset();

 private:
  std::optional<size_t> refuse(int status, std::string what);

  HeadLimits limits_;
  size_t looked_at_ = 0;
  size_t line_start_ = 0;
  std::optional<HttpError> error_;
};

// Everything here views the text that parse() was given.
class Http1Head {
 public:
  // `text` is a whole head as HeadScanner found it; the names in it are made lower-case in place.
  // It must stay where it is as long as this head is used. Replaces what was parsed before, and
  // keeps its memory. The error if it must be refused; the head is then only good for keep_alive()
  // == false.
  std::optional<HttpError> parse(std::span<char> text, const HeadLimits& limits);

  std::string_view method() const { return method_; }
  std::string_view path() const {
    return path_;
  }  // up to '?', not decoded; for an absolute-form target without scheme and authority
  std::string_view query() const { return query_; }  // behind '?'
  int minor_version() const { return minor_; }       // HTTP/1.x

  // By lower-case name. A name that came more than once: all its values in order, joined by ", ".
  std::optional<std::string_view> header(std::string_view name) const;
  size_t header_count() const { return fields_.size(); }

  // May another request follow on this connection, as far as the client is concerned?
  bool keep_alive() const { return keep_alive_; }
  bool chunked() const { return chunked_; }
  std::optional<uint64_t> content_length() const {
    return content_length_;
  }  // absent too when chunked
  bool expects_continue() const { return expects_continue_; }
  Coding body_coding() const { return body_coding_; }

 private:
  struct Field {
    std::string_view name, value;
  };

  std::optional<HttpError> parse_request_line(std::string_view line);
  std::optional<HttpError> parse_field(std::span<char> line);
  std::optional<HttpError> understand();

  std::string_view method_, path_, query_;
  int minor_ = 1;
  std::vector<Field> fields_;
  mutable std::forward_list<std::string> joined_;
  bool keep_alive_ = false, chunked_ = false, expects_continue_ = false;
  std::optional<uint64_t> content_length_;
  Coding body_coding_ = Coding::kIdentity;
};

// Is `token` in the comma-separated list, whatever its case?
bool list_has(std::string_view list, std::string_view token);

// The best coding that an Accept-Encoding header allows and we have: gzip before deflate at equal
// weight; kIdentity when neither is allowed.
Coding choose_coding(std::string_view accept_encoding);

}  // namespace corolla::wire
