// Device memory that other processes on the same device can map, by a file descriptor.
//
// The maker maps it read-write until it says otherwise, everybody else read-only. It lives until
// the last map, and the last descriptor of it, is gone: nobody's death takes it from the others.
// Whoever holds a descriptor needs neither the driver nor the device for that.
//
// Not thread-safe.
#pragma once
#include <cstddef>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace corolla::engine::cuda {

class ShareableMemory {
 public:
  ShareableMemory() = default;
  // At least one byte, on the current device. kUnsupported: this driver or device shares nothing
  // so.
  static Result<ShareableMemory> make(size_t bytes);
  // What another process made with as many `bytes`. kUnsupported: the memory is not one that this
  // process can map (another GPU or MIG instance).
  static Result<ShareableMemory> import(const Fd& descriptor, size_t bytes);
  ShareableMemory(ShareableMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        mapped_(std::exchange(other.mapped_, 0)) {}
  ShareableMemory& operator=(ShareableMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~ShareableMemory();

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // A descriptor to be passed on. REQUIRES: made here, not imported.
  Result<Fd> descriptor() const;
  // From now on a kernel of ours that writes there faults. REQUIRES: made here.
  Status make_read_only();

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  size_t mapped_ = 0;  // bytes_ in whole granules
};

}  // namespace corolla::engine::cuda
