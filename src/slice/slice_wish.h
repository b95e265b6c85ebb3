// What somebody asks for on one device: slices of one kind. Says nothing of what is there; the
// kind's provider knows what fits.
//
// A plain value. Its profiles are what a SliceProvider's Carve counts:
//   "cores:4", "threads:1"     so many CPU cores or hardware threads
//   "1g.10gb"                  a MIG profile, as the driver names it
//   "mps:25"                   percent of a GPU's SMs, for one process under MPS
//   "sm:16+16+100"             one split of a GPU into green contexts, for one process
// With a memory limit, "@" and the bytes follow: "mps:25@10GiB", "cores:4@4GiB".
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "slice/slice_provider.h"

namespace corolla::slice {

struct SliceWish {
  std::string kind;             // "cores", "threads", "mig", "mps", "sm"
  std::vector<uint32_t> sizes;  // of each slice: cores, threads, percent, or SMs; empty for "mig"
  std::string profile;          // "mig" only
  uint32_t count = 0;           // "mig" only
  uint32_t device = 0;          // which GPU, as the driver counts them
  std::vector<uint64_t>
      memory;  // bytes of each slice, as `sizes`; empty: not limited. Not for "sm"
  bool operator==(const SliceWish&) const = default;
};

// A size of one slice, taken apart again.
struct SizedProfile {
  std::string kind;
  std::vector<uint32_t> sizes;  // one, but for "sm"
  uint64_t memory_bytes = 0;    // 0: not limited
  bool operator==(const SizedProfile&) const = default;
};

inline constexpr uint32_t kMostSlices = 256;  // of one fleet

// "cores" and "threads" are of the CPU; the others of a GPU.
bool on_gpu(std::string_view kind);

// The profile of each slice, in order; one for a whole "sm" split.
std::vector<std::string> profiles_of(const SliceWish& wish);
Carve carve_of(const SliceWish& wish);

// "mps:25@10GiB" and the like; kInvalidArgument for what has another form (such as a MIG profile).
Result<SizedProfile> parse_profile(std::string_view profile);
std::string profile_text(const SizedProfile& profile);

// "4GiB", "512MiB", "1000": the largest unit that says it exactly, and back.
std::string memory_text(uint64_t bytes);

}  // namespace corolla::slice
