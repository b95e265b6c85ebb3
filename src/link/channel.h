// A Channel carries link.proto messages, with descriptors, between two processes of one fleet: one
// end of a SOCK_SEQPACKET pair. One message is one datagram; a closed channel means that the peer
// is gone.
//
// Not thread-safe. The descriptor may be watched by any event loop; reads never block unless asked
// to wait.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "link/link.pb.h"

namespace corolla::link {

// By convention a child process finds its channel to the keeper here.
inline constexpr int kKeeperFd = 3;

struct Received {
  Message message;
  std::vector<Fd> fds;
};

class Channel {
 public:
  Channel() = default;
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}

  // Both ends, close-on-exec, non-blocking.
  static Result<std::pair<Channel, Channel>> pair();

  int fd() const { return socket_.get(); }
  Fd take() { return std::move(socket_); }
  explicit operator bool() const { return static_cast<bool>(socket_); }

  // Sends message and descriptors (the peer gets duplicates; ours stay ours). Waits up to a second
  // for room, since a peer that does not read for that long is as good as dead: kUnavailable. At
  // most 64 descriptors.
  Status send(const Message& message, const std::vector<int>& fds = {});

  // The next message; nullopt when none is there now; kUnavailable when the peer has closed or sent
  // what is no message.
  Result<std::optional<Received>> receive();
  // Waits for one. kDeadlineExceeded after `limit`.
  Result<Received> receive_within(Duration limit);

 private:
  Fd socket_;
};

}  // namespace corolla::link
