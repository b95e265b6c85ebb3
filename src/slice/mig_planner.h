// Where GPU instances go: a pure function from a device's own placement table to a layout.
//
// The search is exact: if any layout holds the wish, one is found. Among those it takes, in this
// order, the one that keeps most MIG devices in use, then most MIG devices at all, then leaves room
// for the largest instance, then for most instances, then lies lowest.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "slice/nvml.h"
#include "slice/slice_provider.h"

namespace corolla::slice {

// "1g.5gb+me" or "2c.3g.20gb": which GPU instance, and how many of its compute slices.
struct MigProfileName {
  uint32_t compute_slices = 0;  // 0: all of the GPU instance's
  std::string gpu_instance;     // "1g.5gb+me": the name in the device's table
};
// kInvalidArgument, with the form that is expected.
Result<MigProfileName> parse_mig_profile(std::string_view name);
// "2c.3g.20gb" for two of a 3g.20gb's three; "3g.20gb" for all.
std::string mig_profile_name(const MigProfile& profile, uint32_t compute_slices);

// One GPU instance of a layout: exactly where it lies and what it is divided into.
struct Placement {
  uint32_t profile_id = 0;
  Extent extent;
  std::vector<uint32_t> compute;  // slices of each compute instance, largest first
  auto operator<=>(const Placement&) const = default;
};

// `wish` counts MIG devices: {"1c.3g.20gb", 3} is one GPU instance with three compute instances.
// The answer is ordered by extent.
//
// Errors, all kInvalidArgument: a name that is no profile or none of this device's; more than the
// device holds (the sentence has both numbers); a wish that no arrangement holds (the sentence says
// why, and what could be left out).
Result<std::vector<Placement>> place(const ProfileTable& table, const Carve& wish,
                                     const std::vector<GpuInstance>& existing);

}  // namespace corolla::slice
