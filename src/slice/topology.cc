#include "slice/topology.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace corolla::slice {
namespace {

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<uint32_t> number_in(const std::string& path) {
  const auto line = first_line(path);
  if (!line) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(line->data(), line->data() + line->size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

// "<quota> <period>" or "max <period>", in microseconds.
double quota_of(const std::string& line) {
  std::istringstream words(line);
  double quota = 0, period = 0;
  if (!(words >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

// The tightest quota on the way from this process's cgroup (version 2) to the root.
double cgroup_quota(const std::string& root) {
  std::ifstream own(root + "/proc/self/cgroup");
  std::string line;
  double tightest = 0;
  const auto consider = [&](double quota) {
    if (quota > 0 && (tightest == 0 || quota < tightest)) tightest = quota;
  };
  while (std::getline(own, line)) {
    if (line.rfind("0::", 0) != 0) continue;
    std::filesystem::path group = line.substr(3);
    for (;; group = group.parent_path()) {
      const auto limit = first_line(root + "/sys/fs/cgroup" + group.string() + "/cpu.max");
      if (limit) consider(quota_of(*limit));
      if (!group.has_relative_path()) break;
    }
  }
  // Version 1, as containers show it: at the mount's root.
  const auto quota = first_line(root + "/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const auto period = first_line(root + "/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota && period) consider(quota_of(*quota + " " + *period));
  return tightest;
}

}  // namespace

size_t Topology::threads() const {
  size_t count = 0;
  for (const PhysicalCore& core : cores) count += core.threads.size();
  return count;
}

size_t Topology::usable() const {
  const size_t all = threads();
  if (quota <= 0) return all;
  // A quota of 1.5 carries one slice well; a second would be throttled half of the time.
  return std::clamp<size_t>(static_cast<size_t>(quota + 0.01), 1, std::max<size_t>(all, 1));
}

std::vector<uint32_t> parse_cpu_list(std::string_view text) {
  std::vector<uint32_t> cpus;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text = comma < text.size() ? text.substr(comma + 1) : std::string_view();
    uint32_t first = 0;
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), first);
    if (error != std::errc()) return {};
    uint32_t last = first;
    if (end != part.data() + part.size()) {
      if (*end != '-') return {};
      const auto [stop, wrong] = std::from_chars(end + 1, part.data() + part.size(), last);
      if (wrong != std::errc() || stop != part.data() + part.size() || last < first ||
          last - first > 65536)
        return {};
    }
    for (uint32_t cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string cpu_list_text(const std::vector<uint32_t>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t j = i;
    while (j + 1 < cpus.size() && cpus[j + 1] == cpus[j] + 1) ++j;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[i]);
    if (j > i) text += '-' + std::to_string(cpus[j]);
    i = j + 1;
  }
  return text;
}

Result<Topology> read_topology(const std::string& root, const std::vector<uint32_t>& allowed) {
  if (allowed.empty()) return Error{Code::kInternal, "the affinity mask of this process is empty"};
  std::map<uint32_t, uint32_t> node_of;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(root + "/sys/devices/system/node", ignored)) {
    const std::string name = entry.path().filename().string();
    uint32_t node = 0;
    if (name.rfind("node", 0) != 0) continue;
    const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), node);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    for (uint32_t cpu : parse_cpu_list(first_line(entry.path() / "cpulist").value_or("")))
      node_of[cpu] = node;
  }
  // Keyed by the lowest sibling, allowed or not: it names the core.
  std::map<uint32_t, PhysicalCore> cores;
  for (uint32_t cpu : allowed) {
    const std::string folder =
        root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    auto siblings = parse_cpu_list(first_line(folder + "thread_siblings_list").value_or(""));
    if (siblings.empty()) siblings = {cpu};  // some virtual machines do not say
    PhysicalCore& core = cores[siblings.front()];
    core.threads.push_back(cpu);
    core.package = number_in(folder + "physical_package_id").value_or(0);
    core.node = node_of.contains(cpu) ? node_of[cpu] : 0;
  }
  Topology topology;
  for (auto& [first, core] : cores) {
    std::sort(core.threads.begin(), core.threads.end());
    topology.cores.push_back(std::move(core));
  }
  std::sort(
      topology.cores.begin(), topology.cores.end(),
      [](const PhysicalCore& a, const PhysicalCore& b) { return a.threads[0] < b.threads[0]; });
  topology.quota = cgroup_quota(root);
  return topology;
}

Result<Topology> read_topology() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<uint32_t> allowed;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) allowed.push_back(cpu);
  return read_topology("", allowed);
}

}  // namespace corolla::slice
