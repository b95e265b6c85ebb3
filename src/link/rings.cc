#include "link/rings.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "base/check.h"

namespace corolla::link {
namespace {

static_assert(std::has_single_bit(kRingEntries));
static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(kMaxIoThreads <= 32);

template <class Region>
Status check_version(const Mapping& map, const char* what) {
  const uint32_t version = reinterpret_cast<const Region*>(map.data())->version;
  if (version == kLayoutVersion) return ok();
  return Error{Code::kInvalidArgument, std::string(what) + " has layout version " +
                                           std::to_string(version) + " where " +
                                           std::to_string(kLayoutVersion) +
                                           " is spoken: front and workers must be of one build"};
}

Error impossible(const char* who, uint32_t value, uint32_t other) {
  return {Code::kInternal, std::string(who) + " says " + std::to_string(value) +
                               " where we are at " + std::to_string(other) + " of a ring of " +
                               std::to_string(kRingEntries)};
}

}  // namespace

Result<OwnedMemory> create_submit_region() {
  ASSIGN_OR_RETURN(auto memory, create_sealed_memory("corolla-submit", sizeof(SubmitRegion)));
  new (memory.map.data()) SubmitRegion{};
  submit_region(memory).version = kLayoutVersion;
  return memory;
}

Result<OwnedMemory> create_reply_region(size_t reply_bytes) {
  if (reply_bytes > SIZE_MAX / 2)
    return Error{Code::kInvalidArgument,
                 "a reply region of " + std::to_string(reply_bytes) + " bytes cannot be"};
  ASSIGN_OR_RETURN(auto memory,
                   create_sealed_memory("corolla-reply", kReplyDataOffset + reply_bytes));
  new (memory.map.data()) ReplyRegion{};
  reply_region(memory).version = kLayoutVersion;
  return memory;
}

Result<Mapping> map_submit_region(const Fd& fd) {
  ASSIGN_OR_RETURN(auto map, map_sealed_readonly(fd, sizeof(SubmitRegion)));
  RETURN_IF_ERROR(check_version<SubmitRegion>(map, "the submit region"));
  return map;
}

Result<Mapping> map_reply_region(const Fd& fd) {
  ASSIGN_OR_RETURN(auto map, map_sealed_readonly(fd, kReplyDataOffset));
  RETURN_IF_ERROR(check_version<ReplyRegion>(map, "the reply region"));
  return map;
}

Result<Fd> create_doorbell() {
  Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return Error{Code::kInternal, std::string("eventfd failed: ") + std::strerror(errno)};
  return fd;
}

void ring_doorbell(int fd) {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, so the sleeper is woken anyway.
  while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void clear_doorbell(int fd) {
  uint64_t count;
  while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

// ---- front
// ----------------------------------------------------------------------------------------------------------

Status SubmitWriter::push(std::span<const SubmitEntry> entries) {
  const uint32_t head = theirs_->head.load(std::memory_order_acquire);
  const uint32_t used = tail_ - head;
  if (used > kRingEntries) return impossible("the worker's ring position", head, tail_);
  if (entries.size() > kRingEntries - used)
    return Error{Code::kOverloaded, "the worker's ring holds " + std::to_string(used) + " of " +
                                        std::to_string(kRingEntries) +
                                        " requests and has no room for " +
                                        std::to_string(entries.size()) + " more"};
  for (const SubmitEntry& entry : entries) {
    CHECK(entry.batch_size == entries.size() && entry.batch == entries[0].batch &&
          entry.model == entries[0].model);
    ours_->entries[tail_++ % kRingEntries] = entry;
  }
  ours_->tail.store(tail_, std::memory_order_seq_cst);
  if (theirs_->asleep.load(std::memory_order_seq_cst) != 0) ring_doorbell(doorbell_);
  return ok();
}

CompletionReader::CompletionReader(SubmitRegion& ours, const ReplyRegion& theirs,
                                   size_t io_thread) {
  CHECK(io_thread < kMaxIoThreads);
  asleep_ = &ours.io_asleep[io_thread].value;
  ring_ = &theirs.rings[io_thread];
}

Result<size_t> CompletionReader::read(std::span<Completion> out) {
  const uint32_t tail = ring_->tail.load(std::memory_order_acquire);
  const uint32_t there = tail - head_;
  if (there > kRingEntries) return impossible("the worker's completion count", tail, head_);
  const size_t count = std::min<size_t>(there, out.size());
  for (size_t i = 0; i < count; ++i) out[i] = ring_->entries[head_++ % kRingEntries];
  return count;
}

bool CompletionReader::prepare_sleep() {
  asleep_->store(1, std::memory_order_seq_cst);
  if (ring_->tail.load(std::memory_order_seq_cst) == head_) return true;
  woke();
  return false;
}

// ---- worker
// ---------------------------------------------------------------------------------------------------------

Result<std::span<const SubmitEntry>> SubmitReader::take() {
  const uint32_t tail = theirs_->tail.load(std::memory_order_acquire);
  const uint32_t there = tail - head_;
  if (there > kRingEntries) return impossible("the front's request count", tail, head_);
  seen_ = tail;
  if (there == 0) return std::span<const SubmitEntry>();
  const SubmitEntry first = theirs_->entries[head_ % kRingEntries];
  const uint32_t size = first.batch_size;
  if (size == 0 || size > kRingEntries)
    return Error{Code::kInternal, "the front sent a batch of " + std::to_string(size) +
                                      " requests; 1 to " + std::to_string(kRingEntries) +
                                      " can be"};
  if (there < size) return std::span<const SubmitEntry>();
  batch_.assign(1, first);
  for (uint32_t i = 1; i < size; ++i) {
    batch_.push_back(theirs_->entries[(head_ + i) % kRingEntries]);
    if (batch_[i].batch != first.batch || batch_[i].model != first.model ||
        batch_[i].batch_size != size)
      return Error{Code::kInternal, "the front sent entry " + std::to_string(i) + " of batch " +
                                        std::to_string(first.batch) +
                                        " with another batch's numbers"};
  }
  head_ += size;
  seen_ = head_;  // what lies behind this batch has not been looked at
  ours_->head.store(head_, std::memory_order_release);
  return std::span<const SubmitEntry>(batch_);
}

bool SubmitReader::prepare_sleep() {
  ours_->asleep.store(1, std::memory_order_seq_cst);
  if (theirs_->tail.load(std::memory_order_seq_cst) == seen_) return true;
  woke();
  return false;
}

CompletionWriter::CompletionWriter(ReplyRegion& ours, const SubmitRegion& theirs,
                                   std::vector<int> io_doorbells)
    : ours_(&ours), theirs_(&theirs), doorbells_(std::move(io_doorbells)) {
  CHECK(doorbells_.size() <= kMaxIoThreads);
}

void CompletionWriter::push(size_t io_thread, const Completion& completion) {
  CHECK(io_thread < doorbells_.size());
  ours_->rings[io_thread].entries[tails_[io_thread]++ % kRingEntries] = completion;
  dirty_ |= uint32_t{1} << io_thread;
}

void CompletionWriter::publish() {
  for (size_t i = 0; dirty_ != 0; ++i, dirty_ >>= 1) {
    if (!(dirty_ & 1)) continue;
    ours_->rings[i].tail.store(tails_[i], std::memory_order_seq_cst);
    if (theirs_->io_asleep[i].value.load(std::memory_order_seq_cst) != 0)
      ring_doorbell(doorbells_[i]);
  }
}

}  // namespace corolla::link
