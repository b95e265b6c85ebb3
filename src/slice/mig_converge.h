// The one primitive that changes a GPU: makes it exactly a given layout and touches nothing that is
// right already. Going forward, going back and mending are this with different targets.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "slice/mig_journal.h"
#include "slice/nvml.h"

namespace corolla::slice {

// By extent.
std::vector<Placement> layout_of(const std::vector<GpuInstance>& instances);

// The instance of the same profile in the same place; nullptr: none.
const GpuInstance* instance_at(const std::vector<GpuInstance>& instances,
                               const Placement& placement);

// Which compute instances of `instance` are more than `wanted` (sizes) has; and, as sizes, which of
// `wanted` are missing. Those in use are kept before idle ones.
struct ComputeDifference {
  std::vector<const MigDevice*> surplus;  // of `instance`
  std::vector<uint32_t> missing;          // largest first: small ones fit the gaps, not vice versa
};
ComputeDifference compute_difference(const GpuInstance& instance, std::vector<uint32_t> wanted);

// Stops at the first error. What was asked for is read back: a difference is kInternal.
Status converge(Nvml& nvml, uint32_t device, const MigState& target);

// "GPU 0 has now 1g.5gb at 0, 1g.5gb at 1": for the sentence when nothing could be restored.
std::string present_text(Nvml& nvml, uint32_t device);

}  // namespace corolla::slice
