#include "slices_at_once.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace corolla::bench {
namespace {

// One word, and a descriptor if there is one.
void say(int socket, char word, int descriptor = -1) {
  iovec data{&word, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  }
  (void)!::sendmsg(socket, &message, MSG_NOSIGNAL);
}
struct Heard {
  char word = 0;  // 0: the other side has gone
  Fd descriptor;
};
Heard hear(int socket) {
  Heard heard;
  iovec data{&heard.word, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return {};
  if (const cmsghdr* head = CMSG_FIRSTHDR(&message)) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
    heard.descriptor = Fd(descriptor);
  }
  return heard;
}

// The first slice makes the one memory that there is; the others get it.
class Sharing final : public engine::MemorySharing {
 public:
  Sharing(int socket, bool first) : socket_(socket), first_(first) {}
  std::optional<Fd> want(const std::string&) override {
    if (first_) return Fd();
    Heard heard = hear(socket_);
    if (!heard.descriptor) return std::nullopt;
    return std::move(heard.descriptor);
  }
  void made(const std::string&, Fd descriptor) override { say(socket_, 'w', descriptor.get()); }
  void drop(const std::string&) override {}

 private:
  const int socket_;
  const bool first_;
};

[[noreturn]] void be_slice(int socket, bool first, bool share,
                           const std::function<Served(Slice)>& measure) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Sharing sharing(socket, first);
  const Served served = measure({share ? &sharing : nullptr, [&] {
                                   say(socket, 'r');
                                   if (hear(socket).word != 'g') std::_Exit(1);
                                 }});
  (void)!::write(socket, &served, sizeof served);
  std::fflush(nullptr);
  std::_Exit(0);
}

}  // namespace

std::vector<Served> at_once(int count, bool share, const std::function<Served(Slice)>& measure) {
  std::vector<Fd> sockets;
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return {};
    const pid_t child = ::fork();
    if (child == 0) {
      sockets.clear();
      ::close(ends[0]);
      be_slice(ends[1], i == 0, share, measure);
    }
    ::close(ends[1]);
    sockets.emplace_back(ends[0]);
    children.push_back(child);
  }
  if (share) {
    const Heard made = hear(sockets[0].get());
    for (int i = 1; i < count; ++i)
      say(sockets[static_cast<size_t>(i)].get(), 'w', made.descriptor.get());
  }
  for (const Fd& socket : sockets) (void)hear(socket.get());
  for (const Fd& socket : sockets) say(socket.get(), 'g');
  std::vector<Served> all;
  for (const Fd& socket : sockets) {
    Served served;
    if (::read(socket.get(), &served, sizeof served) == sizeof served) all.push_back(served);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  return all;
}

}  // namespace corolla::bench
