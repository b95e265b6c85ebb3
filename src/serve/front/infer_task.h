// One inference request inside the front, from its first byte to its answer. It belongs to one I/O
// thread (its exchange's); the part below `dispatch` is shared with whoever holds the switchboard's
// lock.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "link/shared_layout.h"
#include "serve/front/infer_checks.h"
#include "serve/front/served_model.h"
#include "serve/front/shm_registry.h"
#include "wire/exchange.h"
#include "wire/infer_message.h"

namespace corolla::front {

class WorkerLink;

struct InferTask {
  // --- fixed while the task lives ---
  RequestId id = 0;  // thread, generation and place in the slab
  uint16_t thread = 0;

  // --- the owning I/O thread's ---
  wire::Exchange* exchange = nullptr;  // nullptr: the client has gone
  bool streamed = false;               // one message of a ModelStreamInfer
  std::shared_ptr<const ServedModel> model;
  wire::InferRequest request;
  CheckedRequest checked;
  std::optional<uint64_t> slot;     // arena offset
  std::vector<ShmRef> shm_regions;  // of its inputs, held until the answer
  TimePoint arrived{};
  TimePoint queued{};
  bool collected = false;  // its answer has been read and is about to be handled

  // --- under the switchboard's lock, from submit() to collect() ---
  struct Dispatch {
    std::shared_ptr<WorkerLink> worker;  // bound to; empty while it waits
    uint64_t batch = 0;
    uint64_t reply = 0;  // offset in the worker's reply slots
    uint64_t reply_capacity = 0;
    uint64_t reply_wanted = 0;  // bytes to reserve for the reply next time
    TimePoint bound{};
    uint32_t tries = 0;    // workers it was given to
    bool waiting = false;  // with the dispatcher or a worker
  } dispatch;
};

// The tasks of one I/O thread: stable addresses, reused. The id of a task that has ended finds
// nothing. find() may be called by whoever holds the switchboard's lock, for tasks that are with
// the dispatcher; everything else by the owning thread.
class TaskSlab {
 public:
  explicit TaskSlab(uint16_t thread) : thread_(thread) {}

  InferTask& create();
  void destroy(InferTask& task);
  InferTask* find(RequestId id);

  static uint16_t thread_of(RequestId id) { return static_cast<uint16_t>(id >> 56); }
  size_t live() const { return live_; }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kMaxChunks = 1024;
  static uint32_t index_of(RequestId id) { return static_cast<uint32_t>(id & 0xffffff); }

  const uint16_t thread_;
  // Chunks are published by their pointer and never move, so that a lookup from another thread
  // needs no lock of ours.
  std::atomic<InferTask*> chunks_[kMaxChunks] = {};
  std::vector<std::unique_ptr<InferTask[]>> owned_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
};

}  // namespace corolla::front
