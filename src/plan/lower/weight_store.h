// Collects a plan's weights into one blob: equal ones once, each at an aligned offset.
#pragma once
#include <map>
#include <vector>

#include "plan/plan.h"

namespace corolla::plan {

class WeightStore {
 public:
  // The offset of these bytes in the blob.
  int64_t add(std::span<const std::byte> bytes);
  const std::vector<std::byte>& blob() const { return blob_; }
  // Empties the store. The blob's memory is 256-byte aligned in what is returned.
  std::shared_ptr<const void> take(std::span<const std::byte>& bytes);

 private:
  struct Entry {
    int64_t offset;
    size_t size;
  };
  std::vector<std::byte> blob_;
  std::multimap<uint64_t, Entry> by_hash_;
};

}  // namespace corolla::plan
