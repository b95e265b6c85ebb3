// A worker for the fleet's tests: speaks link.proto, computes nothing.
//
// FAKE_WORKER_CRASHES=<slice id>, or "all": aborts as soon as it is told that it runs there.
// FAKE_WORKER_STAYS=1: does not leave when told to.
// FAKE_WORKER_SHARES=1: has a memory in common with the others, and says who made it.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "link/channel.h"

int main() {
  using corolla::Fd;
  using corolla::link::Channel;
  using corolla::link::Message;
  Channel keeper{Fd(corolla::link::kKeeperFd)};
  Channel front;
  unsigned number = 0;
  for (;;) {
    pollfd fds[2] = {{keeper.fd(), POLLIN, 0}, {front ? front.fd() : -1, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents) {
      auto received = front.receive();
      if (!received.ok()) {
        front = Channel();  // another will come
      } else if (*received && (*received)->message.has_attach()) {
        Message attached;
        attached.mutable_attached()->set_engine("fake 1");
        (void)front.send(attached).ok();
      }
    }
    while (fds[0].revents) {
      auto received = keeper.receive();
      if (!received.ok()) return 1;
      if (!*received) break;
      const Message& message = (*received)->message;
      if (message.has_worker_welcome()) {
        const std::string& slice = message.worker_welcome().slice().id();
        const char* crashes = std::getenv("FAKE_WORKER_CRASHES");
        if (crashes && (slice == crashes || crashes == std::string("all"))) std::abort();
        std::fprintf(stderr, "worker %u on %s\n", message.worker_welcome().worker(), slice.c_str());
        Message hello;
        hello.mutable_worker_hello()->set_engine("fake 1");
        (void)keeper.send(hello).ok();
        number = message.worker_welcome().worker();
        if (std::getenv("FAKE_WORKER_SHARES")) {
          Message want;
          want.mutable_want_shared()->set_name("memory");
          (void)keeper.send(want).ok();
        }
      } else if (message.has_shared_is()) {
        unsigned maker = number;
        if ((*received)->fds.empty()) {
          const Fd memory(::memfd_create("fake", MFD_CLOEXEC));
          if (::pwrite(memory.get(), &number, sizeof number, 0) != sizeof number) return 1;
          Message made;
          made.mutable_shared_made()->set_name("memory");
          (void)keeper.send(made, {memory.get()}).ok();
        } else if (::pread((*received)->fds[0].get(), &maker, sizeof maker, 0) != sizeof maker) {
          return 1;
        }
        std::fprintf(stderr, "worker %u has the memory of worker %u\n", number, maker);
      } else if (message.has_meet_front()) {
        front = Channel(std::move((*received)->fds.at(0)));
      } else if (message.has_quit() && !std::getenv("FAKE_WORKER_STAYS")) {
        return 0;
      }
    }
  }
}
