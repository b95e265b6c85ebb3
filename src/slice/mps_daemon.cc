#include "slice/mps_daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/log.h"
#include "slice/program.h"

namespace corolla::slice {
namespace {

constexpr auto kStartLimit = std::chrono::seconds(30);
constexpr auto kQuitLimit = std::chrono::seconds(3);
constexpr size_t kLongestSocketPath = 107;
constexpr const char* kPidFile = "/nvidia-cuda-mps-control.pid";

bool process_lives(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return false;
  const size_t name_end = line.rfind(')');
  return name_end != std::string::npos && name_end + 2 < line.size() && line[name_end + 2] != 'Z';
}

// Only a daemon of that program: the number in a stale file may be anybody's by now.
bool is_control(pid_t pid) {
  if (pid <= 0 || !process_lives(pid)) return false;
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  const std::string line((std::istreambuf_iterator<char>(file)), {});
  return line.find("nvidia-cuda-mps-control") != std::string::npos;
}

pid_t pid_in(const std::string& path) {
  std::ifstream file(path);
  pid_t pid = 0;
  return file >> pid ? pid : 0;
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::ifstream file("/proc/" + number + "/task/" + number + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

bool wait_until_gone(pid_t pid, Duration limit) {
  for (const TimePoint until = now() + limit; process_lives(pid);) {
    if (now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

void kill_tree(pid_t daemon) {
  const std::vector<pid_t> servers = children_of(daemon);
  ::kill(daemon, SIGKILL);
  for (const pid_t server : servers) ::kill(server, SIGKILL);
}

std::map<std::string, std::string> directories(const std::string& pipes, const std::string& logs) {
  return {{"CUDA_MPS_PIPE_DIRECTORY", pipes}, {"CUDA_MPS_LOG_DIRECTORY", logs}};
}

// Asks a daemon to leave, and sees to it that it does.
void end_daemon(const std::string& program, const std::string& pipes, const std::string& logs,
                pid_t pid) {
  const auto asked = run_program({.binary = program,
                                  .arguments = {},
                                  .env = directories(pipes, logs),
                                  .input = "quit\n",
                                  .limit = kQuitLimit});
  if (asked.ok() && wait_until_gone(pid, kQuitLimit)) return;
  log::warn("mps_daemon_killed",
            {{"pid", pid}, {"why", asked.ok() ? "it did not quit" : asked.error().what}});
  kill_tree(pid);
  (void)wait_until_gone(pid, kQuitLimit);
}

// What the guard needs, made before it is forked: afterwards it only calls the kernel.
struct GuardPlan {
  std::vector<std::string> env;
  std::vector<char*> envp;
  std::string program, children;
  pid_t daemon;
  int socket;
};

[[noreturn]] void be_guard(const GuardPlan& plan) {
  ::setsid();
  ::prctl(PR_SET_NAME, "corolla-guard");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  if (plan.socket != 3) ::dup2(plan.socket, 3);
  ::syscall(SYS_close_range, 4u, ~0u, 0u);
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  char byte = 0;
  ssize_t got;
  while ((got = ::read(3, &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got == 1) ::_exit(0);  // the owner has ended the daemon itself
  // The owner is dead, and its workers die with it.
  int input[2];
  if (::pipe(input) == 0 && ::write(input[1], "quit\n", 5) == 5) {
    const pid_t child = ::fork();
    if (child == 0) {
      sigset_t none;
      ::sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      ::dup2(input[0], 0);
      ::syscall(SYS_close_range, 3u, ~0u, 0u);
      char* const argv[] = {const_cast<char*>(plan.program.c_str()), nullptr};
      ::execve(argv[0], argv, plan.envp.data());
      ::_exit(127);
    }
    ::close(input[1]);
  }
  const timespec pause{0, 10000000};
  for (int i = 0; i < 300 && ::kill(plan.daemon, 0) == 0; ++i) ::nanosleep(&pause, nullptr);
  if (::kill(plan.daemon, 0) != 0) ::_exit(0);
  // Deaf to `quit`: its servers are its children, whose numbers the kernel gives as text.
  char text[1024] = {};
  const int children = ::open(plan.children.c_str(), O_RDONLY);
  const ssize_t size = ::read(children, text, sizeof text - 1);
  ::kill(plan.daemon, SIGKILL);
  pid_t server = 0;
  for (ssize_t i = 0; i < size; ++i) {
    if (text[i] >= '0' && text[i] <= '9') {
      server = server * 10 + (text[i] - '0');
    } else if (server > 1) {
      ::kill(server, SIGKILL);
      server = 0;
    }
  }
  ::_exit(0);
}

}  // namespace

MpsDaemon::MpsDaemon(MpsDaemonSetup setup)
    : setup_(std::move(setup)), pipes_(setup_.folder + "/pipe"), logs_(setup_.folder + "/log") {}

Status MpsDaemon::make_folders() const {
  if ((pipes_ + "/control_privileged").size() > kLongestSocketPath)
    return Error{Code::kInvalidArgument,
                 "the folder " + pipes_ + " has too long a name for the sockets of MPS (" +
                     std::to_string(pipes_.size()) +
                     " letters); choose a shorter name for the fleet, or XDG_RUNTIME_DIR"};
  std::error_code failed;
  for (const std::string& folder : {pipes_, logs_}) {
    std::filesystem::create_directories(folder, failed);
    if (failed) return Error{Code::kPermission, folder + ": " + failed.message()};
  }
  // Elsewhere than in a folder of ours somebody could lay a pipe for our workers to talk into.
  struct stat is {};
  if (::lstat(setup_.folder.c_str(), &is) != 0 || !S_ISDIR(is.st_mode) || is.st_uid != ::geteuid())
    return Error{Code::kPermission, setup_.folder + " is not a folder of this user"};
  if (::chmod(setup_.folder.c_str(), 0700) != 0)
    return Error{Code::kPermission, setup_.folder + ": " + std::strerror(errno)};
  return ok();
}

Result<std::unique_ptr<MpsDaemon>> MpsDaemon::start(MpsDaemonSetup setup) {
  auto daemon = std::unique_ptr<MpsDaemon>(new MpsDaemon(std::move(setup)));
  RETURN_IF_ERROR(daemon->make_folders());
  const MpsDaemonSetup& s = daemon->setup_;
  const std::string pid_file = daemon->pipes_ + kPidFile;
  if (const pid_t old = pid_in(pid_file); is_control(old)) {
    log::warn("mps_daemon_left_behind", {{"pid", old}, {"folder", s.folder}});
    end_daemon(s.program, daemon->pipes_, daemon->logs_, old);
  }
  std::error_code ignored;
  std::filesystem::remove(pid_file, ignored);

  auto env = directories(daemon->pipes_, daemon->logs_);
  env["CUDA_VISIBLE_DEVICES"] = s.gpu_uuid;
  ASSIGN_OR_RETURN(const ProgramResult started, run_program({.binary = s.program,
                                                             .arguments = {"-d"},
                                                             .env = env,
                                                             .input = "",
                                                             .limit = kStartLimit}));
  if (started.exit_code != 0)
    return Error{Code::kUnavailable, s.program + " -d ended with code " +
                                         std::to_string(started.exit_code) +
                                         (started.output.empty() ? "" : ": " + started.output) +
                                         "; its log is " + daemon->logs_ + "/control.log"};
  for (const TimePoint until = now() + kQuitLimit; now() < until;) {
    daemon->pid_ = pid_in(pid_file);
    if (is_control(daemon->pid_)) break;
    daemon->pid_ = -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (daemon->pid_ <= 0)
    return Error{Code::kUnavailable, s.program +
                                         " -d said that it had started, and did not stay; "
                                         "its log is " +
                                         daemon->logs_ + "/control.log"};
  RETURN_IF_ERROR(daemon->start_guard());
  log::info("mps_daemon_started",
            {{"pid", daemon->pid_}, {"gpu", s.gpu_uuid}, {"folder", s.folder}});
  return daemon;
}

Status MpsDaemon::start_guard() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return Error{Code::kInternal, std::string("socketpair: ") + std::strerror(errno)};
  const Fd read(ends[0]);
  guard_socket_ = Fd(ends[1]);
  const std::string number = std::to_string(pid_);
  GuardPlan plan{environment_with(directories(pipes_, logs_)),        {},   setup_.program,
                 "/proc/" + number + "/task/" + number + "/children", pid_, read.get()};
  for (std::string& one : plan.env) plan.envp.push_back(one.data());
  plan.envp.push_back(nullptr);
  guard_ = ::fork();
  if (guard_ == 0) be_guard(plan);
  if (guard_ < 0) return Error{Code::kInternal, std::string("fork: ") + std::strerror(errno)};
  return ok();
}

void MpsDaemon::stop() {
  if (pid_ > 0 && process_lives(pid_)) {
    end_daemon(setup_.program, pipes_, logs_, pid_);
    log::info("mps_daemon_stopped", {{"pid", pid_}});
  }
  pid_ = -1;
  if (guard_ > 0) {
    (void)::send(guard_socket_.get(), "x", 1, MSG_NOSIGNAL);
    int status = 0;
    while (::waitpid(guard_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  guard_ = -1;
  std::error_code ignored;
  std::filesystem::remove_all(pipes_, ignored);
}

MpsDaemon::~MpsDaemon() { stop(); }

Result<std::string> MpsDaemon::command(const std::string& line, Duration limit) {
  ASSIGN_OR_RETURN(const ProgramResult answer, run_program({.binary = setup_.program,
                                                            .arguments = {},
                                                            .env = directories(pipes_, logs_),
                                                            .input = line + "\n",
                                                            .limit = limit}));
  if (answer.exit_code != 0)
    return Error{Code::kUnavailable, "MPS refused '" + line + "' (code " +
                                         std::to_string(answer.exit_code) + "): " + answer.output};
  return answer.output;
}

bool MpsDaemon::alive() const { return is_control(pid_); }

std::vector<pid_t> MpsDaemon::servers() const { return children_of(pid_); }

std::map<std::string, std::string> MpsDaemon::client_env() const {
  auto env = directories(pipes_, logs_);
  env["CUDA_VISIBLE_DEVICES"] = setup_.gpu_uuid;
  return env;
}

}  // namespace corolla::slice
