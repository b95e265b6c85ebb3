#include "plan/lower/weight_store.h"

#include <cstdlib>
#include <cstring>

#include "plan/mapped_file.h"

namespace corolla::plan {

int64_t WeightStore::add(std::span<const std::byte> bytes) {
  const uint64_t hash = content_hash(bytes);
  for (auto [it, end] = by_hash_.equal_range(hash); it != end; ++it)
    if (it->second.size == bytes.size() &&
        std::memcmp(blob_.data() + it->second.offset, bytes.data(), bytes.size()) == 0)
      return it->second.offset;
  const size_t aligned =
      (blob_.size() + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment;
  blob_.resize(aligned);
  blob_.insert(blob_.end(), bytes.begin(), bytes.end());
  by_hash_.emplace(hash, Entry{static_cast<int64_t>(aligned), bytes.size()});
  return static_cast<int64_t>(aligned);
}

std::shared_ptr<const void> WeightStore::take(std::span<const std::byte>& bytes) {
  const size_t size = (blob_.size() + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment;
  void* memory = std::aligned_alloc(kWeightAlignment, std::max<size_t>(size, kWeightAlignment));
  CHECK(memory != nullptr, "no memory for weights");
  if (size > 0) {
    std::memset(memory, 0, size);
    std::memcpy(memory, blob_.data(), blob_.size());
  }
  bytes = {static_cast<const std::byte*>(memory), size};
  blob_.clear();
  by_hash_.clear();
  return {memory, [](const void* p) { std::free(const_cast<void*>(p)); }};
}

}  // namespace corolla::plan
