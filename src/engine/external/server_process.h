// A server that lives and dies with this process, whatever ends either of them.
//
// Between the two stands a guard, a fork of this process that runs nothing but a few system calls:
// it is the server's parent, and the one that outlives this process by a moment. When this process
// has gone, by SIGKILL too, the guard asks the server to end (SIGTERM to its process group), kills
// it after `stop_limit`, and runs `cleanup`. When the server has gone, the guard kills what is left
// of its process group, runs `cleanup`, and says so. When the guard is killed, the kernel kills the
// server.
//
// The server gets the environment, the CPUs, standard output and error of this process, /dev/null
// as its input, and no other descriptor.
#pragma once
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"

namespace corolla::engine {

struct ServerSpec {
  std::vector<std::string> command;  // found by PATH
  std::vector<std::string> cleanup;  // run before it starts and after it has ended; may be empty
  Duration stop_limit = std::chrono::milliseconds(1500);
};

class ServerProcess {
 public:
  // Returns when it runs (not: when it is ready). kNotFound, kPermission or kInternal name the
  // program. Threads: any, but its thread's end is no signal to anybody.
  static Result<std::unique_ptr<ServerProcess>> start(const ServerSpec& spec);
  ~ServerProcess();  // stop()

  // Ends it, and returns when it has gone. Any thread; further calls do nothing.
  void stop();

  pid_t pid() const { return pid_; }
  // Readable once it has ended.
  int ended_fd() const { return report_.get(); }
  // "exit code 1", "killed by SIGSEGV". REQUIRES: ended_fd() is readable. Once.
  std::string how_it_ended();

 private:
  ServerProcess(Fd life, Fd report, pid_t guard, pid_t pid);

  Fd life_;    // closed, or gone with this process: end it
  Fd report_;  // what the guard says
  pid_t guard_;
  pid_t pid_;
};

}  // namespace corolla::engine
