#include "base/machine_use.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace corolla {
namespace {

double ticks_per_second() { return static_cast<double>(std::max(1L, sysconf(_SC_CLK_TCK))); }

// The cpu line of /proc/stat: user nice system idle iowait irq softirq steal.
void read_cpu(uint64_t& busy, uint64_t& all) {
  std::ifstream in("/proc/stat");
  std::string word;
  in >> word;
  busy = all = 0;
  uint64_t ticks = 0;
  for (int field = 0; field < 8 && in >> ticks; ++field) {
    all += ticks;
    if (field != 3 && field != 4) busy += ticks;
  }
}

// When the machine started, in seconds since 1970.
double boot_time() {
  std::ifstream in("/proc/stat");
  std::string word;
  double value = 0;
  while (in >> word)
    if (word == "btime" && in >> value) return value;
  return 0;
}

}  // namespace

ProcessUse process_use() {
  ProcessUse use;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    use.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  // The name in parentheses may hold spaces; what follows it starts at field 3.
  const size_t end = line.rfind(')');
  if (end != std::string::npos) {
    std::istringstream fields(line.substr(end + 1));
    std::string value;
    for (int field = 3; field <= 24 && fields >> value; ++field) {
      if (field == 20) use.threads = std::stoull(value);
      if (field == 22) {
        static const double kBoot = boot_time();
        use.started_seconds = kBoot + std::stod(value) / ticks_per_second();
      }
      if (field == 23) use.virtual_bytes = std::stoull(value);
      if (field == 24)
        use.resident_bytes = std::stoull(value) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    }
  }
  if (DIR* dir = opendir("/proc/self/fd")) {
    while (const dirent* entry = readdir(dir)) use.open_descriptors += entry->d_name[0] != '.';
    closedir(dir);
    if (use.open_descriptors > 0) --use.open_descriptors;  // the one that looked
  }
  return use;
}

MemoryUse machine_memory() {
  MemoryUse use;
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  uint64_t kib = 0, available = 0;
  while (in >> key >> kib) {
    std::getline(in, unit);
    if (key == "MemTotal:") use.total_bytes = kib * 1024;
    if (key == "MemAvailable:") available = kib * 1024;
  }
  use.used_bytes = use.total_bytes - std::min(available, use.total_bytes);
  return use;
}

double CpuMeter::utilization() {
  const std::lock_guard lock(mutex_);
  uint64_t busy = 0, all = 0;
  read_cpu(busy, all);
  const double least = 0.1 * ticks_per_second();  // of one core's time
  if (all_ == 0 || (all > all_ && static_cast<double>(all - all_) >= least)) {
    if (all_ > 0 && busy >= busy_)
      last_ =
          std::clamp(static_cast<double>(busy - busy_) / static_cast<double>(all - all_), 0.0, 1.0);
    busy_ = busy;
    all_ = all;
  }
  return last_;
}

}  // namespace corolla
