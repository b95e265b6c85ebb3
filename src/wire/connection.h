// A client's connection as its loop sees it, whatever it speaks, and the set of all connections of
// one loop.
//
// Threads: the loop's own, but for ConnectionSet::open() and the counters, which may be read from
// anywhere.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/time.h"
#include "wire/event_loop.h"
#include "wire/exchange.h"

namespace corolla::wire {

class ConnectionSet;

// Counts up. One thread adds (without a locked instruction), any may read.
class Tally {
 public:
  void add(uint64_t n = 1) { value_.store(get() + n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

// What one loop's transports have done since the start. For /metrics, add up those of all loops.
struct TransportCounters {
  Tally accepted;       // connections taken in
  Tally refused;        // connections answered 503 and closed, because there were too many
  Tally http_requests;  // heads read whole
  Tally grpc_requests;
  Tally bytes_in, bytes_out;  // as the protocols see them: for TLS the clear text
  Tally timed_out;            // connections closed, or requests answered 408, for a timeout
  Tally bad_requests;         // refused by the transport itself: bad syntax, over a limit
  Tally client_gone;          // clients that went away with a request in hand
  Tally tls_failed;           // handshakes that came to nothing
};

class Connection {
 public:
  virtual ~Connection() = default;

  // Called once, after the set has taken the connection in: start watching; may close at once.
  virtual void start() = 0;

  // The server is going: finish what is in hand (HTTP/1.1: answer with Connection: close; HTTP/2:
  // GOAWAY), then close. Closes at once when idle. May be called again.
  virtual void drain() = 0;

  // Called about four times in the shortest timeout, and at least once a second: close or answer
  // what has waited too long. Deadlines that need to be exact use the loop's timers instead.
  virtual void sweep(TimePoint now) = 0;

  // Close now, telling the handler (on_cancel) for each exchange that has not ended.
  virtual void abort() = 0;

 private:
  friend class ConnectionSet;
  size_t place_ = SIZE_MAX;  // in the set
};

class ConnectionSet {
 public:
  // `limits`, `loop` and `handler` must outlive the set.
  ConnectionSet(EventLoop& loop, Handler& handler, const TransportLimits& limits);
  // Deletes what is left, without calling abort(): the loop has ended.
  ~ConnectionSet();
  ConnectionSet(const ConnectionSet&) = delete;
  ConnectionSet& operator=(const ConnectionSet&) = delete;

  EventLoop& loop() const { return loop_; }
  Handler& handler() const { return handler_; }
  const TransportLimits& limits() const { return limits_; }
  TransportCounters& counters() { return counters_; }
  const TransportCounters& counters() const { return counters_; }
  bool draining() const { return draining_; }

  // Takes the connection in and starts it. While draining it is told so at once.
  void add(std::unique_ptr<Connection> connection);

  // The same in two steps, for one who accepts on another thread: reserve(), from any thread,
  // counts the connection as open at once, so that the next is dealt elsewhere; add_reserved()
  // brings it.
  void reserve() { open_.fetch_add(1, std::memory_order_relaxed); }
  void add_reserved(std::unique_ptr<Connection> connection);
  void give_up_reserved() { open_.fetch_sub(1, std::memory_order_relaxed); }

  // A connection has closed and unwatched its descriptor. It is deleted soon, never inside this
  // call, so a connection may say this of itself and return through its own functions. REQUIRES: in
  // the set.
  void remove(Connection& connection);

  // `next` takes the place of `old` (a connection that only found out what its client speaks). As
  // remove(old) and add(next).
  void replace(Connection& old, std::unique_ptr<Connection> next);

  // Drains every connection; `done` runs on the loop when the last one has gone, at the earliest in
  // the next round.
  void drain(std::function<void()> done);
  // The patience with drain() is over: aborts all.
  void abort_all();

  // Connections that are open, from any thread.
  size_t open() const { return open_.load(std::memory_order_relaxed); }

 private:
  void sweep();
  void bury();

  EventLoop& loop_;
  Handler& handler_;
  const TransportLimits& limits_;
  TransportCounters counters_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> dead_;  // to be deleted by the next posted bury()
  std::shared_ptr<bool> alive_ =
      std::make_shared<bool>(true);  // false for what is still posted when the set goes
  std::atomic<size_t> open_ = 0;
  EventLoop::TimerId sweep_timer_ = 0;
  Duration sweep_every_;
  bool draining_ = false;
  std::function<void()> drained_;
};

}  // namespace corolla::wire
