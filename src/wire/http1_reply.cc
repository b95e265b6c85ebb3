#include "wire/http1_reply.h"

#include <charconv>
#include <utility>

#include "wire/error_map.h"
#include "wire/http1_head.h"

namespace corolla::wire {
namespace {

void append_number(size_t number, std::string& out) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  out.append(text, end);
}

}  // namespace

void append_reply_head(const ReplyHead& head, std::string& out) {
  if (head.status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    append_number(static_cast<size_t>(head.status), out);
    out += ' ';
    out += http_reason(head.status);
    out += "\r\n";
  }
  if (head.content_length > 0) {
    out += "Content-Type: ";
    out += head.content_type;
    out += "\r\n";
  }
  out += "Content-Length: ";
  append_number(head.content_length, out);
  out += "\r\n";
  if (head.json_size) {
    out += "Inference-Header-Content-Length: ";
    append_number(*head.json_size, out);
    out += "\r\n";
  }
  if (head.coding != Coding::kIdentity) {
    out += "Content-Encoding: ";
    out += coding_name(head.coding);
    out += "\r\n";
  }
  if (head.retry_after) {
    out += "Retry-After: ";
    append_number(kRetryAfterSeconds, out);
    out += "\r\n";
  }
  if (!head.connection.empty()) {
    out += "Connection: ";
    out += head.connection;
    out += "\r\n";
  }
  out += "\r\n";
}

size_t body_size(const Reply& reply) {
  size_t size = 0;
  for (const Piece& piece : reply.pieces) size += piece.size();
  return size;
}

void compress_reply(Coding coding, Reply& reply) {
  // 270 KB that would otherwise be allocated and cleared for each answer.
  thread_local Deflater deflater;
  std::string body;
  deflater.begin(coding);
  for (const Piece& piece : reply.pieces) {
    deflater.add(std::as_bytes(std::span(piece.owned)), body);
    deflater.add(piece.borrowed, body);
  }
  deflater.finish(body);
  reply.pieces.clear();
  reply.pieces.emplace_back(std::move(body));
  if (reply.release) std::exchange(reply.release, nullptr)();
}

ReplyHead head_of(Reply& reply, std::optional<std::string_view> accept_encoding) {
  ReplyHead head{.status = reply.http_status,
                 .content_type = reply.content_type,
                 .content_length = body_size(reply),
                 .json_size = reply.json_size};
  if (reply.compressible && head.content_length > 0 && accept_encoding)
    head.coding = choose_coding(*accept_encoding);
  if (head.coding != Coding::kIdentity) {
    compress_reply(head.coding, reply);
    head.content_length = body_size(reply);
  }
  return head;
}

Reply error_reply(int status, std::string_view what) {
  Reply reply;
  reply.http_status = status;
  reply.pieces.emplace_back(error_json(what));
  return reply;
}

std::string closing_answer(int status, std::string_view what) {
  const std::string json = error_json(what);
  std::string text;
  append_reply_head({.status = status,
                     .content_type = "application/json",
                     .content_length = json.size(),
                     .retry_after = status == 503,
                     .connection = "close"},
                    text);
  return text + json;
}

}  // namespace corolla::wire
