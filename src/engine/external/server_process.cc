#include "engine/external/server_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace corolla::engine {
namespace {

// What the guard says: first that the server runs or why not, then how it ended.
struct Report {
  enum Kind : int { kRuns, kFailed, kEnded } kind;
  int number;  // pid, errno, or status as of waitpid()
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  all.reserve(words.size() + 1);
  for (const std::string& word : words) all.push_back(const_cast<char*>(word.c_str()));
  all.push_back(nullptr);
  return all;
}

// All that the guard needs, made before the fork: the process may have threads, so that in the
// child only async-signal-safe calls are allowed.
struct Prepared {
  char* const* command;
  char* const* cleanup;  // nullptr: none
  int stop_ms;
  int life, report, null;
  std::array<int, 3> kept;  // the same, ascending
};

void tell(const Prepared& p, Report::Kind kind, int number) {
  const Report report{kind, number};
  (void)!::write(p.report, &report, sizeof report);
}

void default_signals() {
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &defaults, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Forks and becomes `argv` in a process group of its own. The child's errno, if it could not,
// comes out of `failed`.
pid_t launch(char* const* argv, int null, int failed) {
  const pid_t guard = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != guard) ::_exit(127);
  default_signals();
  ::dup2(null, 0);
  ::execvp(argv[0], argv);
  const int error = errno;
  (void)!::write(failed, &error, sizeof error);
  ::_exit(127);
}

void run_cleanup(const Prepared& p) {
  if (p.cleanup == nullptr) return;
  const pid_t pid = launch(p.cleanup, p.null, -1);
  if (pid > 0) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

// Waits until the server has ended; false: until `limit_ms` are over, or this process's parent has
// gone (where `life` is watched).
bool wait_for_end(int pidfd, int life, int limit_ms) {
  pollfd watched[2] = {{pidfd, POLLIN, 0}, {life, POLLIN, 0}};
  for (;;) {
    const int ready = ::poll(watched, 2, limit_ms);
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0 && watched[0].revents != 0;
  }
}

[[noreturn]] void guard(const Prepared& p) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, "corolla-guard");
  // What the server leaves behind becomes ours, and not init's.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, 0);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  // Above all the channels that this process had open, whose closing tells others that it has
  // gone.
  int from = 3;
  for (int fd : p.kept) {
    if (fd > from) ::syscall(SYS_close_range, from, fd - 1, 0);
    from = std::max(from, fd + 1);
  }
  ::syscall(SYS_close_range, from, UINT_MAX, 0);

  run_cleanup(p);
  int failed[2];
  if (::pipe2(failed, O_CLOEXEC) != 0) {
    tell(p, Report::kFailed, errno);
    ::_exit(1);
  }
  const pid_t pid = launch(p.command, p.null, failed[1]);
  const int fork_error = errno;
  ::close(failed[1]);
  int error = 0;
  if (pid < 0) error = fork_error;
  while (pid >= 0 && ::read(failed[0], &error, sizeof error) < 0 && errno == EINTR) {
  }
  ::close(failed[0]);
  const int pidfd = pid < 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (error == 0 && pidfd < 0) error = errno;
  if (error != 0) {
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      (void)::waitpid(pid, nullptr, 0);
    }
    tell(p, Report::kFailed, error);
    ::_exit(1);
  }
  tell(p, Report::kRuns, pid);

  if (!wait_for_end(pidfd, p.life, -1)) {
    ::kill(-pid, SIGTERM);
    wait_for_end(pidfd, -1, p.stop_ms);
  }
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  run_cleanup(p);
  tell(p, Report::kEnded, status);
  ::_exit(0);
}

// False when the guard has gone.
bool hear(int fd, Report& report) {
  ssize_t got;
  while ((got = ::read(fd, &report, sizeof report)) < 0 && errno == EINTR) {
  }
  return got == sizeof report;
}

}  // namespace

ServerProcess::ServerProcess(Fd life, Fd report, pid_t guard, pid_t pid)
    : life_(std::move(life)), report_(std::move(report)), guard_(guard), pid_(pid) {}

Result<std::unique_ptr<ServerProcess>> ServerProcess::start(const ServerSpec& spec) {
  const auto failed = [&](int error) {
    const Code code = error == ENOENT                     ? Code::kNotFound
                      : error == EACCES || error == EPERM ? Code::kPermission
                                                          : Code::kInternal;
    return Error{code, "could not start '" + spec.command.front() + "': " + std::strerror(error) +
                           (error == ENOENT ? "; give its path, or put it into PATH" : "")};
  };
  int life[2], report[2];
  if (::pipe2(life, O_CLOEXEC) != 0) return failed(errno);
  Fd life_read(life[0]), life_write(life[1]);
  if (::pipe2(report, O_CLOEXEC) != 0) return failed(errno);
  Fd report_read(report[0]), report_write(report[1]);
  Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) return failed(errno);
  const auto command = pointers(spec.command), cleanup = pointers(spec.cleanup);
  Prepared prepared{.command = command.data(),
                    .cleanup = spec.cleanup.empty() ? nullptr : cleanup.data(),
                    .stop_ms = static_cast<int>(std::min<int64_t>(
                        spec.stop_limit / std::chrono::milliseconds(1), 3600'000)),
                    .life = life_read.get(),
                    .report = report_write.get(),
                    .null = null.get(),
                    .kept = {life_read.get(), report_write.get(), null.get()}};
  std::sort(prepared.kept.begin(), prepared.kept.end());
  const pid_t guard_pid = ::fork();
  if (guard_pid < 0) return failed(errno);
  if (guard_pid == 0) guard(prepared);
  life_read.reset();
  report_write.reset();
  Report said{};
  if (!hear(report_read.get(), said)) said = {Report::kFailed, ECHILD};
  std::unique_ptr<ServerProcess> made(
      new ServerProcess(std::move(life_write), std::move(report_read), guard_pid, said.number));
  if (said.kind == Report::kFailed) return failed(said.number);
  return made;
}

ServerProcess::~ServerProcess() { stop(); }

void ServerProcess::stop() {
  if (!life_) return;
  life_.reset();
  while (::waitpid(guard_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::string ServerProcess::how_it_ended() {
  Report report{};
  if (!hear(report_.get(), report)) return "killed together with its guard";
  const int status = report.number;
  if (!WIFSIGNALED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  const char* name = ::sigabbrev_np(WTERMSIG(status));
  return "killed by " +
         (name ? "SIG" + std::string(name) : "signal " + std::to_string(WTERMSIG(status)));
}

}  // namespace corolla::engine
