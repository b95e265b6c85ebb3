// BYTES tensors in binary form: each element is a 4-byte little-endian length and that many bytes.
// Stateless and thread-safe.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla::wire {

// Walks the elements; views point into the tensor. next() is nullopt at the end and also where the
// bytes are not a whole element: broken() tells the two apart.
class BytesReader {
 public:
  explicit BytesReader(std::span<const std::byte> tensor) : rest_(tensor) {}
  std::optional<std::string_view> next();
  bool broken() const { return broken_; }

 private:
  std::span<const std::byte> rest_;
  bool broken_ = false;
};

// kInvalidArgument unless `tensor` is exactly `count` whole elements; the sentence names tensor and
// element.
Status check_bytes_tensor(std::string_view name, std::span<const std::byte> tensor, int64_t count);

// Appends one element. REQUIRES: element.size() < 2^32.
void append_bytes_element(std::string& tensor, std::string_view element);

}  // namespace corolla::wire
