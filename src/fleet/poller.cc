#include "fleet/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

namespace corolla::fleet {

Result<Poller> Poller::create() {
  Poller poller;
  poller.epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!poller.epoll_)
    return Error{Code::kInternal, std::string("epoll_create1 failed: ") + std::strerror(errno)};
  return poller;
}

void Poller::add(int fd, uint32_t events, Callback ready) {
  CHECK(!watches_.contains(fd), "descriptor " + std::to_string(fd) + " is watched already");
  const uint64_t serial = next_serial_++ & 0xffffffff;
  epoll_event event{};
  event.events = events;
  event.data.u64 = serial << 32 | static_cast<uint32_t>(fd);
  CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0, std::strerror(errno));
  watches_[fd] = {std::move(ready), serial};
}

void Poller::watch(int fd, Callback ready) { add(fd, EPOLLIN | EPOLLRDHUP, std::move(ready)); }
void Poller::watch_writable(int fd, Callback ready) { add(fd, EPOLLOUT, std::move(ready)); }

void Poller::forget(int fd) {
  if (watches_.erase(fd) == 0) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Status Poller::watch_signals(const std::vector<int>& signals,
                             std::function<void(const signalfd_siginfo&)> arrived) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0)
    return Error{Code::kInternal, std::string("sigprocmask failed: ") + std::strerror(errno)};
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_)
    return Error{Code::kInternal, std::string("signalfd failed: ") + std::strerror(errno)};
  watch(signals_.get(), [fd = signals_.get(), arrived = std::move(arrived)] {
    signalfd_siginfo info;
    while (::read(fd, &info, sizeof info) == sizeof info) arrived(info);
  });
  return ok();
}

Poller::TimerId Poller::at(TimePoint when, Callback due) {
  const TimerId id = next_timer_++;
  timers_[{when, id}] = std::move(due);
  timer_times_[id] = when;
  return id;
}

void Poller::cancel(TimerId timer) {
  const auto found = timer_times_.find(timer);
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, timer});
  timer_times_.erase(found);
}

void Poller::run() {
  stopped_ = false;
  while (!stopped_) {
    int wait_ms = -1;
    if (!timers_.empty()) {
      const Duration left = timers_.begin()->first.first - now();
      // Rounded up: waking a moment early would spin until the timer is due.
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      wait_ms = static_cast<int>(std::clamp<int64_t>(ms, 0, 1 << 30));
    }
    epoll_event events[32];
    const int count = ::epoll_wait(epoll_.get(), events, 32, wait_ms);
    CHECK(count >= 0 || errno == EINTR, std::strerror(errno));
    for (int i = 0; i < count && !stopped_; ++i) {
      const int fd = static_cast<int>(events[i].data.u64 & 0xffffffff);
      const auto found = watches_.find(fd);
      if (found == watches_.end() || found->second.serial != events[i].data.u64 >> 32) continue;
      const Callback ready = found->second.ready;  // a copy: it may forget itself
      ready();
    }
    while (!stopped_ && !timers_.empty() && timers_.begin()->first.first <= now()) {
      auto due = timers_.extract(timers_.begin());
      timer_times_.erase(due.key().second);
      due.mapped()();
    }
  }
}

}  // namespace corolla::fleet
