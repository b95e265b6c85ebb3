// One worker as the front sees it: its channel, the rings to it, and the slots of its reply region,
// which the front hands out.
//
// Threads: three parties touch a link, each its own part:
//   the control thread           the channel (attach, models, regions)
//   whoever holds the switchboard's lock   submit(), reply slots, what is outstanding
//   I/O thread t                 completions(t), and reading replies of completed requests
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/buddy_arena.h"
#include "base/shared_memory.h"
#include "base/time.h"
#include "link/channel.h"
#include "link/rings.h"
#include "serve/front/dispatcher.h"

namespace corolla::front {

class WorkerLink {
 public:
  // Makes our region and the doorbell, and sends Attach with `arena` and the I/O threads'
  // doorbells.
  static Result<std::shared_ptr<WorkerLink>> attach(WorkerId id, const link::SliceInfo& slice,
                                                    link::Channel channel, const Fd& arena,
                                                    size_t arena_bytes,
                                                    const std::vector<int>& io_doorbells);

  const WorkerId id;
  const link::SliceInfo slice;
  const std::string kind;  // key of service times: slice kind and profile

  // ---- control thread ----
  link::Channel channel;
  // The worker has answered Attach: maps its reply region and makes the readers. Before this
  // nothing may be submitted.
  Status attached(const link::Attached& message, const Fd& reply_region);
  bool is_attached() const { return static_cast<bool>(reply_map_); }
  std::string engine;
  uint32_t lanes = 1;  // batches that it runs at once

  // ---- switchboard's lock ----
  Status submit(std::span<const link::SubmitEntry> entries) { return writer_->push(entries); }
  std::optional<uint64_t> allocate_reply(size_t bytes) { return replies_->allocate(bytes); }
  std::set<RequestId> outstanding;
  TimePoint last_progress{};  // a batch was bound to an idle worker, or an answer came
  uint64_t completed = 0;
  Duration busy{0};  // sum of batch times as the worker measured them

  // ---- any thread ----
  void free_reply(uint64_t offset) { replies_->free(offset); }
  std::atomic<bool> gone{false};    // lost; completions are ignored
  std::atomic<bool> broken{false};  // sent what cannot be; the control thread gives it up

  // ---- I/O thread `thread` ----
  link::CompletionReader& completions(size_t thread) { return readers_[thread]; }
  // The reply slot's memory, read-only: `capacity` bytes as reserved.
  std::span<const std::byte> reply(uint64_t offset, uint64_t capacity) const {
    return std::span<const std::byte>(reply_map_.data() + link::kReplyDataOffset, reply_bytes_)
        .subspan(offset, capacity);
  }

 private:
  WorkerLink(WorkerId worker, const link::SliceInfo& info, link::Channel ch, OwnedMemory submit,
             Fd doorbell, size_t threads);

  OwnedMemory submit_;
  Fd doorbell_;
  const size_t threads_;
  Mapping reply_map_;
  size_t reply_bytes_ = 0;
  std::unique_ptr<BuddyArena> replies_;
  std::optional<link::SubmitWriter> writer_;
  std::vector<link::CompletionReader> readers_;
};

}  // namespace corolla::front
