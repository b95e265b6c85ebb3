// The CPUs that this process may use: physical cores, their hardware threads, and the memory node
// that each is near.
//
// Read from /sys, the affinity mask and the cgroup's quota; a plain value afterwards.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace corolla::slice {

struct PhysicalCore {
  std::vector<uint32_t> threads;  // the kernel's CPU numbers, ascending; only those we may use
  uint32_t package = 0;
  uint32_t node = 0;
  bool operator==(const PhysicalCore&) const = default;
};

struct Topology {
  std::vector<PhysicalCore> cores;  // ordered by their first thread
  double quota = 0;                 // how many CPUs' worth of time the cgroup grants; 0: no limit

  size_t threads() const;
  // How many whole CPUs of time there are: all threads, or what the quota grants, and at least one.
  size_t usable() const;
};

// `root` is empty but in tests. kInternal if `allowed` is empty. A machine that does not describe
// its cores (some virtual ones) counts each CPU as one.
Result<Topology> read_topology(const std::string& root, const std::vector<uint32_t>& allowed);
// Of this machine and this process.
Result<Topology> read_topology();

// "0-3,8" -> {0,1,2,3,8}; empty on nonsense. The kernel's notation for sets of CPUs.
std::vector<uint32_t> parse_cpu_list(std::string_view text);
std::string cpu_list_text(const std::vector<uint32_t>& cpus);

}  // namespace corolla::slice
