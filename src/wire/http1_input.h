// Reading one HTTP/1.1 connection: into its buffer, or past it to where a body's bytes belong; and
// whether there may be more.
//
// Threads: the loop's own. Stream and counters outlive it.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "wire/connection.h"
#include "wire/input_buffer.h"
#include "wire/stream.h"

namespace corolla::wire {

class Http1Input {
 public:
  enum class Read : uint8_t { kGot, kNothing, kEnded };

  Http1Input(Stream& stream, TransportCounters& counters) : stream_(stream), counters_(counters) {}

  // Into `parts`; `bytes`: how many, with kGot.
  Read read(std::span<const iovec> parts, size_t& bytes);
  // Into the buffer's room.
  Read fill(InputBuffer& buffer);

  // A read may bring something.
  bool can_read() const { return readable_ || stream_.has_buffered(); }
  // What epoll tells.
  void told(uint32_t events);
  // Nothing before epoll tells anew.
  void wait() { readable_ = false; }
  // The socket may have bytes of which epoll told, or would have told, had we listened.
  void look_again() { readable_ = true; }

  // The peer's FIN was seen, or the stream broke.
  bool ended() const { return ended_; }
  // TLS only: reading waits for EPOLLOUT.
  bool needs_out() const { return needs_out_; }

 private:
  Stream& stream_;
  TransportCounters& counters_;
  bool readable_ = false;
  bool needs_out_ = false;
  bool ended_ = false;
};

}  // namespace corolla::wire
