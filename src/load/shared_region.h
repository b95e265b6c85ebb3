// A named POSIX shared memory object, for servers that read a client's tensors in place. The name
// goes when the owner goes.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/shared_memory.h"

namespace corolla::load {

class SharedRegion {
 public:
  // `key` begins with '/'. kInternal when the system has no room, with the size.
  static Result<SharedRegion> create(const std::string& key, size_t bytes);
  SharedRegion(SharedRegion&& other) noexcept
      : key_(std::exchange(other.key_, {})), map_(std::move(other.map_)) {}
  SharedRegion& operator=(SharedRegion&& other) noexcept;
  ~SharedRegion();

  const std::string& key() const { return key_; }
  std::span<std::byte> bytes() const { return map_.bytes(); }

 private:
  SharedRegion() = default;
  std::string key_;
  Mapping map_;
};

}  // namespace corolla::load
