#include "wire/h2_outbox.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "wire/h2_output.h"
#include "wire/http1_reply.h"

namespace corolla::wire {
namespace {

// Messages up to this size are copied into their frame: cheaper than parts of their own, and
// nothing stays borrowed.
constexpr size_t kCopyBelow = 16 << 10;

}  // namespace

std::span<const std::byte> H2Outbox::Message::front() const {
  if (prefix_left > 0) return std::span(prefix).last(prefix_left);
  const Piece& p = reply.pieces[piece];
  const auto bytes = p.owned.empty() ? p.borrowed : std::as_bytes(std::span(p.owned));
  return bytes.subspan(at);
}

void H2Outbox::Message::pop(size_t n) {
  left -= n;
  if (prefix_left > 0) {
    prefix_left -= n;
    return;
  }
  at += n;
  while (piece < reply.pieces.size() && at >= reply.pieces[piece].size()) {
    at -= reply.pieces[piece].size();
    ++piece;
  }
}

void H2Outbox::add_body(Reply reply) { add(std::make_shared<Message>(), std::move(reply)); }

void H2Outbox::add_message(Reply reply, bool compressed) {
  const size_t size = body_size(reply);
  CHECK(size <= UINT32_MAX, "a gRPC message has a length of 32 bits");
  const auto length = static_cast<uint32_t>(size);
  auto message = std::make_shared<Message>();
  message->prefix = {std::byte{compressed}, std::byte(length >> 24), std::byte(length >> 16),
                     std::byte(length >> 8), std::byte(length)};
  message->left = message->prefix_left = message->prefix.size();
  add(std::move(message), std::move(reply));
}

void H2Outbox::add(std::shared_ptr<Message> message, Reply reply) {
  message->reply = std::move(reply);
  message->left += body_size(message->reply);
  // So that front() is never empty.
  std::erase_if(message->reply.pieces, [](const Piece& p) { return p.size() == 0; });
  if (message->left > 0) messages_.push_back(std::move(message));
}

H2Outbox::ReadResult H2Outbox::read(std::span<std::byte> to, bool last) {
  ReadResult result;
  if (!messages_.empty() && messages_.front()->left > kCopyBelow) {
    result.no_copy = true;
    result.bytes = std::min(to.size(), messages_.front()->left);
    // The message's end is known before sent() takes it off.
    result.all = last && messages_.size() == 1 && result.bytes == messages_.front()->left;
    return result;
  }
  while (!messages_.empty() && result.bytes < to.size()) {
    Message& message = *messages_.front();
    if (message.left > kCopyBelow) break;
    while (message.left > 0 && result.bytes < to.size()) {
      const auto bytes = message.front();
      const size_t n = std::min(bytes.size(), to.size() - result.bytes);
      std::memcpy(to.data() + result.bytes, bytes.data(), n);
      message.pop(n);
      result.bytes += n;
    }
    if (message.left == 0) {
      // Letting go runs the handler's release.
      const auto over = std::move(messages_.front());
      messages_.pop_front();
    }
  }
  result.all = last && messages_.empty();
  return result;
}

void H2Outbox::sent(size_t length, H2Output& output) {
  CHECK(!messages_.empty() && messages_.front()->left >= length);
  const std::shared_ptr<Message> message = messages_.front();
  while (length > 0) {
    const auto bytes = message->front();
    const size_t n = std::min(bytes.size(), length);
    output.append(bytes.first(n), message);
    message->pop(n);
    length -= n;
  }
  if (message->left == 0) messages_.pop_front();
}

}  // namespace corolla::wire
