// Control groups (version 2) for workers on CPU slices: which CPUs, how much memory, how much CPU
// time. The kernel holds a worker to them, whatever threads it starts and whatever they ask for;
// affinity alone is only a habit that a process may change.
//
// Needs a group that was given to this process: systemd's Delegate=yes, or a group of its own that
// it may write. Then this process moves into a group beside its workers', since the kernel wants
// processes at the leaves only.
//
// Thread-safety: none; the keeper is the only caller.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "slice/slice_provider.h"

namespace corolla::slice {

class WorkerCgroups {
 public:
  // What the kernel says that a group is held to.
  struct Held {
    std::vector<uint32_t> cpus;
    uint64_t memory_bytes = 0;  // 0: not limited
    bool operator==(const Held&) const = default;
  };

  // `root` is empty but in tests. kUnavailable: why there are no groups to be had here; nothing is
  // changed then.
  static Result<WorkerCgroups> open(const std::string& fleet, const std::string& root = "");
  // Whether somebody has given this process its group on purpose (systemd's Delegate=yes).
  static bool delegated(const std::string& root = "");

  WorkerCgroups(WorkerCgroups&& other) noexcept;
  WorkerCgroups& operator=(WorkerCgroups&&) = delete;
  // Removes the groups that are empty.
  ~WorkerCgroups();

  // Makes the worker's group, with the slice's limits, and moves the process into it. On an Error
  // no group is left.
  Status place(uint32_t worker, const Slice& slice, pid_t pid);
  Result<Held> held(uint32_t worker) const;
  // After the worker's death.
  void remove(uint32_t worker);

 private:
  explicit WorkerCgroups(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_of(uint32_t worker) const;

  std::string folder_;  // of the fleet's group; empty: moved from
};

}  // namespace corolla::slice
