// Memory that CUDA gave, given back at the end of a scope. Not thread-safe.
#pragma once
#include <cuda_runtime_api.h>

#include <string>
#include <utility>

#include "engine/cuda/cuda_error.h"

namespace corolla::engine::cuda {

class DeviceMemory {
 public:
  DeviceMemory() = default;
  // At least one byte. kTooLarge when there is not so much.
  static Result<DeviceMemory> make(size_t bytes, const std::string& what) {
    DeviceMemory made;
    CUDA_OR_RETURN("cannot have " + std::to_string(bytes) + " bytes of device memory for " + what,
                   cudaMalloc(&made.data_, bytes == 0 ? 1 : bytes));
    made.bytes_ = bytes;
    return made;
  }
  DeviceMemory(DeviceMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~DeviceMemory() {
    if (data_ != nullptr) (void)cudaFree(data_);
  }
  std::byte* data() const { return static_cast<std::byte*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Page-locked memory of the host.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  static Result<PinnedMemory> make(size_t bytes, const std::string& what) {
    PinnedMemory made;
    CUDA_OR_RETURN("cannot have " + std::to_string(bytes) + " bytes of pinned memory for " + what,
                   cudaMallocHost(&made.data_, bytes == 0 ? 1 : bytes));
    made.bytes_ = bytes;
    return made;
  }
  PinnedMemory(PinnedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~PinnedMemory() {
    if (data_ != nullptr) (void)cudaFreeHost(data_);
  }
  std::byte* data() const { return static_cast<std::byte*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace corolla::engine::cuda
