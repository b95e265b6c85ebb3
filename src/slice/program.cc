#include "slice/program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"

extern char** environ;

namespace corolla::slice {
namespace {

constexpr size_t kMostOutput = 64 << 10;

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

struct Pipe {
  Fd read, write;
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{Code::kInternal, std::string("pipe: ") + std::strerror(errno)};
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

void drain(int fd, std::string& output) {
  char bytes[4096];
  for (;;) {
    const ssize_t got = ::read(fd, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    output.append(bytes, std::min(static_cast<size_t>(got), kMostOutput - output.size()));
  }
}

}  // namespace

std::vector<std::string> environment_with(const std::map<std::string, std::string>& over) {
  std::vector<std::string> all;
  for (char** one = environ; one && *one; ++one) {
    const std::string_view text(*one);
    if (!over.contains(std::string(text.substr(0, text.find('='))))) all.emplace_back(text);
  }
  for (const auto& [name, value] : over) all.push_back(name + "=" + value);
  return all;
}

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), X_OK) == 0) return name;
    return Error{Code::kUnavailable, name + ": " + std::strerror(errno)};
  }
  const char* path = std::getenv("PATH");
  const std::string folders = path && *path ? path : "/usr/bin:/bin";
  for (size_t at = 0; at <= folders.size();) {
    const size_t colon = std::min(folders.find(':', at), folders.size());
    const std::string file = folders.substr(at, colon - at) + "/" + name;
    if (colon > at && ::access(file.c_str(), X_OK) == 0) return file;
    at = colon + 1;
  }
  return Error{Code::kUnavailable, "the program " + name + " is not on PATH"};
}

Result<ProgramResult> run_program(const ProgramRun& run) {
  ASSIGN_OR_RETURN(Pipe input, make_pipe());
  ASSIGN_OR_RETURN(Pipe output, make_pipe());
  ::fcntl(output.read.get(), F_SETFL, O_NONBLOCK);
  std::vector<std::string> arguments = {run.binary};
  arguments.insert(arguments.end(), run.arguments.begin(), run.arguments.end());
  const std::vector<std::string> env = environment_with(run.env);
  const std::vector<char*> argv = pointers(arguments), envp = pointers(env);
  const pid_t child = ::fork();
  if (child < 0) return Error{Code::kInternal, std::string("fork: ") + std::strerror(errno)};
  if (child == 0) {
    // The keeper's signals are blocked and its descriptors many; a daemon must inherit neither.
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(input.read.get(), 0);
    ::dup2(output.write.get(), 1);
    ::dup2(output.write.get(), 2);
    ::syscall(SYS_close_range, 3u, ~0u, 0u);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  input.read.reset();
  output.write.reset();
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  // Small enough for the pipe; whoever does not read it has ended.
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  (void)!::write(input.write.get(), run.input.data(), run.input.size());
  ::sigaction(SIGPIPE, &before, nullptr);
  input.write.reset();

  ProgramResult result;
  bool ended = false, open = true;
  for (const TimePoint until = now() + run.limit; !ended;) {
    const auto left = (until - now()) / std::chrono::milliseconds(1);
    if (left <= 0) break;
    pollfd watched[2] = {{pidfd.get(), POLLIN, 0}, {open ? output.read.get() : -1, POLLIN, 0}};
    if (::poll(watched, 2, static_cast<int>(left)) <= 0) continue;
    if (watched[1].revents) {
      drain(output.read.get(), result.output);
      open = !(watched[1].revents & POLLHUP);
    }
    ended = watched[0].revents != 0;
  }
  if (!ended) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  drain(output.read.get(), result.output);
  while (!result.output.empty() && (result.output.back() == '\n' || result.output.back() == ' '))
    result.output.pop_back();
  const std::string printed = result.output.empty() ? "" : "; it printed: " + result.output;
  if (!ended)
    return Error{Code::kUnavailable, run.binary + " did not end within " +
                                         std::to_string(run.limit / std::chrono::milliseconds(1)) +
                                         " ms" + printed};
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (result.exit_code == 127 && result.output.empty())
    return Error{Code::kUnavailable, run.binary + " could not be started"};
  return result;
}

}  // namespace corolla::slice
