#include "wire/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

#include "base/check.h"

namespace corolla::wire {
namespace {

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Fd socket) : socket_(std::move(socket)) {}

  int fd() const override { return socket_.get(); }

  IoResult read(std::span<const iovec> parts) override {
    ssize_t n;
    do {
      // recv and send are cheaper than the vector calls, and one part is the common case.
      n = parts.size() == 1 ? ::recv(fd(), parts[0].iov_base, parts[0].iov_len, 0)
                            : ::readv(fd(), parts.data(), static_cast<int>(parts.size()));
    } while (n < 0 && errno == EINTR);
    if (n == 0) return {IoResult::State::kEnd};
    return result(n, EPOLLIN);
  }

  IoResult write(std::span<const iovec> parts) override {
    ssize_t n;
    do {
      if (parts.size() == 1) {
        n = ::send(fd(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
      } else {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts.data());
        message.msg_iovlen = parts.size();
        n = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
      }
    } while (n < 0 && errno == EINTR);
    return result(n, EPOLLOUT);
  }

  void shutdown_write() override { ::shutdown(fd(), SHUT_WR); }

  void reset_on_close() override {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

 private:
  static IoResult result(ssize_t n, uint32_t needs) {
    if (n > 0) return {IoResult::State::kDone, static_cast<size_t>(n)};
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
      return {IoResult::State::kBlocked, 0, needs};
    return {IoResult::State::kError};
  }

  Fd socket_;
};

}  // namespace

std::unique_ptr<Stream> make_plain_stream(Fd socket) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  CHECK(flags >= 0, "not a descriptor");
  if ((flags & O_NONBLOCK) == 0) ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK);
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace corolla::wire
