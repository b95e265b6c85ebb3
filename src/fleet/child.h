// One child of the keeper: its process, its channel and what it prints, on the keeper's event loop.
//
// Not thread-safe. Destroying a Child kills the process if it still lives and waits for its end.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fleet/log_store.h"
#include "fleet/poller.h"
#include "fleet/process.h"
#include "link/channel.h"

namespace corolla::fleet {

class Child {
 public:
  struct Handlers {
    std::function<void(link::Received&&)> message;
    // It is dead, all its messages and lines have been delivered, and nothing more will come. The
    // Child may be destroyed inside.
    std::function<void(const Death&)> died;
    std::function<void(std::string_view)> line;
    // It is about to be killed, and still lives. May be empty.
    std::function<void()> before_kill;
  };

  // Starts the process with a fresh channel (spec.channel is set here).
  static Result<std::unique_ptr<Child>> start(Poller& poller, ProcessSpec spec, Handlers handlers);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return process_.pid; }
  TimePoint started() const { return started_; }

  // A child that cannot be talked to is killed; its death is then reported as any other.
  void send(const link::Message& message, const std::vector<int>& fds = {});
  // SIGKILL; the death's cause will read `why`.
  void kill(std::string why);
  // Asks it to leave (link's Quit), and kills it if it has not after `limit`.
  void quit(Duration limit);

  bool asked_to_leave() const { return asked_to_leave_; }
  // Why the keeper killed it; empty if it did not.
  const std::string& killed_because() const { return killed_because_; }

 private:
  Child(Poller& poller, Process process, link::Channel channel, Handlers handlers);
  void on_channel();
  void on_output();
  void on_death();
  void stop_watching();

  Poller& poller_;
  Process process_;
  link::Channel channel_;
  Handlers handlers_;
  LineSplitter lines_;
  TimePoint started_ = now();
  std::string killed_because_;
  bool asked_to_leave_ = false;
  bool dead_ = false;
  Poller::TimerId kill_timer_ = 0;
};

}  // namespace corolla::fleet
