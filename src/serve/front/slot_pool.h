// The request arena's slots, and who waits for one. When the arena is full the transports stop
// reading those connections that need a slot: nothing is buffered without bound. A freed slot wakes
// the I/O threads that have somebody waiting.
//
// Thread-safe.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/buddy_arena.h"
#include "base/shared_memory.h"

namespace corolla::front {

class SlotPool {
 public:
  // `memory`: the sealed arena, mapped read-write by us alone.
  explicit SlotPool(OwnedMemory memory);

  std::optional<uint64_t> allocate(size_t bytes) { return arena_.allocate(bytes); }
  void free(uint64_t offset);

  std::byte* at(uint64_t offset) const { return memory_.map.data() + offset; }
  const Fd& fd() const { return memory_.fd; }
  size_t bytes() const { return memory_.map.size(); }
  size_t block_bytes(uint64_t offset) const { return arena_.block_bytes(offset); }
  const BuddyArena& arena() const { return arena_; }

  // `wake` is called, from any thread, after a slot was freed while `waiting(thread, true)` stands.
  // One a thread; set before traffic.
  void set_wake(size_t thread, std::function<void()> wake);
  void waiting(size_t thread, bool is);
  uint64_t waits() const {
    return waits_.load(std::memory_order_relaxed);
  }  // times somebody began to wait

 private:
  OwnedMemory memory_;
  BuddyArena arena_;
  std::atomic<uint32_t> waiting_threads_{0};  // bit a thread
  std::vector<std::function<void()>> wake_;
  std::atomic<uint64_t> waits_{0};
};

}  // namespace corolla::front
