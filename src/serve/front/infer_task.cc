#include "serve/front/infer_task.h"

#include "base/check.h"

namespace corolla::front {

InferTask& TaskSlab::create() {
  if (free_.empty()) {
    const uint32_t chunk = static_cast<uint32_t>(owned_.size());
    CHECK(chunk < kMaxChunks, "more requests at once than a front can number");
    owned_.push_back(std::make_unique<InferTask[]>(kChunk));
    for (uint32_t i = 0; i < kChunk; ++i) {
      InferTask& task = owned_.back()[i];
      task.thread = thread_;
      task.id = uint64_t{thread_} << 56 | uint64_t{1} << 24 | (chunk * kChunk + i);
      free_.push_back(chunk * kChunk + kChunk - 1 - i);
    }
    chunks_[chunk].store(owned_.back().get(), std::memory_order_release);
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  ++live_;
  return owned_[index / kChunk][index % kChunk];
}

void TaskSlab::destroy(InferTask& task) {
  CHECK(!task.dispatch.waiting && !task.slot && task.shm_regions.empty());
  const uint32_t index = index_of(task.id);
  const uint64_t generation = (task.id >> 24 & 0xffffffff) + 1;
  task.id = uint64_t{thread_} << 56 | (generation & 0xffffffff) << 24 | index;
  task.exchange = nullptr;
  task.streamed = false;
  task.collected = false;
  task.model.reset();
  task.request = {};
  task.dispatch = {};
  free_.push_back(index);
  --live_;
}

InferTask* TaskSlab::find(RequestId id) {
  const uint32_t index = index_of(id);
  if (thread_of(id) != thread_ || index / kChunk >= kMaxChunks) return nullptr;
  InferTask* chunk = chunks_[index / kChunk].load(std::memory_order_acquire);
  if (!chunk) return nullptr;
  InferTask& task = chunk[index % kChunk];
  return task.id == id ? &task : nullptr;
}

}  // namespace corolla::front
