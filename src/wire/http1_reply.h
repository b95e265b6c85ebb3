// The head of an HTTP/1.1 answer, and the answers that the transport gives by itself.
// Thread-safe.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/compression.h"
#include "wire/exchange.h"

namespace corolla::wire {

struct ReplyHead {
  int status = 200;
  std::string_view content_type;
  size_t content_length = 0;
  std::optional<size_t> json_size;
  Coding coding = Coding::kIdentity;
  bool retry_after = false;
  std::string_view connection;  // "close", "keep-alive" or nothing
};

// Appends status line, headers and the empty line.
void append_reply_head(const ReplyHead& head, std::string& out);

size_t body_size(const Reply& reply);

// Compresses the whole body into one owned piece and runs `release`: what was borrowed is needed no
// more.
void compress_reply(Coding coding, Reply& reply);

// The head for it. Compresses the body when that is worth while and the client accepts it:
// `accept_encoding` is its header.
ReplyHead head_of(Reply& reply, std::optional<std::string_view> accept_encoding);

// {"error": what} with that status.
Reply error_reply(int status, std::string_view what);

// A whole answer of the transport's that ends the connection, for one who has no Exchange.
std::string closing_answer(int status, std::string_view what);

}  // namespace corolla::wire
