// Runs a program to its end, with something to read and a limit, and brings back what it printed.
//
// REQUIRES: called by a process with one thread.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace corolla::slice {

struct ProgramRun {
  std::string binary;  // a path
  std::vector<std::string> arguments;
  std::map<std::string, std::string> env;  // added to, or replacing, our own
  std::string input;
  Duration limit = std::chrono::seconds(10);
};

struct ProgramResult {
  int exit_code = -1;  // -1: killed by a signal
  std::string output;  // both streams, at most 64 KiB
};

// Returns when the program has ended, also if something that it left behind holds its output open.
// kUnavailable, with what it had printed, if it could not be started or passed its limit; it is
// killed then.
Result<ProgramResult> run_program(const ProgramRun& run);

// Where PATH has it; a name with a slash is taken as it is. kUnavailable if nobody has it.
Result<std::string> find_program(const std::string& name);

// Our own environment with `over` over it, as "NAME=value".
std::vector<std::string> environment_with(const std::map<std::string, std::string>& over);

}  // namespace corolla::slice
