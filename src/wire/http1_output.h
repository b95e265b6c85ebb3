// What one HTTP/1.1 connection has to write: now and then an interim answer, then an answer's head
// and body, which leave in one sendmsg as far as the socket takes them.
//
// Threads: the loop's own. The stream outlives it.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/exchange.h"
#include "wire/http1_reply.h"
#include "wire/stream.h"

namespace corolla::wire {

class Http1Output {
 public:
  explicit Http1Output(Stream& stream) : stream_(stream) {}

  // An answer before the answer. REQUIRES: nothing is left().
  void interim(std::string_view text);
  // Behind what is left of an interim answer. The caller keeps what the pieces hold until nothing
  // is left().
  void answer(const ReplyHead& head, std::span<const Piece> body);

  bool left() const { return at_ < parts_.size(); }

  struct Progress {
    size_t bytes = 0;
    bool broken = false;  // the connection is
  };
  // Writes what the stream takes; nothing while it is blocked.
  Progress write();

  // The stream takes no more before epoll tells of these events; 0: it does.
  uint32_t blocked_on() const { return blocked_on_; }
  void told(uint32_t events) {
    if (events & blocked_on_) blocked_on_ = 0;
  }

 private:
  Stream& stream_;
  std::string head_;  // and before it an interim answer not yet written
  std::vector<iovec> parts_;
  size_t at_ = 0;  // parts that are written
  uint32_t blocked_on_ = 0;
};

}  // namespace corolla::wire
