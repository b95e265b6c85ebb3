#include "serve/front/slot_pool.h"

#include "base/check.h"

namespace corolla::front {

SlotPool::SlotPool(OwnedMemory memory)
    : memory_(std::move(memory)), arena_(memory_.map.size()), wake_(32) {}

void SlotPool::free(uint64_t offset) {
  arena_.free(offset);
  const uint32_t waiting = waiting_threads_.load(std::memory_order_acquire);
  if (waiting == 0) return;
  for (size_t thread = 0; thread < wake_.size(); ++thread)
    if ((waiting >> thread & 1) && wake_[thread]) wake_[thread]();
}

void SlotPool::set_wake(size_t thread, std::function<void()> wake) {
  CHECK(thread < wake_.size());
  wake_[thread] = std::move(wake);
}

void SlotPool::waiting(size_t thread, bool is) {
  if (is) {
    waits_.fetch_add(1, std::memory_order_relaxed);
    waiting_threads_.fetch_or(1u << thread, std::memory_order_acq_rel);
  } else {
    waiting_threads_.fetch_and(~(1u << thread), std::memory_order_acq_rel);
  }
}

}  // namespace corolla::front
