#include "wire/event_loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/fd.h"

namespace corolla::wire {
namespace {

Error os_error(const std::string& what) { return {Code::kInternal, what + ": " + strerror(errno)}; }

class EpollLoop final : public EventLoop {
 public:
  EpollLoop(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

  Status watch(int fd, uint32_t events, Watcher& watcher) override {
    CHECK(fd >= 0);
    if (static_cast<size_t>(fd) >= watches_.size()) watches_.resize(fd + 64);
    Watch& watch = watches_[fd];
    CHECK(watch.watcher == nullptr, "this descriptor is watched already");
    ++watch.generation;
    epoll_event event{.events = events, .data = {.u64 = tag(fd, watch.generation)}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      return os_error("cannot watch descriptor " + std::to_string(fd));
    watch.watcher = &watcher;
    watch.events = events;
    return ok();
  }

  void change(int fd, uint32_t events) override {
    Watch& watch = watched(fd);
    if (watch.events == events) return;
    epoll_event event{.events = events, .data = {.u64 = tag(fd, watch.generation)}};
    CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0, strerror(errno));
    watch.events = events;
  }

  void unwatch(int fd) override {
    watched(fd).watcher = nullptr;
    CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0, strerror(errno));
  }

  TimerId at(TimePoint when, std::function<void()> what) override {
    const TimerId id = ++last_timer_;
    timers_.emplace(id, std::move(what));
    heap_.push_back({when, id});
    std::push_heap(heap_.begin(), heap_.end(), Later());
    return id;
  }

  void cancel(TimerId id) override {
    if (timers_.erase(id) == 0) return;
    // A cancelled timer leaves its place in the heap behind; sweep before such places outnumber the
    // living.
    if (heap_.size() < 64 || heap_.size() < 2 * timers_.size()) return;
    std::erase_if(heap_, [this](const Due& due) { return !timers_.contains(due.id); });
    std::make_heap(heap_.begin(), heap_.end(), Later());
  }

  void post(std::function<void()> what) override {
    bool first;
    {
      std::lock_guard lock(mutex_);
      first = posted_.empty();
      posted_.push_back(std::move(what));
    }
    if (first) wake();
  }

  void set_hooks(std::function<bool()> before_wait, std::function<void()> after_wait) override {
    before_wait_ = std::move(before_wait);
    after_wait_ = std::move(after_wait);
  }

  TimePoint now() const override { return now_; }

  void run() override {
    thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    now_ = Clock::now();
    while (!stop_.load(std::memory_order_acquire)) round();
    stop_.store(false, std::memory_order_relaxed);
    thread_.store(std::thread::id(), std::memory_order_relaxed);
  }

  void stop() override {
    stop_.store(true, std::memory_order_release);
    wake();
  }

  bool on_loop_thread() const override {
    return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

 private:
  struct Watch {
    Watcher* watcher = nullptr;
    uint32_t generation =
        0;  // tells an event of this watch from a late one of the descriptor's former owner
    uint32_t events = 0;
  };
  struct Due {
    TimePoint when;
    TimerId id;
  };
  struct Later {
    // Equal times run in the order in which they were set.
    bool operator()(const Due& a, const Due& b) const {
      return a.when != b.when ? a.when > b.when : a.id > b.id;
    }
  };
  static constexpr uint64_t kWakeTag = UINT64_MAX;

  static uint64_t tag(int fd, uint32_t generation) {
    return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
  }

  Watch& watched(int fd) {
    CHECK(fd >= 0 && static_cast<size_t>(fd) < watches_.size() && watches_[fd].watcher != nullptr,
          "this descriptor is not watched");
    return watches_[fd];
  }

  void wake() {
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(wake_.get(), &one, sizeof one);
  }

  void round() {
    const bool may_sleep = !before_wait_ || before_wait_();
    const int count = wait(may_sleep);
    now_ = Clock::now();
    if (after_wait_) after_wait_();
    bool woken = false;
    for (int i = 0; i < count; ++i) {
      const uint64_t data = events_[i].data.u64;
      if (data == kWakeTag) {
        woken = true;
        continue;
      }
      // Looked up for each event: an earlier one of this round may have unwatched it, or given the
      // descriptor's number away.
      const Watch& watch = watches_[static_cast<uint32_t>(data)];
      if (watch.watcher != nullptr && watch.generation == data >> 32)
        watch.watcher->on_events(events_[i].events);
    }
    if (woken) run_posted();
    run_due();
  }

  int wait(bool may_sleep) {
    while (!heap_.empty() && !timers_.contains(heap_.front().id)) pop_due();
    const int room = static_cast<int>(events_.size());
    int count;
    if (!may_sleep) {
      count = epoll_wait(epoll_.get(), events_.data(), room, 0);
    } else if (heap_.empty()) {
      count = epoll_wait(epoll_.get(), events_.data(), room, -1);
    } else {
      const Duration left = std::clamp<Duration>(heap_.front().when - Clock::now(),
                                                 Duration::zero(), std::chrono::hours(1));
      count = timed_wait(left, room);
    }
    if (count < 0) CHECK(errno == EINTR, strerror(errno));
    return std::max(count, 0);
  }

  // Batches wait for fractions of a millisecond, so whole milliseconds are only the fallback for
  // kernels before 5.11.
  int timed_wait(Duration left, int room) {
    if (fine_) {
      timespec time{.tv_sec = left.count() / 1'000'000'000,
                    .tv_nsec = left.count() % 1'000'000'000};
      const int count = epoll_pwait2(epoll_.get(), events_.data(), room, &time, nullptr);
      if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
      fine_ = false;
    }
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return epoll_wait(epoll_.get(), events_.data(), room, static_cast<int>(ms));
  }

  void run_posted() {
    uint64_t ignored;
    [[maybe_unused]] ssize_t n = ::read(wake_.get(), &ignored, sizeof ignored);
    {
      std::lock_guard lock(mutex_);
      running_.swap(posted_);
    }
    for (auto& what : running_) what();
    running_.clear();
  }

  void run_due() {
    if (heap_.empty()) return;
    // A timer set by a timer waits for the next round, so that one that sets itself again at once
    // cannot starve the descriptors.
    const TimerId newest = last_timer_;
    while (!heap_.empty() && heap_.front().when <= now_ && heap_.front().id <= newest) {
      auto node = timers_.extract(heap_.front().id);
      pop_due();
      if (!node.empty()) node.mapped()();
    }
  }

  void pop_due() {
    std::pop_heap(heap_.begin(), heap_.end(), Later());
    heap_.pop_back();
  }

  Fd epoll_, wake_;
  std::array<epoll_event, 128> events_{};
  std::vector<Watch> watches_;  // by descriptor
  std::vector<Due> heap_;
  std::unordered_map<TimerId, std::function<void()>> timers_;
  TimerId last_timer_ = 0;
  std::function<bool()> before_wait_;
  std::function<void()> after_wait_;
  TimePoint now_ = Clock::now();
  bool fine_ = true;
  std::atomic<bool> stop_ = false;
  std::atomic<std::thread::id> thread_ = std::thread::id();
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  std::vector<std::function<void()>> running_;

  friend class EventLoop;
};

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return os_error("cannot make an epoll descriptor");
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return os_error("cannot make an eventfd");
  epoll_event event{.events = EPOLLIN, .data = {.u64 = EpollLoop::kWakeTag}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0)
    return os_error("cannot watch an eventfd");
  return std::unique_ptr<EventLoop>(std::make_unique<EpollLoop>(std::move(epoll), std::move(wake)));
}

}  // namespace corolla::wire
