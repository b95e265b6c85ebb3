#include "slice/worker_cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "base/fd.h"
#include "slice/topology.h"

namespace corolla::slice {
namespace {

constexpr uint64_t kPeriodUs = 100000;

Error unavailable(std::string what) {
  return {Code::kUnavailable, "no control groups for workers: " + std::move(what)};
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// One write, as the kernel wants it.
Status write_to(const std::string& path, const std::string& text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()))
    return ok();
  return Error{Code::kUnavailable,
               "cannot write '" + text + "' to " + path + ": " + std::strerror(errno)};
}

Status make_group(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return ok();
  return Error{Code::kUnavailable, "cannot make " + path + ": " + std::strerror(errno)};
}

// The folder of this process's own group; nullopt on a machine without version 2.
std::optional<std::string> own_group(const std::string& root) {
  std::istringstream lines(text_of(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("0::", 0) != 0) continue;
    const std::string path = line.substr(3);
    const std::string folder = root + "/sys/fs/cgroup" + (path == "/" ? "" : path);
    if (::access((folder + "/cgroup.controllers").c_str(), R_OK) == 0) return folder;
  }
  return std::nullopt;
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string one; words >> one;)
    if (one == word) return true;
  return false;
}

}  // namespace

bool WorkerCgroups::delegated(const std::string& root) {
  const auto group = own_group(root);
  char value[8];
  return group && (::getxattr(group->c_str(), "user.delegate", value, sizeof value) > 0 ||
                   ::getxattr(group->c_str(), "trusted.delegate", value, sizeof value) > 0);
}

Result<WorkerCgroups> WorkerCgroups::open(const std::string& fleet, const std::string& root) {
  const auto own = own_group(root);
  if (!own) return unavailable("this machine has no control groups of version 2 here");
  const std::string there = text_of(*own + "/cgroup.controllers");
  for (const char* controller : {"cpuset", "cpu", "memory"})
    if (!has_word(there, controller))
      return unavailable(std::string("the controller ") + controller + " was not given to " + *own +
                         " (systemd: Delegate=yes)");
  if (::access(own->c_str(), W_OK) != 0)
    return unavailable("may not write " + *own + ": " + std::strerror(errno));
  // The kernel's root alone may have processes and divided groups at once.
  const bool is_root = ::access((*own + "/cgroup.type").c_str(), F_OK) != 0;
  std::istringstream processes(text_of(*own + "/cgroup.procs"));
  bool ours_inside = false;
  for (pid_t pid = 0; processes >> pid;) {
    ours_inside |= pid == ::getpid();
    if (pid != ::getpid() && !is_root)
      return unavailable("process " + std::to_string(pid) + " is in " + *own +
                         " too; give Corolla a group of its own, for example with systemd-run "
                         "--scope -p Delegate=yes");
  }
  if (ours_inside && !is_root) {
    const std::string beside = *own + "/corolla-keeper";
    RETURN_IF_ERROR(make_group(beside));
    RETURN_IF_ERROR(write_to(beside + "/cgroup.procs", std::to_string(::getpid())));
  }
  WorkerCgroups groups(*own + "/corolla-" + fleet);
  RETURN_IF_ERROR(write_to(*own + "/cgroup.subtree_control", "+cpuset +cpu +memory"));
  RETURN_IF_ERROR(make_group(groups.folder_));
  RETURN_IF_ERROR(write_to(groups.folder_ + "/cgroup.subtree_control", "+cpuset +cpu +memory"));
  return groups;
}

WorkerCgroups::WorkerCgroups(WorkerCgroups&& other) noexcept
    : folder_(std::exchange(other.folder_, {})) {}

WorkerCgroups::~WorkerCgroups() {
  if (folder_.empty()) return;
  std::error_code ignored;
  std::vector<std::string> groups;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored))
    if (entry.is_directory(ignored)) groups.push_back(entry.path().string());
  for (const std::string& group : groups) ::rmdir(group.c_str());
  ::rmdir(folder_.c_str());
}

std::string WorkerCgroups::folder_of(uint32_t worker) const {
  return folder_ + "/worker-" + std::to_string(worker);
}

Status WorkerCgroups::place(uint32_t worker, const Slice& slice, pid_t pid) {
  const std::string group = folder_of(worker);
  RETURN_IF_ERROR(make_group(group));
  const auto hold = [&]() -> Status {
    if (!slice.cores.empty()) {
      RETURN_IF_ERROR(write_to(group + "/cpuset.cpus", cpu_list_text(slice.cores)));
      RETURN_IF_ERROR(write_to(group + "/cpu.max", std::to_string(slice.cores.size() * kPeriodUs) +
                                                       " " + std::to_string(kPeriodUs)));
    }
    if (slice.memory_bytes > 0) {
      RETURN_IF_ERROR(write_to(group + "/memory.max", std::to_string(slice.memory_bytes)));
      // Beyond its memory there is no swap either: it would only slow the neighbours' disks.
      if (::access((group + "/memory.swap.max").c_str(), W_OK) == 0)
        RETURN_IF_ERROR(write_to(group + "/memory.swap.max", "0"));
    }
    return write_to(group + "/cgroup.procs", std::to_string(pid));
  };
  const Status held = hold();
  if (!held.ok()) ::rmdir(group.c_str());
  return held;
}

Result<WorkerCgroups::Held> WorkerCgroups::held(uint32_t worker) const {
  const std::string group = folder_of(worker);
  const std::string effective = text_of(group + "/cpuset.cpus.effective");
  Held held;
  held.cpus = parse_cpu_list(effective.empty() ? text_of(group + "/cpuset.cpus") : effective);
  if (held.cpus.empty()) return Error{Code::kNotFound, group + " holds nothing"};
  const std::string memory = text_of(group + "/memory.max");
  std::from_chars(memory.data(), memory.data() + memory.size(), held.memory_bytes);  // "max": 0
  return held;
}

void WorkerCgroups::remove(uint32_t worker) { ::rmdir(folder_of(worker).c_str()); }

}  // namespace corolla::slice
