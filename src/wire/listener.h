// Takes connections in from one listening socket and deals them out to the loops.
//
// One loop accepts, and hands each connection to the ConnectionSet with the fewest open ones.
// Clients of an inference server keep few connections for long, so what counts is an even deal: 8
// over 2 loops become 4 and 4. Letting all loops accept (EPOLLEXCLUSIVE) deals to whoever is awake
// first, which is the least loaded loop only by luck, and under little load always the same one; a
// connection's life is thousands of requests, so the one post() it costs is nothing.
//
// What a connection speaks is found out from its first bytes (HTTP/2's preface), for TLS first from
// ALPN, so one port can take both.
//
// Threads: open(), stop() and the destructor on the accepting loop's thread (or before it runs). It
// must go before its loop and sets.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "wire/connection.h"
#include "wire/stream.h"

namespace corolla::wire {

class TlsContext;

// Makes the HTTP/2 connection of a set, `early` being bytes already read of the stream. Called on
// the set's loop.
using Http2Maker = std::function<std::unique_ptr<Connection>(
    ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early)>;

enum class Speaks : uint8_t { kHttp1, kHttp2, kEither };

struct ListenerOptions {
  Speaks speaks = Speaks::kEither;
  Http2Maker http2;                 // REQUIRED unless kHttp1
  std::shared_ptr<TlsContext> tls;  // nothing: plain
  size_t max_connections = 4096;    // over all sets; beyond it, 503 and close
};

class Listener : private EventLoop::Watcher {
 public:
  // `socket` listens already and stays open elsewhere if it is shared; it is made non-blocking. All
  // of `sets` count, whoever dealt to them. Errors: kInternal.
  static Result<std::unique_ptr<Listener>> open(EventLoop& loop, Fd socket,
                                                std::vector<ConnectionSet*> sets,
                                                ListenerOptions options);
  ~Listener() override;

  // Accepts no more. Those accepted live on.
  void stop();

  uint16_t port() const;  // 0 when it is no TCP socket

 private:
  Listener(EventLoop& loop, Fd socket, std::vector<ConnectionSet*> sets, ListenerOptions options);
  void on_events(uint32_t events) override;
  bool accept_one();
  ConnectionSet& least_loaded();

  EventLoop& loop_;
  Fd socket_;
  Fd spare_;  // given up for a moment to turn away connections when the process has no descriptors
              // left
  std::vector<ConnectionSet*> sets_;
  std::shared_ptr<const ListenerOptions> options_;
  size_t turn_ = 0;  // ties go round
};

// A TCP socket that listens on `address` ("127.0.0.1", "::", "0.0.0.0") and `port` (0: any). kBusy
// when another process has the port.
Result<Fd> listen_tcp(const std::string& address, uint16_t port);

}  // namespace corolla::wire
