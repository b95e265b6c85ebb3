// One epoll loop: descriptors, timers, and functions posted from other threads. Each I/O thread
// runs one.
//
// Threads: post() and stop() from anywhere; everything else on the loop's own thread (or before
// run()).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/time.h"

namespace corolla::wire {

class EventLoop {
 public:
  // Told about its descriptor's events. It may remove itself, or others, inside the call.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void on_events(uint32_t epoll_events) = 0;
  };
  using TimerId = uint64_t;  // 0 is never a timer's id

  static Result<std::unique_ptr<EventLoop>> create();
  virtual ~EventLoop() = default;

  // Level-triggered unless `events` says EPOLLET. The caller keeps fd and watcher alive until
  // unwatch().
  virtual Status watch(int fd, uint32_t events, Watcher& watcher) = 0;
  virtual void change(int fd, uint32_t events) = 0;
  virtual void unwatch(int fd) = 0;

  virtual TimerId at(TimePoint when, std::function<void()> what) = 0;
  virtual void cancel(TimerId id) = 0;  // unknown or past ids are ignored

  // Runs `what` on the loop's thread, soon. Wakes the loop.
  virtual void post(std::function<void()> what) = 0;

  // Called each time round: `before_wait` just before the loop would sleep (false: do not sleep, go
  // round again: there is work), `after_wait` just after. The front uses them for its asleep flags
  // and to poll completion rings. Set before run().
  virtual void set_hooks(std::function<bool()> before_wait, std::function<void()> after_wait) = 0;

  // The time at the last wake-up; cheap.
  virtual TimePoint now() const = 0;

  virtual void run() = 0;  // until stop()
  virtual void stop() = 0;
  virtual bool on_loop_thread() const = 0;
};

}  // namespace corolla::wire
