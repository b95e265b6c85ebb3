#include "load/process_cpu.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace corolla::load {
namespace {

namespace fs = std::filesystem;

struct Stat {
  std::string name;
  pid_t parent = 0;
  int64_t ticks = 0;
};

std::optional<Stat> stat_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  const size_t open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos) return std::nullopt;
  Stat stat;
  stat.name = text.substr(open + 1, close - open - 1);
  std::istringstream rest(text.substr(close + 2));
  std::string field;
  for (int i = 3; i <= 17 && rest >> field; ++i) {
    if (i == 4) stat.parent = std::stoi(field);
    if (i >= 14) stat.ticks += std::stoll(field);  // utime, stime, cutime, cstime
  }
  return stat;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc() && end == name.data() + name.size()) out.push_back(pid);
  }
  return out;
}

std::set<std::string> listening_inodes(int port) {
  std::set<std::string> inodes;
  char wanted[8];
  snprintf(wanted, sizeof wanted, ":%04X", port);
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      std::istringstream fields(line);
      std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
      fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
          timeout >> inode;
      if (state == "0A" && local.ends_with(wanted)) inodes.insert("socket:[" + inode + "]");
    }
  }
  return inodes;
}

}  // namespace

std::optional<pid_t> listener_of(int port) {
  const std::set<std::string> inodes = listening_inodes(port);
  if (inodes.empty()) return std::nullopt;
  for (const pid_t pid : all_processes()) {
    std::error_code error;
    for (fs::directory_iterator it("/proc/" + std::to_string(pid) + "/fd", error), end;
         !error && it != end; it.increment(error)) {
      std::error_code gone;
      if (!inodes.contains(fs::read_symlink(it->path(), gone).string())) continue;
      const auto own = stat_of(pid);
      const auto parent = own ? stat_of(own->parent) : std::nullopt;
      const std::string stem = own ? own->name.substr(0, own->name.find('-')) : "";
      if (parent && own->parent != 1 && !stem.empty() && stem != own->name &&
          parent->name.starts_with(stem))
        return own->parent;
      return pid;
    }
  }
  return std::nullopt;
}

std::optional<Duration> cpu_of(const std::vector<pid_t>& processes) {
  static const int64_t ns_a_tick = 1'000'000'000 / sysconf(_SC_CLK_TCK);
  std::map<pid_t, std::vector<pid_t>> children;
  std::map<pid_t, int64_t> ticks;
  for (const pid_t pid : all_processes())
    if (const auto stat = stat_of(pid)) {
      children[stat->parent].push_back(pid);
      ticks[pid] = stat->ticks;
    }
  std::set<pid_t> seen;
  std::vector<pid_t> left(processes.begin(), processes.end());
  int64_t sum = 0;
  bool any = false;
  while (!left.empty()) {
    const pid_t pid = left.back();
    left.pop_back();
    if (!ticks.contains(pid) || !seen.insert(pid).second) continue;
    any = true;
    sum += ticks[pid];
    left.insert(left.end(), children[pid].begin(), children[pid].end());
  }
  if (!any) return std::nullopt;
  return Duration(sum * ns_a_tick);
}

Duration own_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace corolla::load
