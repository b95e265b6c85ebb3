// A non-blocking byte stream over a connected socket, plain or TLS: what both HTTP versions read
// and write.
//
// Threads: the loop that owns the connection, only. The stream owns its descriptor and closes it
// when it goes; whoever watches the descriptor must unwatch it first.
#pragma once
#include <sys/epoll.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/fd.h"

namespace corolla::wire {

struct IoResult {
  enum class State : uint8_t {
    kDone,     // `bytes` > 0 were moved: perhaps fewer than offered
    kBlocked,  // none now; try again when the descriptor is ready for `needs`
    kEnd,      // read only: the peer will send no more
    kError,    // the connection is broken: close it
  };
  State state;
  size_t bytes = 0;
  uint32_t needs = 0;  // EPOLLIN or EPOLLOUT. Plain: reading needs IN, writing OUT. TLS may need
                       // the other one now and then.

  bool done() const { return state == State::kDone; }
  bool blocked() const { return state == State::kBlocked; }
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual int fd() const = 0;  // for watching

  // Scatters what has come into `parts`, in order. Fewer bytes than there was room for does NOT say
  // that the socket is empty for TLS: see has_buffered(). For a plain socket it does: epoll
  // (level-triggered) tells when there is more. REQUIRES: the parts have room for at least one
  // byte.
  virtual IoResult read(std::span<const iovec> parts) = 0;
  IoResult read(std::span<std::byte> room) {
    const iovec part{room.data(), room.size()};
    return read(std::span(&part, 1));
  }

  // Gathers from `parts`; never raises SIGPIPE. After kBlocked the next write must begin with the
  // same bytes and offer at least as many (TLS remembers a record half sent; the bytes may lie
  // elsewhere in memory). REQUIRES: the parts hold at least one byte.
  virtual IoResult write(std::span<const iovec> parts) = 0;

  // True: bytes lie decrypted in the stream, of which epoll knows nothing. Read until false before
  // waiting for EPOLLIN.
  virtual bool has_buffered() const { return false; }

  // Says that no more will be written (TLS: close_notify, then FIN). Best effort.
  virtual void shutdown_write() = 0;

  // Makes the destructor's close a reset (RST), for a peer that is to be cut off without lingering.
  virtual void reset_on_close() = 0;

  // TLS only: the handshake. kDone (bytes = 0 then) once it is over, at once for a plain stream.
  virtual IoResult handshake() { return {IoResult::State::kDone}; }
  // The protocol that ALPN chose, "h2" or "http/1.1"; empty when there was none. Static storage or
  // the stream's own.
  virtual std::string_view alpn() const { return {}; }
  virtual bool encrypted() const { return false; }
};

// Takes a connected socket, makes it non-blocking and sets TCP_NODELAY (ignored where it is no
// TCP).
std::unique_ptr<Stream> make_plain_stream(Fd socket);

}  // namespace corolla::wire
