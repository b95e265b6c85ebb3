#include "link/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace corolla::link {
namespace {

constexpr size_t kMaxFds = 64;
constexpr int kBufferBytes =
    4 << 20;  // model lists and labels of large repositories still fit one datagram

Error gone(const char* what) {
  return {Code::kUnavailable, std::string("the peer's channel is closed: ") + what};
}

}  // namespace

Result<std::pair<Channel, Channel>> Channel::pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    return Error{Code::kInternal, std::string("socketpair failed: ") + std::strerror(errno)};
  for (int fd : fds) {
    // SO_SNDBUFFORCE needs privileges; without them the system's limit holds, which is enough for
    // ordinary fleets.
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof kBufferBytes) != 0)
      (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  }
  return std::make_pair(Channel(Fd(fds[0])), Channel(Fd(fds[1])));
}

Status Channel::send(const Message& message, const std::vector<int>& fds) {
  CHECK(fds.size() <= kMaxFds);
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  iovec part{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
  }
  const TimePoint limit = now() + std::chrono::seconds(1);
  for (;;) {
    if (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL) >= 0) return ok();
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return gone(std::strerror(errno));
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - now()).count();
    pollfd wait{socket_.get(), POLLOUT, 0};
    if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) == 0)
      return gone("it did not read for a second");
  }
}

Result<std::optional<Received>> Channel::receive() {
  pollfd any{socket_.get(), POLLIN, 0};
  if (::poll(&any, 1, 0) <= 0) return std::optional<Received>();
  // The datagram's true length first: messages differ in size by four orders of magnitude.
  char probe;
  const ssize_t size = ::recv(socket_.get(), &probe, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::optional<Received>();
    return gone(std::strerror(errno));
  }
  if (size == 0) return gone("end of file");
  std::string bytes(static_cast<size_t>(size), '\0');
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  if (::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != size)
    return gone("a short datagram");
  Received received;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  if (!received.message.ParseFromString(bytes)) return gone("it sent what is no message");
  return std::optional<Received>(std::move(received));
}

Result<Received> Channel::receive_within(Duration limit) {
  const TimePoint until = now() + limit;
  for (;;) {
    ASSIGN_OR_RETURN(auto received, receive());
    if (received) return *std::move(received);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now()).count();
    if (left <= 0) return Error{Code::kDeadlineExceeded, "no message came in time"};
    pollfd wait{socket_.get(), POLLIN, 0};
    (void)::poll(&wait, 1, static_cast<int>(left));
  }
}

}  // namespace corolla::link
