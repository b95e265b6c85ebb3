// What the CUDA driver says of a GPU: facts, and how it can be split into green contexts. The
// driver is opened by dlopen in a process of its own (child_probe.h): nothing of it stays.
//
// `library` is "libcuda.so.1" but in tests. Errors: kUnavailable where there is no driver, or one
// that is too old (the missing function is named); kNotFound for a device that is not there.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace corolla::slice {

inline constexpr const char* kCudaLibrary = "libcuda.so.1";

struct GpuFacts {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::string uuid;  // "GPU-..."
  uint32_t sm_count = 0;
  uint32_t major = 0, minor = 0;  // compute capability
  uint64_t memory_bytes = 0;
  bool operator==(const GpuFacts&) const = default;
};

Result<GpuFacts> read_gpu_facts(const std::string& library, uint32_t device);

// How many SMs each green context gets when the whole device is split into contexts of at least
// `sizes`. There is one split, into the smallest groups that the hardware has (8 SMs on an H100,
// and 12 that make no group), so that no two contexts overlap; each takes as many groups as it
// needs, the smaller ones first, and what makes no group goes to the largest where it needs it. In
// the order of `sizes`. kInvalidArgument, with the numbers, if they do not fit. REQUIRES: `sizes`
// is not empty.
Result<std::vector<uint32_t>> split_sms(const std::string& library, uint32_t device,
                                        const std::vector<uint32_t>& sizes);

}  // namespace corolla::slice
