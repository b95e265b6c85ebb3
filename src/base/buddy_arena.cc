#include "base/buddy_arena.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace corolla {

BuddyArena::BuddyArena(size_t bytes) {
  CHECK(bytes / kPageBytes < (size_t{1} << 31));
  pages_ = static_cast<uint32_t>(bytes / kPageBytes);
  state_.assign(pages_, kInside);
  next_.assign(pages_, kNone);
  prev_.assign(pages_, kNone);
  const size_t orders = std::max<size_t>(1, std::bit_width(pages_));
  heads_.assign(orders, kNone);
  counters_.total_bytes = size_t{pages_} * kPageBytes;
  for (size_t order = 0; order < orders; ++order)
    counters_.classes.push_back({.block_bytes = kPageBytes << order});
  // A size that is no power of two is a row of ever smaller blocks, each aligned to its own size.
  uint32_t page = 0;
  while (page < pages_) {
    const size_t order = static_cast<size_t>(std::bit_width(pages_ - page)) - 1;
    push(page, order);
    page += uint32_t{1} << order;
  }
}

size_t BuddyArena::order_for(size_t bytes) {
  if (bytes <= kPageBytes) return 0;
  return static_cast<size_t>(std::bit_width((bytes - 1) / kPageBytes));
}

void BuddyArena::push(uint32_t page, size_t order) {
  state_[page] = static_cast<uint8_t>(kFree | order);
  prev_[page] = kNone;
  next_[page] = heads_[order];
  if (heads_[order] != kNone) prev_[heads_[order]] = page;
  heads_[order] = page;
  ++counters_.classes[order].free;
}

void BuddyArena::unlink(uint32_t page, size_t order) {
  if (prev_[page] != kNone)
    next_[prev_[page]] = next_[page];
  else
    heads_[order] = next_[page];
  if (next_[page] != kNone) prev_[next_[page]] = prev_[page];
  state_[page] = kInside;
  --counters_.classes[order].free;
}

std::optional<uint64_t> BuddyArena::allocate(size_t bytes) {
  const size_t order = order_for(bytes);
  std::lock_guard lock(mutex_);
  size_t found = order;
  while (found < heads_.size() && heads_[found] == kNone) ++found;
  if (found >= heads_.size()) return std::nullopt;
  const uint32_t page = heads_[found];
  unlink(page, found);
  while (found > order) {
    --found;
    push(page + (uint32_t{1} << found), found);
  }
  state_[page] = static_cast<uint8_t>(kUsed | order);
  Class& sizes = counters_.classes[order];
  sizes.peak = std::max(sizes.peak, ++sizes.used);
  counters_.used_bytes += sizes.block_bytes;
  counters_.peak_bytes = std::max(counters_.peak_bytes, counters_.used_bytes);
  return uint64_t{page} * kPageBytes;
}

size_t BuddyArena::used_order(uint64_t offset) const {
  CHECK(offset % kPageBytes == 0 && offset / kPageBytes < pages_,
        "an offset that was never handed out");
  const uint8_t state = state_[offset / kPageBytes];
  CHECK(state & kUsed, "an offset that is not in use: freed twice?");
  return state & 0x3f;
}

void BuddyArena::free(uint64_t offset) {
  std::lock_guard lock(mutex_);
  size_t order = used_order(offset);
  uint32_t page = static_cast<uint32_t>(offset / kPageBytes);
  --counters_.classes[order].used;
  counters_.used_bytes -= counters_.classes[order].block_bytes;
  state_[page] = kInside;
  while (order + 1 < heads_.size()) {
    const uint32_t buddy = page ^ (uint32_t{1} << order);
    if (buddy >= pages_ || state_[buddy] != (kFree | order)) break;
    unlink(buddy, order);
    page = std::min(page, buddy);
    ++order;
  }
  push(page, order);
}

size_t BuddyArena::block_bytes(uint64_t offset) const {
  std::lock_guard lock(mutex_);
  return kPageBytes << used_order(offset);
}

BuddyArena::Counters BuddyArena::counters() const {
  std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace corolla
