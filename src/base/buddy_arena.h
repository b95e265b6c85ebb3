// A BuddyArena hands out offsets within a region of memory that it never touches itself: the
// request arena's slots and each worker's reply slots. Blocks are powers of two of 4 KiB pages,
// aligned to 4 KiB (so also to the 64 bytes that tensors need).
//
// What was freed last is handed out first, and the low half of a block before its high half: pages
// that are in memory (and in the caches) already are used again before new ones are touched.
//
// Thread-safe. allocate() and free() take O(log n) under one lock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace corolla {

class BuddyArena {
 public:
  static constexpr size_t kPageBytes = 4096;

  // Manages [0, bytes), in whole pages; any number of them, not only powers of two. REQUIRES: less
  // than 2^31 pages.
  explicit BuddyArena(size_t bytes);
  BuddyArena(const BuddyArena&) = delete;
  BuddyArena& operator=(const BuddyArena&) = delete;

  // The offset of a block of at least `bytes` (0 counts as 1); nullopt when no free block is large
  // enough.
  std::optional<uint64_t> allocate(size_t bytes);
  // REQUIRES: `offset` came from allocate() and was not freed since (checked).
  void free(uint64_t offset);
  // The whole size of an allocated block: at least what was asked for. REQUIRES: as free().
  size_t block_bytes(uint64_t offset) const;

  struct Class {
    size_t block_bytes = 0;
    size_t free = 0;  // blocks of this size that lie whole and free
    size_t used = 0;
    size_t peak = 0;  // most ever used at once
  };
  struct Counters {
    size_t total_bytes = 0, used_bytes = 0, peak_bytes = 0;
    std::vector<Class> classes;  // from 4 KiB up
  };
  Counters counters() const;
  // The largest block that allocate() could ever return: a request over this never fits.
  size_t largest_block() const { return kPageBytes << (heads_.size() - 1); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  enum State : uint8_t {
    kInside = 0,
    kFree = 0x40,
    kUsed = 0x80
  };  // of a block's first page; the rest holds its order

  static size_t order_for(size_t bytes);
  void push(uint32_t page, size_t order);
  void unlink(uint32_t page, size_t order);
  size_t used_order(uint64_t offset) const;

  mutable std::mutex mutex_;
  uint32_t pages_;
  std::vector<uint8_t> state_;         // a page's State | order
  std::vector<uint32_t> next_, prev_;  // free lists through first pages
  std::vector<uint32_t> heads_;        // by order
  Counters counters_;
};

}  // namespace corolla
