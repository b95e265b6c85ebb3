// Slices of one GPU by green contexts: SMs of their own, all inside ONE worker process, from one
// split. They share that process's copy of the weights, its memory and its faults.
//
// Profiles: "sm:16+16+100", one whole split, which is one Slice here: the worker is told the sizes
// (engine option green=16,16,100) and runs so many batches at once. Two splits of one GPU, or a
// split beside other processes, are allowed, and overlap: nothing but the process keeps them apart.
//
// Nothing on the device is changed, and no root is needed.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "slice/cuda_driver.h"
#include "slice/slice_provider.h"
#include "slice/slice_wish.h"

namespace corolla::slice {

class GreenProvider : public SliceProvider {
 public:
  explicit GreenProvider(uint32_t device, std::string cuda_library = kCudaLibrary)
      : device_(device), library_(std::move(cuda_library)) {}

  // sm_count is what the driver says of all contexts together.
  Result<std::vector<Slice>> observe() override;
  // Asks the driver for the split: kInvalidArgument with the numbers if it does not fit.
  Status check(const Carve& want) override;
  Status apply(const Carve& want) override;

 private:
  Result<std::vector<SizedProfile>> profiles_of_carve(const Carve& want) const;
  Result<std::vector<uint32_t>> sms_of(const SizedProfile& profile);

  const uint32_t device_;
  const std::string library_;
  std::optional<GpuFacts> facts_;
  std::map<std::string, std::vector<uint32_t>> splits_;  // by profile, as the driver makes them
  std::map<std::string, Slice> slices_;                  // by id
};

}  // namespace corolla::slice
