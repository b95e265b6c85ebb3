// From a worker's reply slot to the outputs of an answer.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "serve/front/classification.h"
#include "serve/front/infer_task.h"
#include "serve/front/switchboard.h"
#include "wire/infer_message.h"

namespace corolla::front {

// A worker's reply slot, given back to the worker when this goes. Movable.
class ReplySlot {
 public:
  ReplySlot(std::shared_ptr<WorkerLink> worker, uint64_t offset)
      : worker_(std::move(worker)), offset_(offset) {}
  ReplySlot(ReplySlot&&) noexcept = default;  // leaves no worker behind
  ReplySlot& operator=(ReplySlot&&) = delete;
  ~ReplySlot() {
    if (worker_) worker_->free_reply(offset_);
  }

 private:
  std::shared_ptr<WorkerLink> worker_;
  uint64_t offset_;
};

// The outputs that the client asked for, in its order (or the model's). Views point into the reply
// slot, or into `made` here: they are good as long as this is.
struct ReplyOutputs {
  // Less than this is copied into the answer: then the slot is free at once.
  static constexpr size_t kCopyBelow = 16 << 10;
  bool better_copied() const { return borrowed_bytes <= kCopyBelow; }

  ReplySlot slot;
  std::vector<wire::OutputTensor> tensors;
  std::vector<ClassTensor> made;  // classifications
  size_t borrowed_bytes = 0;      // of tensors that lie in the reply slot
};

// Writes an output into a client's registered memory.
using WriteShm = std::function<Status(const wire::ShmPlace&, std::span<const std::byte>)>;

// Takes the reply slot over, also when it fails. Every number in it is checked: a worker may be
// broken. kInternal then; kInvalidArgument when the engine refused the request's content; kInternal
// with the engine's sentence when it failed.
Result<ReplyOutputs> read_reply(const InferTask& task, const Arrival& arrival,
                                const WriteShm& write_shm);

// For wire::Reply::release: keeps what the answer's pieces point at until they are written.
std::function<void()> release_when_written(ReplyOutputs outputs);

}  // namespace corolla::front
