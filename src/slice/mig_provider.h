// Slices of one GPU by MIG: own SMs, own memory, own cache share, own faults.
//
// Profiles are the device's own: "1g.10gb", "1g.10gb+me", "2c.3g.40gb". A slice's id is its MIG
// UUID; its worker is born with CUDA_VISIBLE_DEVICES=MIG-<uuid>. What exists is always asked of the
// driver.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "slice/mig_control.h"
#include "slice/nvml.h"
#include "slice/slice_provider.h"

namespace corolla::slice {

class MigProvider : public SliceProvider {
 public:
  // `nvml` is shared by the providers of one process. `state_directory`: see mig_control.h.
  MigProvider(std::shared_ptr<Nvml> nvml, uint32_t device,
              std::string state_directory = mig_state_directory());

  // Needs no root. Ordered by GPU instance, then compute instance.
  Result<std::vector<Slice>> observe() override;
  Status check(const Carve& want) override;
  // Needs root, unless nothing is to change. Turns MIG on if it must. kBusy names the processes on
  // slices that must go: ask leaving() and drain those first. An empty carve removes all slices and
  // leaves MIG on.
  Status apply(const Carve& want) override;

  // The ids of the slices that apply(want) would remove. Changes nothing.
  Result<std::vector<std::string>> leaving(const Carve& want) override;

  uint32_t device() const { return device_; }

 private:
  std::shared_ptr<Nvml> nvml_;
  uint32_t device_;
  MigControl control_;
};

// Opens the driver's library and makes a provider for each GPU in `devices`, in that order. Errors
// as open_nvml's; kNotFound for a device that is not there.
Result<std::vector<std::unique_ptr<MigProvider>>> make_mig_providers(
    const std::vector<uint32_t>& devices);

// The Slice that a MIG device is.
Slice slice_of(const MigDevice& device);

}  // namespace corolla::slice
