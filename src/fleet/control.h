// The keeper's control socket: an abstract Unix socket (no file that could be left behind), named
// by user and fleet, on which only that user and root are listened to. Frames: four bytes of
// length, then control.proto.
//
// ControlServer: the keeper's thread only. ControlClient: any one thread; it blocks.
#pragma once
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "fleet/control.pb.h"
#include "fleet/poller.h"

namespace corolla::fleet {

class ControlServer {
 public:
  // One who asked. Valid until its connection ends; answers to one that has gone are dropped.
  using ClientId = uint64_t;
  struct Handlers {
    std::function<void(ClientId, const control::Request&)> request;
    std::function<void(ClientId)> gone;
  };

  // kBusy if a fleet of this name runs for this user already; the sentence names its keeper's
  // process.
  static Result<std::unique_ptr<ControlServer>> open(Poller& poller, const std::string& fleet);
  ~ControlServer();

  // REQUIRES: called once, before any request can come.
  void serve(Handlers handlers) { handlers_ = std::move(handlers); }

  // Never blocks: a client that reads too slowly to keep up is dropped.
  void send(ClientId client, const control::Answer& answer);
  // Sends `done` and closes once all is written.
  void finish(ClientId client, const Status& status);
  bool has(ClientId client) const { return clients_.contains(client); }

 private:
  struct Client {
    Fd socket;
    std::string in, out;
    bool asked = false;
    bool closing = false;
    bool waiting_to_write = false;
  };
  ControlServer(Poller& poller, Fd socket);
  void on_connection();
  void on_readable(ClientId id);
  void flush(ClientId id);
  void drop(ClientId id);
  void rewatch(ClientId id);

  Poller& poller_;
  Fd socket_;
  Handlers handlers_;
  std::map<ClientId, Client> clients_;
  ClientId next_id_ = 1;
};

class ControlClient {
 public:
  // kNotFound if no fleet of that name runs.
  static Result<ControlClient> connect(const std::string& fleet);

  Status ask(const control::Request& request);
  // The next answer. kUnavailable when the keeper has gone, kDeadlineExceeded after `limit`.
  Result<control::Answer> next(Duration limit = std::chrono::hours(24));
  // The Status within a `done` answer.
  static Status status_of(const control::Done& done);

  pid_t keeper_pid() const { return keeper_; }
  // Until the keeper's process has ended.
  Status wait_for_end(Duration limit);

 private:
  Fd socket_;
  Fd keeper_fd_;
  pid_t keeper_ = 0;
  std::string in_;
};

}  // namespace corolla::fleet
