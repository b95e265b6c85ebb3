// A client may cut its shared memory short while a batch reads it; the kernel then sends SIGBUS.
// The guard turns that into data: the missing pages become zero pages, and the range is marked
// broken, for the reader to see afterwards.
//
// A SIGBUS outside every guarded range kills the process, as it would without the guard.
#pragma once
#include <cstddef>

namespace corolla::worker {

// Once a process, before the first GuardedRange.
void install_sigbus_guard();

// Watches [data, data + size), a shared mapping, while it lives. Thread-safe. At most
// kMaxGuardedRanges at once (ok() is false beyond).
inline constexpr size_t kMaxGuardedRanges = 4096;
class GuardedRange {
 public:
  GuardedRange(const std::byte* data, size_t size);
  ~GuardedRange();
  GuardedRange(const GuardedRange&) = delete;
  GuardedRange& operator=(const GuardedRange&) = delete;

  bool ok() const { return index_ < kMaxGuardedRanges; }
  // True once a read has met a missing page: what was read since the range was made may be zeros
  // that the client never wrote.
  bool broken() const;

 private:
  size_t index_;
};

}  // namespace corolla::worker
