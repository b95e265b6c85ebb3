#include "wire/event_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace corolla::wire {
namespace {

using std::chrono::milliseconds;

struct Pair {
  Fd a, b;
};

Pair socket_pair() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

struct Recorder : EventLoop::Watcher {
  std::function<void(uint32_t)> act;
  int calls = 0;
  void on_events(uint32_t events) override {
    ++calls;
    if (act) act(events);
  }
};

TEST(EventLoop, RunsPostedFunctionsInOrderAndStops) {
  auto loop = *EventLoop::create();
  std::vector<int> order;
  loop->post([&] { order.push_back(1); });
  loop->post([&] {
    order.push_back(2);
    loop->post([&] {
      order.push_back(3);
      EXPECT_TRUE(loop->on_loop_thread());
      loop->stop();
    });
  });
  EXPECT_FALSE(loop->on_loop_thread());
  loop->run();
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(EventLoop, PostFromAnotherThreadWakes) {
  auto loop = *EventLoop::create();
  int sum = 0;
  std::thread other([&] {
    for (int i = 1; i <= 1000; ++i) loop->post([&sum, i] { sum += i; });
    loop->post([&] { loop->stop(); });
  });
  loop->run();
  other.join();
  EXPECT_EQ(sum, 500500);
}

TEST(EventLoop, TimersRunInTheOrderOfTheirTimesAndNotEarly) {
  auto loop = *EventLoop::create();
  const TimePoint start = Clock::now();
  std::vector<int> order;
  loop->at(start + milliseconds(3), [&] {
    EXPECT_GE(Clock::now() - start, milliseconds(3));
    order.push_back(3);
    loop->stop();
  });
  loop->at(start + milliseconds(1), [&] { order.push_back(1); });
  loop->at(start + milliseconds(1), [&] { order.push_back(2); });
  const auto never = loop->at(start + milliseconds(2), [&] { order.push_back(9); });
  loop->cancel(never);
  loop->cancel(never);
  loop->cancel(12345);
  loop->run();
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(EventLoop, ManyCancelledTimersDoNotPileUpOrDisturbTheOthers) {
  auto loop = *EventLoop::create();
  int ran = 0;
  for (int i = 0; i < 10000; ++i) {
    const auto id = loop->at(Clock::now() + std::chrono::hours(1), [&] { ran += 1000000; });
    if (i % 1000 == 0) loop->at(Clock::now(), [&] { ++ran; });
    loop->cancel(id);
  }
  loop->at(Clock::now() + milliseconds(1), [&] { loop->stop(); });
  loop->run();
  EXPECT_EQ(ran, 10);
}

TEST(EventLoop, ATimerThatSetsItselfAgainStarvesNobody) {
  auto loop = *EventLoop::create();
  std::function<void()> again = [&] { loop->at(loop->now(), again); };
  again();
  auto [a, b] = socket_pair();
  Recorder recorder;
  recorder.act = [&](uint32_t) { loop->stop(); };
  ASSERT_TRUE(loop->watch(a.get(), EPOLLIN, recorder).ok());
  ASSERT_EQ(write(b.get(), "x", 1), 1);
  loop->run();
  EXPECT_EQ(recorder.calls, 1);
}

TEST(EventLoop, TellsReadinessAndChange) {
  auto loop = *EventLoop::create();
  auto [a, b] = socket_pair();
  Recorder recorder;
  std::vector<uint32_t> seen;
  recorder.act = [&, fd = a.get()](uint32_t events) {
    seen.push_back(events);
    if (seen.size() == 1) {
      loop->change(fd, EPOLLOUT);
    } else {
      loop->unwatch(fd);
      loop->stop();
    }
  };
  ASSERT_TRUE(loop->watch(a.get(), EPOLLIN, recorder).ok());
  ASSERT_EQ(write(b.get(), "x", 1), 1);
  loop->run();
  EXPECT_EQ(seen, (std::vector<uint32_t>{EPOLLIN, EPOLLOUT}));
}

TEST(EventLoop, AWatchRemovedByAnEarlierEventOfTheSameRoundIsNotCalled) {
  auto loop = *EventLoop::create();
  auto one = socket_pair(), two = socket_pair();
  Recorder first, second, reborn;
  const auto remove_other = [&](Pair& other) {
    loop->unwatch(other.a.get());
    // The number is taken by a new descriptor at once, as happens when a connection closes and
    // another is accepted.
    const int number = other.a.get();
    other.a.reset();
    Fd fresh(dup(one.b.get()));
    EXPECT_EQ(fresh.get(), number);
    ASSERT_TRUE(loop->watch(fresh.get(), EPOLLERR, reborn).ok());
    other.a = std::move(fresh);
    loop->post([&] { loop->stop(); });
  };
  first.act = [&](uint32_t) {
    EXPECT_EQ(second.calls, 0);
    remove_other(two);
    loop->unwatch(one.a.get());
  };
  second.act = [&](uint32_t) {
    // Readiness may come in the other order; the promise is the same.
    remove_other(one);
  };
  ASSERT_TRUE(loop->watch(one.a.get(), EPOLLIN, first).ok());
  ASSERT_TRUE(loop->watch(two.a.get(), EPOLLIN, second).ok());
  ASSERT_EQ(write(one.b.get(), "x", 1), 1);
  ASSERT_EQ(write(two.b.get(), "x", 1), 1);
  loop->run();
  EXPECT_EQ(first.calls + second.calls, 1);
  EXPECT_EQ(reborn.calls, 0);
}

TEST(EventLoop, HooksRunAroundTheWaitAndCanForbidSleep) {
  auto loop = *EventLoop::create();
  int before = 0, after = 0;
  loop->set_hooks(
      [&] {
        ++before;
        return false;  // never sleep: the loop must come round by itself
      },
      [&] {
        EXPECT_EQ(before, after + 1);
        if (++after == 5) loop->stop();
      });
  loop->run();
  EXPECT_EQ(after, 5);
}

TEST(EventLoop, WatchingABadDescriptorIsAnError) {
  auto loop = *EventLoop::create();
  Recorder recorder;
  auto [a, b] = socket_pair();
  const int closed = a.release();
  ::close(closed);
  EXPECT_FALSE(loop->watch(closed, EPOLLIN, recorder).ok());
}

}  // namespace
}  // namespace corolla::wire
