#include "fleet/testing/fleet_harness.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "base/log.h"
#include "fleet/keeper.h"

namespace corolla::fleet::testing {

FleetHarness::FleetHarness(uint32_t slices) {
  static std::atomic<int> number = 0;
  const std::string unique = std::to_string(::getpid()) + "-" + std::to_string(++number);
  models_dir = "/tmp/corolla-fleet-test-" + unique;
  for (const char* model : {"rose", "tulip"})
    std::filesystem::create_directories(models_dir + "/" + model + "/1");
  config.name = "fleet-test-" + unique;
  config.engine = "fake";
  config.models_dir = models_dir;
  config.cache_dir = models_dir + "/.cache";
  config.slices = *parse_slices(std::to_string(slices));
  config.listen = {{"http", {"127.0.0.1", 0}}, {"grpc", {"127.0.0.1", 0}}};
  config.restart.first_delay = config.restart.longest_delay = std::chrono::milliseconds(1);
}

FleetHarness::~FleetHarness() {
  if (keeper_ > 0 && !waited_) {
    ::kill(keeper_, SIGKILL);
    (void)wait();
  }
  std::filesystem::remove_all(models_dir);
}

void FleetHarness::start_without_waiting() {
  keeper_ = ::fork();
  if (keeper_ == 0) {
    for (const auto& [key, value] : env) ::setenv(key.c_str(), value.c_str(), 1);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit no_cores{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_cores);
    ::setpgid(0, 0);
    Keeper* running = nullptr;
    log::set_output([&](std::string_view line) {
      if (running) running->log_line(line);
    });
    KeeperOptions options;
    options.bin_dir = std::filesystem::path(COROLLA_BIN_DIR).parent_path() / "fleet_testing";
    options.config_file = config_file;
    const auto fixed = config;
    options.always = [fixed](FleetConfig& c) {
      c.name = fixed.name;
      c.listen = fixed.listen;
      c.models_dir = fixed.models_dir;
      c.limits = fixed.limits;
      c.cache_dir = fixed.cache_dir;
      c.restart = fixed.restart;
    };
    options.until_applied = [fixed](FleetConfig& c) { c.engine = fixed.engine; };
    int code = 1;
    {
      auto keeper = Keeper::create(config, options);
      if (keeper.ok()) {
        running = keeper->get();
        code = (*keeper)->run().ok() ? 0 : 1;
        running = nullptr;
      }
    }
    ::_exit(code);
  }
  keeper_fd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, keeper_, 0)));
}

void FleetHarness::start() {
  start_without_waiting();
  // All its slices, not only the first.
  await([](const control::FleetStatus& s) { return s.state() == "ready"; });
}

control::FleetStatus FleetHarness::status() {
  auto client = ControlClient::connect(config.name);
  if (!client.ok()) return {};
  control::Request request;
  request.mutable_status();
  if (!client->ask(request).ok()) return {};
  auto answer = client->next(kPatience);
  return answer.ok() ? answer->status() : control::FleetStatus();
}

control::FleetStatus FleetHarness::await(
    const std::function<bool(const control::FleetStatus&)>& holds) {
  const TimePoint until = now() + kPatience;
  // Its socket comes into being a few milliseconds after the fork; nothing tells of that but
  // trying.
  auto follower = ControlClient::connect(config.name);
  while (!follower.ok() && now() < until) {
    pollfd ended{keeper_fd_.get(), POLLIN, 0};
    if (::poll(&ended, 1, 2) == 1) break;
    follower = ControlClient::connect(config.name);
  }
  if (!follower.ok()) {
    ADD_FAILURE() << follower.error().what;
    return {};
  }
  control::Request request;
  request.mutable_logs()->set_follow(true);
  EXPECT_TRUE(follower->ask(request).ok());
  for (;;) {
    control::FleetStatus s = status();
    if (holds(s)) return s;
    if (!follower->next(until - now()).ok()) {
      ADD_FAILURE() << "what was waited for did not happen; the fleet's state is " << s.state()
                    << "\n"
                    << log();
      return s;
    }
  }
}

Status FleetHarness::ask(const control::Request& request) {
  ASSIGN_OR_RETURN(auto client, ControlClient::connect(config.name));
  RETURN_IF_ERROR(client.ask(request));
  for (;;) {
    ASSIGN_OR_RETURN(auto answer, client.next(kPatience));
    if (answer.has_done()) return ControlClient::status_of(answer.done());
  }
}

Status FleetHarness::apply(const std::string& yaml) {
  control::Request request;
  request.mutable_apply()->set_yaml(yaml);
  request.mutable_apply()->set_file_name("new.yaml");
  return ask(request);
}

Status FleetHarness::scale(const std::map<std::string, uint32_t>& models) {
  control::Request request;
  for (const auto& [model, count] : models)
    (*request.mutable_scale()->mutable_slices())[model] = count;
  return ask(request);
}

std::string FleetHarness::log(uint32_t lines) {
  auto client = ControlClient::connect(config.name);
  if (!client.ok()) return {};
  control::Request request;
  request.mutable_logs()->set_lines(lines);
  if (!client->ask(request).ok()) return {};
  std::string text;
  for (auto answer = client->next(kPatience); answer.ok() && answer->has_log_line();
       answer = client->next(kPatience))
    text += answer->log_line().text() + "\n";
  return text;
}

std::string FleetHarness::http(const std::string& path) {
  std::string address;
  const control::FleetStatus s = status();
  for (const auto& listener : s.listeners())
    if (listener.role() == "http") address = listener.address();
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{std::chrono::duration_cast<std::chrono::seconds>(kPatience).count(), 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return {};
  const std::string request = "GET " + path + " HTTP/1.1\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer;
  char bytes[4096];
  ssize_t got;
  while ((got = ::read(socket.get(), bytes, sizeof bytes)) > 0)
    answer.append(bytes, static_cast<size_t>(got));
  const size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

int FleetHarness::wait() {
  pollfd ended{keeper_fd_.get(), POLLIN, 0};
  const int ms = static_cast<int>(kPatience / std::chrono::milliseconds(1));
  if (::poll(&ended, 1, ms) != 1) return -2;
  int status = 0;
  ::waitpid(keeper_, &status, 0);
  waited_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void FleetHarness::signal(int signal) { ::kill(keeper_, signal); }

std::vector<Fd> children_of(const control::FleetStatus& status) {
  std::vector<pid_t> pids = {status.front().pid()};
  for (const auto& worker : status.workers()) pids.push_back(worker.pid());
  std::vector<Fd> all;
  for (const pid_t pid : pids)
    all.emplace_back(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return all;
}

bool all_end(const std::vector<Fd>& pidfds, Duration limit) {
  const TimePoint until = now() + limit;
  for (const Fd& fd : pidfds) {
    if (!fd) continue;  // gone before we could look
    pollfd ended{fd.get(), POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now()).count();
    if (::poll(&ended, 1, static_cast<int>(std::max<int64_t>(left, 0))) != 1) return false;
  }
  return true;
}

}  // namespace corolla::fleet::testing
