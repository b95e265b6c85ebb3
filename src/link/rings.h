// The four ends of the two rings between a front and one worker, over the layout of
// link/shared_layout.h.
//
//   front:   SubmitWriter ---- SubmitRegion ----> SubmitReader      :worker
//   front:   CompletionReader <-- ReplyRegion --- CompletionWriter  :worker   (one completion ring
//   for each I/O thread)
//
// Threads: each object belongs to one thread at a time (the front holds its dispatch lock around
// SubmitWriter; each I/O thread has its own CompletionReader). The objects do not own the regions,
// which must outlive them.
//
// Every number that comes from the other side is checked; a number that cannot be is an Error
// (kInternal): the other side is broken and should be given up.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/shared_memory.h"
#include "link/shared_layout.h"

namespace corolla::link {

// ---- regions
// --------------------------------------------------------------------------------------------------------

// New, sealed, with counters at zero. `reply_bytes`: room for reply slots behind the rings.
Result<OwnedMemory> create_submit_region();
Result<OwnedMemory> create_reply_region(size_t reply_bytes);
// The other side's, mapped read-only; kInvalidArgument when it is too small, not sealed, or of
// another layout version.
Result<Mapping> map_submit_region(const Fd& fd);
Result<Mapping> map_reply_region(const Fd& fd);

inline SubmitRegion& submit_region(const OwnedMemory& memory) {
  return *reinterpret_cast<SubmitRegion*>(memory.map.data());
}
inline ReplyRegion& reply_region(const OwnedMemory& memory) {
  return *reinterpret_cast<ReplyRegion*>(memory.map.data());
}
inline const SubmitRegion& submit_region(const Mapping& map) {
  return *reinterpret_cast<const SubmitRegion*>(map.data());
}
inline const ReplyRegion& reply_region(const Mapping& map) {
  return *reinterpret_cast<const ReplyRegion*>(map.data());
}

// ---- doorbells
// ------------------------------------------------------------------------------------------------------

// A non-blocking eventfd.
Result<Fd> create_doorbell();
void ring_doorbell(int fd);
void clear_doorbell(int fd);

// ---- front
// ----------------------------------------------------------------------------------------------------------

class SubmitWriter {
 public:
  // `ours` is new or was left by no other writer.
  SubmitWriter(SubmitRegion& ours, const ReplyRegion& theirs, int worker_doorbell)
      : ours_(&ours), theirs_(&theirs), doorbell_(worker_doorbell) {}

  // Hands over one whole batch, and wakes the worker if it sleeps. REQUIRES: all entries carry the
  // same batch, model and batch_size == entries.size(). kOverloaded when the ring has no room: the
  // front's own count of what is outstanding should have prevented that.
  Status push(std::span<const SubmitEntry> entries);

 private:
  SubmitRegion* ours_;
  const ReplyRegion* theirs_;
  int doorbell_;
  uint32_t tail_ = 0;
};

class CompletionReader {
 public:
  CompletionReader(SubmitRegion& ours, const ReplyRegion& theirs, size_t io_thread);

  // Copies out up to `out.size()` completions; returns how many.
  Result<size_t> read(std::span<Completion> out);

  // Before waiting on the I/O thread's doorbell: from now on the worker rings it. False when
  // something came in meanwhile: read() first.
  bool prepare_sleep();
  // After waiting: the worker need not ring while we look anyway.
  void woke() { asleep_->store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t>* asleep_;
  const CompletionRing* ring_;
  uint32_t head_ = 0;
};

// ---- worker
// ---------------------------------------------------------------------------------------------------------

class SubmitReader {
 public:
  SubmitReader(ReplyRegion& ours, const SubmitRegion& theirs) : ours_(&ours), theirs_(&theirs) {}

  // The next whole batch, copied out; empty when none is complete yet. Valid until the next call.
  Result<std::span<const SubmitEntry>> take();

  // Before waiting on the worker's doorbell: from now on the front rings it. False when something
  // came in meanwhile.
  bool prepare_sleep();
  void woke() { ours_->asleep.store(0, std::memory_order_relaxed); }
  // Something new may be there (cheap; for spinning).
  bool looks_ready() const { return theirs_->tail.load(std::memory_order_relaxed) != seen_; }

 private:
  ReplyRegion* ours_;
  const SubmitRegion* theirs_;
  uint32_t head_ = 0;
  uint32_t seen_ = 0;  // the tail when take() last found nothing whole
  std::vector<SubmitEntry> batch_;
};

class CompletionWriter {
 public:
  // `io_doorbells`: one for each I/O thread of the front, at most kMaxIoThreads.
  CompletionWriter(ReplyRegion& ours, const SubmitRegion& theirs, std::vector<int> io_doorbells);

  // REQUIRES: io_thread < number of doorbells. Not visible to the front before publish().
  void push(size_t io_thread, const Completion& completion);
  // Shows what was pushed, and wakes those I/O threads that sleep.
  void publish();

 private:
  ReplyRegion* ours_;
  const SubmitRegion* theirs_;
  std::vector<int> doorbells_;
  std::array<uint32_t, kMaxIoThreads> tails_{};
  uint32_t dirty_ = 0;  // bit i: ring i has something unpublished
};

}  // namespace corolla::link
