// A KServe v2 server over HTTP whose latencies are known: it reads each request and answers it
// after a delay from a table. The load generator is checked against it, in tests and by `corolla
// perf --self-check`. Its model is "null": input FP32 [4], output FP32 [2], batch 8.
//
// Threads: everything happens on a thread of its own; the functions below may be called from any.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "wire/client_address.h"
#include "wire/event_loop.h"

namespace corolla::load {

struct DelayServerOptions {
  // How long the n-th inference request (from 0) takes, from its last byte to the answer. Called on
  // the server's thread. Empty: no delay.
  std::function<Duration(uint64_t n)> delay;
  // Every `freeze_every` the whole server stands still for `freeze_for`, first after one period. 0:
  // never.
  Duration freeze_every{}, freeze_for{};
  // Every n-th inference request is answered with 503. 0: none.
  uint64_t refuse_every = 0;
  // After this many inference requests the server closes everything and listens no more. 0: never.
  uint64_t die_after = 0;
};

class DelayServer {
 public:
  static Result<std::unique_ptr<DelayServer>> start(DelayServerOptions options);
  ~DelayServer();

  const wire::ClientAddress& address() const { return address_; }
  uint64_t served() const { return served_.load(); }
  // When the server began to count its freezes.
  TimePoint started() const { return started_; }
  // The freezes so far, as they really began and ended: a busy machine wakes late.
  std::vector<std::pair<TimePoint, TimePoint>> freezes() const;

 private:
  class Connection;
  class Listener;
  DelayServer() = default;

  DelayServerOptions options_;
  wire::ClientAddress address_;
  TimePoint started_;
  std::unique_ptr<wire::EventLoop> loop_;
  std::unique_ptr<Listener> listener_;
  std::atomic<uint64_t> served_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::pair<TimePoint, TimePoint>> freezes_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace corolla::load
