// Child processes: started with exactly what they are given, watched through a pidfd, never left
// behind.
//
// A child gets its arguments, an environment, standard input from /dev/null, standard output and
// error to a pipe of ours, one channel at descriptor link::kKeeperFd, and no other descriptor. It
// is in a process group of its own (a Ctrl-C at the terminal is for the keeper alone), dies with
// the keeper (PR_SET_PDEATHSIG), and runs on the CPUs it was given.
//
// Not thread-safe; call from the keeper's main thread only, since the kernel ties PR_SET_PDEATHSIG
// to the thread that forked.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace corolla::fleet {

struct ProcessSpec {
  std::string binary;  // a path
  std::vector<std::string> arguments;
  std::map<std::string, std::string> env;  // added to, or replacing, the keeper's own
  std::vector<uint32_t> cpus;              // empty: wherever the keeper may run
  int channel = -1;                        // becomes descriptor 3; the caller keeps its own
  int oom_score = 0;  // added to how soon the kernel picks it when memory runs out
};

// How a process ended.
struct Death {
  bool by_signal = false;
  int number = 0;  // the signal, or the exit code
  bool dumped_core = false;
  // "exit code 1", "killed by SIGSEGV (core dumped)".
  std::string text() const;
  bool clean() const { return !by_signal && number == 0; }
};

struct Process {
  pid_t pid = -1;
  Fd pidfd;   // readable once it is dead
  Fd output;  // what it prints; non-blocking
};

// Starts it. An Error names the binary and what the system said; no process is left then.
Result<Process> spawn(const ProcessSpec& spec);

// How it ended, and the zombie is gone; nullopt while it lives.
std::optional<Death> reap(const Process& process);

// Through the pidfd: never hits another process that was given the same number.
void send_signal(const Process& process, int signal);

// The CPUs that the process may run on, read back from the kernel. Empty if it is gone.
std::vector<uint32_t> affinity_of(pid_t pid);

}  // namespace corolla::fleet
