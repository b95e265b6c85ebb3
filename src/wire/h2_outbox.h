// The messages of one HTTP/2 stream on their way out: a gRPC answer's, each behind its prefix of
// five bytes, or the body of a plain one. Small ones are copied into their frames, large ones are
// left where they are.
//
// Threads: the connection's loop.
#pragma once
#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "wire/exchange.h"

namespace corolla::wire {

class H2Output;

class H2Outbox {
 public:
  // A body; nothing when it is empty.
  void add_body(Reply reply);
  // A gRPC message. `compressed`: as its prefix says.
  void add_message(Reply reply, bool compressed);

  bool empty() const { return messages_.empty(); }
  // What is left of the first message. REQUIRES: !empty().
  size_t first_size() const { return messages_.front()->left; }
  void clear() { messages_.clear(); }

  // nghttp2's data source. read() gives up to the room's bytes; large messages are not copied
  // (`no_copy`), and then sent() puts them into the output. `all`: with these bytes everything is
  // out; never before `last`, which says that no more messages will be added.
  struct ReadResult {
    size_t bytes = 0;
    bool no_copy = false, all = false;
  };
  ReadResult read(std::span<std::byte> to, bool last);
  void sent(size_t length, H2Output& output);

 private:
  // Its destruction releases what it borrows.
  struct Message {
    std::array<std::byte, 5> prefix;
    size_t prefix_left = 0;  // 5 for gRPC, 0 for HTTP
    Reply reply;
    size_t piece = 0, at = 0;  // position in reply.pieces
    size_t left = 0;           // bytes in all, prefix included
    ~Message() {
      if (reply.release) reply.release();
    }
    // The next contiguous bytes; never none while some are left.
    std::span<const std::byte> front() const;
    void pop(size_t n);
  };

  void add(std::shared_ptr<Message> message, Reply reply);

  std::deque<std::shared_ptr<Message>> messages_;
};

}  // namespace corolla::wire
