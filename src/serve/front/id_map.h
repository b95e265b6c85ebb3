// A flat hash table from 64-bit ids to 32-bit indices: linear probing, backward-shift deletion.
// Allocates only when it grows, so that in the steady state looking up, adding and taking away an
// id touch one or two cache lines and no allocator.
//
// Not thread-safe.
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

namespace corolla::front {

class IdMap {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  IdMap() : cells_(kLeast), mask_(kLeast - 1) {}

  // kNone when `id` is not there.
  uint32_t find(uint64_t id) const {
    for (size_t i = home(id);; i = (i + 1) & mask_) {
      if (cells_[i].value == kNone) return kNone;
      if (cells_[i].id == id) return cells_[i].value;
    }
  }

  // REQUIRES: `id` is not there; value != kNone.
  void add(uint64_t id, uint32_t value) {
    if ((size_ + 1) * 2 > cells_.size()) grow();
    put(id, value);
    ++size_;
  }

  // True if it was there.
  bool remove(uint64_t id) {
    size_t i = home(id);
    for (;; i = (i + 1) & mask_) {
      if (cells_[i].value == kNone) return false;
      if (cells_[i].id == id) break;
    }
    for (size_t j = i;;) {
      j = (j + 1) & mask_;
      if (cells_[j].value == kNone) break;
      // The cell at j may move to the hole at i only if its home does not lie between them.
      if (((j - home(cells_[j].id)) & mask_) >= ((j - i) & mask_)) {
        cells_[i] = cells_[j];
        i = j;
      }
    }
    cells_[i].value = kNone;
    --size_;
    return true;
  }

  size_t size() const { return size_; }

 private:
  static constexpr size_t kLeast = 64;
  struct Cell {
    uint64_t id = 0;
    uint32_t value = kNone;
  };

  size_t home(uint64_t id) const {
    return static_cast<size_t>((id * 0x9E3779B97F4A7C15u) >> 20) & mask_;
  }
  void put(uint64_t id, uint32_t value) {
    size_t i = home(id);
    while (cells_[i].value != kNone) i = (i + 1) & mask_;
    cells_[i] = {id, value};
  }
  void grow() {
    std::vector<Cell> old(cells_.size() * 2);
    old.swap(cells_);
    mask_ = cells_.size() - 1;
    for (const Cell& c : old)
      if (c.value != kNone) put(c.id, c.value);
  }

  std::vector<Cell> cells_;
  size_t mask_;
  size_t size_ = 0;
};

}  // namespace corolla::front
