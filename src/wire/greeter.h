// A connection of which it is not yet known what it speaks: it makes the TLS handshake if there is
// one, reads the first bytes if ALPN does not tell, and then gives its place in the set to an
// HTTP/1.1 or HTTP/2 connection. And the farewell to one that cannot be taken in.
//
// Threads: the loop's own. The ConnectionSet owns them.
#pragma once
#include <memory>
#include <string>

#include "wire/connection.h"
#include "wire/listener.h"
#include "wire/stream.h"

namespace corolla::wire {

class Greeter final : public Connection, private EventLoop::Watcher {
 public:
  Greeter(ConnectionSet& set, std::unique_ptr<Stream> stream,
          std::shared_ptr<const ListenerOptions> options);

  void start() override;
  void drain() override;
  void sweep(TimePoint now) override;
  void abort() override;

 private:
  void on_events(uint32_t events) override;
  void proceed();
  bool shake_hands();
  void read_preface();
  void become(Speaks speaks);
  void close();
  void wait_for(uint32_t events);

  ConnectionSet& set_;
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<const ListenerOptions> options_;
  std::string early_;
  TimePoint since_;
  int fd_;
  bool watched_ = false, shaken_ = false, gone_ = false;
};

// Answers 503 to whatever is asked, waits up to a second for the client to close, and goes.
class Farewell final : public Connection, private EventLoop::Watcher {
 public:
  Farewell(ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view why);

  void start() override;
  void drain() override { close(); }
  void sweep(TimePoint now) override;
  void abort() override { close(); }

 private:
  void on_events(uint32_t events) override;
  void close();

  ConnectionSet& set_;
  std::unique_ptr<Stream> stream_;
  std::string answer_;
  TimePoint since_;
  bool gone_ = false;
};

}  // namespace corolla::wire
