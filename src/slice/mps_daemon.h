// One MPS control daemon for one GPU, with pipes and logs in a folder of its own: nobody else's
// clients meet ours, and the machine's own daemon, if there is one, is left alone.
//
// The daemon ends with this object, and also when this process dies in whatever way: a guard
// process waits for that. A daemon that an earlier process left in the folder is ended first.
//
// Thread-safety: none. REQUIRES: a process with one thread.
#pragma once
#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"

namespace corolla::slice {

struct MpsDaemonSetup {
  std::string program;   // the path of nvidia-cuda-mps-control
  std::string folder;    // made if it is not there; must be this user's
  std::string gpu_uuid;  // the only GPU that its clients see
};

class MpsDaemon {
 public:
  // kUnavailable with what the daemon printed; nothing is left running then.
  static Result<std::unique_ptr<MpsDaemon>> start(MpsDaemonSetup setup);
  ~MpsDaemon();
  MpsDaemon(const MpsDaemon&) = delete;
  MpsDaemon& operator=(const MpsDaemon&) = delete;

  // One command on the control's standard input, and what it answers.
  Result<std::string> command(const std::string& line, Duration limit);

  bool alive() const;
  pid_t pid() const { return pid_; }
  // Its server processes, as the kernel knows them. Empty before the first client.
  std::vector<pid_t> servers() const;

  // What a client must be born with to find this daemon.
  std::map<std::string, std::string> client_env() const;
  const std::string& log_directory() const { return logs_; }

 private:
  explicit MpsDaemon(MpsDaemonSetup setup);
  Status make_folders() const;
  Status start_guard();
  void stop();

  MpsDaemonSetup setup_;
  std::string pipes_, logs_;
  pid_t pid_ = -1;
  pid_t guard_ = -1;
  Fd guard_socket_;  // the guard sees its end when this process goes
};

}  // namespace corolla::slice
