// Sealed shared memory between processes that do not trust each other's writes.
//
// The owner creates a memfd, maps it read-write and seals it (F_SEAL_SHRINK, F_SEAL_GROW,
// F_SEAL_FUTURE_WRITE): from then on nobody, however it came by the descriptor, can map or write it
// but through the owner's existing map. Others map it read-only. The memory lives until the last
// map and descriptor are gone; there is no name, so nothing is left behind.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace corolla {

// A mapping, unmapped when it goes. Movable.
class Mapping {
 public:
  Mapping() = default;
  Mapping(std::byte* data, size_t size) : data_(data), size_(size) {}
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

struct OwnedMemory {
  Fd fd;        // to be passed to readers
  Mapping map;  // read-write, ours alone
};

// `size` is rounded up to whole pages. Pages take memory only once they are touched.
// kInternal when the kernel has no room or too few descriptors, with both numbers.
Result<OwnedMemory> create_sealed_memory(const std::string& name, size_t size);

// Maps another's sealed memory read-only, after checking that it is sealed against shrinking (else
// its owner could take pages away under us) and at least `least_size` bytes. kInvalidArgument
// otherwise.
Result<Mapping> map_sealed_readonly(const Fd& fd, size_t least_size);

// Memory that all who hold the descriptor may map and write, of a fixed size; zeros at first.
Result<Fd> create_shared_memory(const std::string& name, size_t size);
// Maps all of it. kInvalidArgument when it could be made shorter under us, or is smaller than
// `least_size`.
Result<Mapping> map_shared(const Fd& fd, size_t least_size);

}  // namespace corolla
