// What this process and its machine use, read from /proc. What cannot be read is zero.
#pragma once
#include <cstdint>
#include <mutex>

namespace corolla {

struct ProcessUse {
  double cpu_seconds = 0;  // user and system, since the process began
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_descriptors = 0;
  uint64_t threads = 0;
  double started_seconds = 0;  // since 1970
};
ProcessUse process_use();

struct MemoryUse {
  uint64_t total_bytes = 0, used_bytes = 0;  // used: not available to a new process
};
MemoryUse machine_memory();

// How busy the machine's cores were, 0 ... 1. Thread-safe.
class CpuMeter {
 public:
  CpuMeter() { utilization(); }
  // Since the last call that was at least a tenth of a second after the one before; between such
  // calls the answer stays the same.
  double utilization();

 private:
  std::mutex mutex_;
  uint64_t busy_ = 0, all_ = 0;
  double last_ = 0;
};

}  // namespace corolla
