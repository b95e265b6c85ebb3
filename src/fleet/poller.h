// The keeper's event loop: descriptors, signals and timers on one epoll, one thread.
//
// Not thread-safe. Callbacks run inside run() and may add and remove anything, themselves included.
#pragma once
#include <sys/signalfd.h>

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"

namespace corolla::fleet {

class Poller {
 public:
  using Callback = std::function<void()>;
  using TimerId = uint64_t;

  static Result<Poller> create();

  // Calls `ready` whenever `fd` can be read, or its peer has closed. Level-triggered. REQUIRES:
  // `fd` is not watched.
  void watch(int fd, Callback ready);
  // The same for writing.
  void watch_writable(int fd, Callback ready);
  // Must be called before the descriptor is closed. Does nothing for one that is not watched.
  void forget(int fd);

  // Blocks these signals in this process and calls `arrived` for each.
  Status watch_signals(const std::vector<int>& signals,
                       std::function<void(const signalfd_siginfo&)> arrived);

  TimerId at(TimePoint when, Callback due);
  // Does nothing for a timer that has run.
  void cancel(TimerId timer);

  // Serves until stop() is called.
  void run();
  void stop() { stopped_ = true; }

 private:
  struct Watch {
    Callback ready;
    uint64_t serial;  // tells a new watch from an old one on the same descriptor number
  };
  void add(int fd, uint32_t events, Callback ready);

  Fd epoll_;
  Fd signals_;
  std::map<int, Watch> watches_;
  std::map<std::pair<TimePoint, TimerId>, Callback> timers_;
  std::map<TimerId, TimePoint> timer_times_;
  TimerId next_timer_ = 1;
  uint64_t next_serial_ = 1;
  bool stopped_ = false;
};

}  // namespace corolla::fleet
