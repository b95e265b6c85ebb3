// Slices of one GPU by MPS: each worker's process may use at most a percentage of the SMs, and at
// most so much memory if a limit is said. A cap on how many SMs, not a choice of which: two slices
// may meet on one. All slices of the GPU share one MPS server, and its faults.
//
// Profiles: "mps:25", "mps:25@10GiB". Shares may be unequal, and may add up to more than 100.
//
// Nothing on the device is changed: a control daemon of our own (mps_daemon.h) runs while there are
// slices, and each worker is told of it by its environment. Works without root where the driver
// lets this user's processes use the GPU.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "slice/cuda_driver.h"
#include "slice/mps_daemon.h"
#include "slice/slice_provider.h"
#include "slice/slice_wish.h"

namespace corolla::slice {

struct MpsSetup {
  std::string runtime_dir;                          // where the daemon's folder is made
  std::string control = "nvidia-cuda-mps-control";  // a path, or looked for on PATH
  std::string cuda_library = kCudaLibrary;
};

class MpsProvider : public SliceProvider {
 public:
  MpsProvider(uint32_t device, MpsSetup setup) : device_(device), setup_(std::move(setup)) {}

  // In the order of their numbers. sm_count is 0: only a process under MPS can ask for its own.
  Result<std::vector<Slice>> observe() override;
  // kUnavailable: no driver, no control program. kInvalidArgument: a share, a limit or a GPU that
  // cannot be.
  Status check(const Carve& want) override;
  // Starts the daemon with the first slice and ends it with the last. Never kBusy.
  Status apply(const Carve& want) override;
  // A server that died or says that it handles a fault, or a daemon that died (it is started
  // again): every slice of the GPU.
  std::vector<SliceFault> faults() override;
  // terminate_client: so that a killed process leaves nothing behind in the server.
  void before_kill(const Slice& slice, pid_t worker) override;

  const MpsDaemon* daemon() const { return daemon_.get(); }

 private:
  Result<std::vector<SizedProfile>> profiles_of_carve(const Carve& want) const;
  Status start_daemon();
  Slice make_slice(const SizedProfile& profile, uint32_t number) const;
  std::vector<SliceFault> all_failed(const std::string& reason) const;
  std::string new_in_logs();
  std::optional<std::string> what_broke();

  const uint32_t device_;
  const MpsSetup setup_;
  std::string program_;
  std::optional<GpuFacts> facts_;
  std::unique_ptr<MpsDaemon> daemon_;
  std::map<uint32_t, Slice> slices_;  // by number

  std::set<pid_t> servers_;
  std::map<std::string, uint64_t> log_seen_;  // bytes of each log that were read
  TimePoint daemon_again_{};
};

}  // namespace corolla::slice
