#include "fleet/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "link/channel.h"

extern char** environ;

namespace corolla::fleet {
namespace {

// What the child reports back if it cannot become the program. Plain data: it travels through a
// pipe.
struct Failure {
  int error;
  char step[32];
};

std::vector<std::string> environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    if (!added.contains(std::string(text.substr(0, text.find('='))))) all.emplace_back(text);
  }
  for (const auto& [key, value] : added) all.push_back(key + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Everything the child needs, made before the fork: between fork and exec only async-signal-safe
// calls are allowed.
struct Prepared {
  const char* binary;
  char** argv;
  char** envp;
  cpu_set_t cpus;
  bool pin;
  int channel;
  int output;
  int report;
  int null;
  const char* oom_score;
  pid_t keeper;
};

[[noreturn]] void give_up(int report, const char* step) {
  Failure failure{};
  failure.error = errno;
  std::strncpy(failure.step, step, sizeof failure.step - 1);
  (void)!::write(report, &failure, sizeof failure);
  ::_exit(127);
}

// Runs in the child.
[[noreturn]] void become(const Prepared& p) {
  // The signal is armed first and the parent looked at afterwards: if the keeper died in between,
  // nobody would send it.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(p.report, "prctl");
  if (::getppid() != p.keeper) ::_exit(127);
  ::setpgid(0, 0);

  if (p.pin && ::sched_setaffinity(0, sizeof p.cpus, &p.cpus) != 0)
    give_up(p.report, "pin it to its cores");
  const int oom = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom >= 0) (void)!::write(oom, p.oom_score, std::strlen(p.oom_score));

  // Out of the way first, so that no dup2 below overwrites a descriptor that a later one needs.
  const int report = ::fcntl(p.report, F_DUPFD_CLOEXEC, 64);
  const int channel = p.channel < 0 ? -1 : ::fcntl(p.channel, F_DUPFD_CLOEXEC, 64);
  const int output = ::fcntl(p.output, F_DUPFD_CLOEXEC, 64);
  const int null = ::fcntl(p.null, F_DUPFD_CLOEXEC, 64);
  if (report < 0 || output < 0 || null < 0 || (p.channel >= 0 && channel < 0))
    give_up(p.report, "duplicate descriptors");
  if (::dup2(null, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0)
    give_up(report, "set up its standard streams");
  int first_closed = link::kKeeperFd;
  if (channel >= 0) {
    if (::dup2(channel, link::kKeeperFd) < 0) give_up(report, "hand over its channel");
    first_closed = link::kKeeperFd + 1;
  }
  // Also whatever the keeper itself inherited without close-on-exec.
  if (::syscall(SYS_close_range, first_closed, UINT_MAX, 1u << 2 /* CLOSE_RANGE_CLOEXEC */) != 0) {
    for (int fd = first_closed; fd < 4096; ++fd) {
      const int flags = ::fcntl(fd, F_GETFD);
      if (flags >= 0) ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
  }

  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction defaults {};
    defaults.sa_handler = SIG_DFL;
    ::sigaction(signal, &defaults, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(p.binary, p.argv, p.envp);
  give_up(report, "execute it");
}

Error failed(const std::string& binary, const std::string& step, int error) {
  const Code code = error == ENOENT                     ? Code::kNotFound
                    : error == EACCES || error == EPERM ? Code::kPermission
                                                        : Code::kInternal;
  return {code, "could not start " + binary + ": " + step + ": " + std::strerror(error)};
}

}  // namespace

std::string Death::text() const {
  if (!by_signal) return "exit code " + std::to_string(number);
  const char* name = ::sigabbrev_np(number);
  std::string text =
      "killed by " + (name ? "SIG" + std::string(name) : "signal " + std::to_string(number));
  if (dumped_core) text += " (core dumped)";
  return text;
}

Result<Process> spawn(const ProcessSpec& spec) {
  int report[2], output[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return failed(spec.binary, "pipe", errno);
  Fd report_read(report[0]), report_write(report[1]);
  if (::pipe2(output, O_CLOEXEC) != 0) return failed(spec.binary, "pipe", errno);
  Fd output_read(output[0]), output_write(output[1]);
  ::fcntl(output_read.get(), F_SETFL, O_NONBLOCK);
  Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) return failed(spec.binary, "/dev/null", errno);

  std::vector<std::string> arguments{spec.binary};
  arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
  std::vector<std::string> env = environment(spec.env);
  const std::vector<char*> argv = pointers(arguments), envp = pointers(env);
  const std::string oom_score = std::to_string(spec.oom_score);

  Prepared prepared{};
  prepared.binary = spec.binary.c_str();
  prepared.argv = const_cast<char**>(argv.data());
  prepared.envp = const_cast<char**>(envp.data());
  CPU_ZERO(&prepared.cpus);
  for (uint32_t cpu : spec.cpus) {
    if (cpu >= CPU_SETSIZE) return failed(spec.binary, "CPU " + std::to_string(cpu), EINVAL);
    CPU_SET(cpu, &prepared.cpus);
  }
  prepared.pin = !spec.cpus.empty();
  prepared.channel = spec.channel;
  prepared.output = output_write.get();
  prepared.report = report_write.get();
  prepared.null = null.get();
  prepared.oom_score = oom_score.c_str();
  prepared.keeper = ::getpid();

  const pid_t pid = ::fork();
  if (pid < 0) return failed(spec.binary, "fork", errno);
  if (pid == 0) become(prepared);

  // The child is not reaped yet, so the number cannot have been given to another process.
  Process process{pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
                  std::move(output_read)};
  const int pidfd_error = errno;
  report_write.reset();
  Failure failure{};
  ssize_t got;
  while ((got = ::read(report_read.get(), &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  if (got == 0 && process.pidfd) return process;  // exec closed the pipe: it runs
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!process.pidfd) return failed(spec.binary, "pidfd_open", pidfd_error);
  return failed(spec.binary, failure.step, failure.error);
}

std::optional<Death> reap(const Process& process) {
  int status = 0;
  const pid_t got = ::waitpid(process.pid, &status, WNOHANG);
  if (got == 0) return std::nullopt;
  Death death;
  if (got < 0) return death;  // somebody else reaped it; nothing better is known
  death.by_signal = WIFSIGNALED(status);
  death.number = death.by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
  death.dumped_core = death.by_signal && WCOREDUMP(status);
  return death;
}

void send_signal(const Process& process, int signal) {
  if (process.pidfd)
    (void)::syscall(SYS_pidfd_send_signal, process.pidfd.get(), signal, nullptr, 0);
}

std::vector<uint32_t> affinity_of(pid_t pid) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<uint32_t> cpus;
  if (::sched_getaffinity(pid, sizeof set, &set) != 0) return cpus;
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

}  // namespace corolla::fleet
