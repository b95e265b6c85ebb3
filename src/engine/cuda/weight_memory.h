// The weights of a plan on the device: one copy for all workers of it, where they can share memory,
// and else one of our own.
//
// Shared weights are mapped read-only by everybody, and compared with ours when they come from
// another worker: whatever that one did, we compute with what our plan holds.
//
// Not thread-safe.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"
#include "engine/cuda/device_memory.h"
#include "engine/cuda/shareable_memory.h"
#include "engine/memory_sharing.h"

namespace corolla::engine::cuda {

class WeightMemory {
 public:
  WeightMemory() = default;
  // Copies `weights` to the current device, or finds them there. `sharing` may be null; it outlives
  // this. An Error says that there is no memory, or that the device fails: never that nothing can
  // be shared.
  static Result<WeightMemory> make(std::span<const std::byte> weights, MemorySharing* sharing,
                                   const std::string& model);
  WeightMemory(WeightMemory&&) noexcept = default;
  WeightMemory& operator=(WeightMemory&&) noexcept = default;

  std::byte* data() const { return shared_.data() != nullptr ? shared_.data() : own_.data(); }
  enum class Kind { kOwn, kMade, kFound };  // ours alone; shared, and by whom it was made
  Kind kind() const { return kind_; }

 private:
  // Says that the memory is used no more.
  class Claim {
   public:
    Claim() = default;
    Claim(MemorySharing& sharing, std::string name) : sharing_(&sharing), name_(std::move(name)) {}
    Claim(Claim&& other) noexcept
        : sharing_(std::exchange(other.sharing_, nullptr)), name_(std::move(other.name_)) {}
    Claim& operator=(Claim&& other) noexcept {
      std::swap(sharing_, other.sharing_);
      std::swap(name_, other.name_);
      return *this;
    }
    ~Claim() {
      if (sharing_ != nullptr) sharing_->drop(name_);
    }

   private:
    MemorySharing* sharing_ = nullptr;
    std::string name_;
  };

  Status share(std::span<const std::byte> weights, MemorySharing& sharing);
  Status make_shared(std::span<const std::byte> weights, MemorySharing& sharing,
                     const std::string& name);
  Status find_shared(std::span<const std::byte> weights, const Fd& descriptor);

  Kind kind_ = Kind::kOwn;
  DeviceMemory own_;
  Claim claim_;
  ShareableMemory shared_;  // unmapped before it is said to be used no more
};

}  // namespace corolla::engine::cuda
