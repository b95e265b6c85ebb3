// A whole fleet for a test: a keeper in a process of its own, with the fake front and workers of
// this folder.
//
// Everything is awaited by events: the keeper's log lines tell when something has happened.
#pragma once
#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/time.h"
#include "fleet/config.h"
#include "fleet/control.h"

namespace corolla::fleet::testing {

inline constexpr Duration kPatience = std::chrono::seconds(30);

class FleetHarness {
 public:
  // A fleet of one-core slices with a name and ports of its own.
  explicit FleetHarness(uint32_t slices);
  // Kills what still lives.
  ~FleetHarness();

  FleetConfig config;                      // may be changed before start()
  std::map<std::string, std::string> env;  // of all its processes
  std::string config_file;                 // what SIGHUP reads

  void start();  // returns when it is ready
  void start_without_waiting();

  pid_t keeper() const { return keeper_; }
  control::FleetStatus status();
  // Waits until `holds` is true of the status; looks again after each line that the fleet logs.
  control::FleetStatus await(const std::function<bool(const control::FleetStatus&)>& holds);
  Status ask(const control::Request& request);  // waits until it is done
  Status apply(const std::string& yaml);
  Status scale(const std::map<std::string, uint32_t>& models);
  std::string log(uint32_t lines = 1000);

  // Sends a request to the fake front and returns the body of its answer; empty if nobody answers.
  std::string http(const std::string& path);

  // The exit code of the keeper; -1 if it was killed, -2 if it does not end.
  int wait();
  void signal(int signal);

  std::string models_dir;

 private:
  pid_t keeper_ = -1;
  Fd keeper_fd_;
  bool waited_ = false;
};

// pidfds of the front and of all workers.
std::vector<Fd> children_of(const control::FleetStatus& status);
// Whether all of them end within `limit`.
bool all_end(const std::vector<Fd>& pidfds, Duration limit);

}  // namespace corolla::fleet::testing
