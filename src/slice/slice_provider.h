// A SliceProvider carves one device into slices. One implementation a mechanism: CPU cores
// (cores_provider.h), and for GPUs MIG, MPS and green contexts.
//
// Thread-safety: none; the keeper is the only caller. Calls may take as long as the device does.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace corolla::slice {

// How strong the walls between two slices are. Reported with every measurement: no chart may hide
// which one was used.
enum class Walls {
  kHardware,  // MIG: own SMs, memory, cache share and faults
  kCores,  // own CPU cores, held by affinity; the last-level cache and memory bandwidth are shared
  kCompute,  // green context: chosen SMs, but kept apart only inside one process; memory is shared
  kShare,    // MPS percentage: a cap on SMs, not a choice of them
};

// "hardware", "cores", "compute", "share": for logs, status and reports.
const char* walls_name(Walls walls);

// What a worker must know to be born on a slice. A plain value: safe to log, compare and send.
struct Slice {
  std::string id;       // stable for the life of this slice, unique on the machine: "cores:0",
                        // "cores:2-3", "MIG-..."
  std::string kind;     // "cores", "threads", "mig", "mps", "sm"
  std::string profile;  // "cores:1", "1g.18gb", "mps:14", "sm:16+16" (slice_wish.h)
  uint32_t device = 0;  // which GPU, as the driver counts them
  Walls walls = Walls::kCores;
  std::vector<uint32_t>
      cores;         // CPUs (the kernel's numbers, ascending) its worker is pinned to; empty: any
  int sm_count = 0;  // as the driver reports it, never as it was asked for
  uint64_t memory_bytes = 0;                      // 0: not limited
  std::map<std::string, std::string> worker_env;  // e.g. CUDA_VISIBLE_DEVICES=MIG-...
  bool operator==(const Slice&) const = default;
};

// A wish: how many of each profile. Order means nothing.
using Carve = std::map<std::string, int>;

// Something has broken under a slice's process, which may not know it yet: it should be replaced.
struct SliceFault {
  std::string slice;  // id
  std::string reason;
};

class SliceProvider {
 public:
  virtual ~SliceProvider() = default;

  // The slices that exist. Asks the device every time (MIG), or the operating system. Never answers
  // from memory of what apply() did where the device can be asked.
  virtual Result<std::vector<Slice>> observe() = 0;

  // kInvalidArgument with the reason if this device cannot hold `want`. Changes nothing.
  virtual Status check(const Carve& want) = 0;

  // The ids of slices that must have no process before apply(want) is called: those that it would
  // take from the device. Empty where slices are the processes' own, as with cores, MPS and green
  // contexts.
  virtual Result<std::vector<std::string>> leaving(const Carve& want);

  // Makes observe() match `want`, keeping every slice that both carves contain. kBusy if a slice
  // that must go still has a process on it. On any error the old carve is put back; if that fails
  // too, the Error says what is left on the device.
  virtual Status apply(const Carve& want) = 0;

  // What has broken since this was asked last; what the provider can mend is mended. Called a few
  // times a second, so it must be cheap while all is well.
  virtual std::vector<SliceFault> faults() { return {}; }

  // The worker of a slice is about to be killed: last words to the device on its behalf. Returns
  // within a few seconds.
  virtual void before_kill(const Slice&, pid_t) {}
};

}  // namespace corolla::slice
