// The dispatcher's tickets: a slab of entries that are used again and again, intrusive lists
// through it, and a heap of those that expire. Nothing here allocates once the slab has reached its
// working size.
//
// Not thread-safe; used by dispatcher.cc alone.
#pragma once
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "serve/front/dispatcher.h"

namespace corolla::front {

inline constexpr uint32_t kNil = UINT32_MAX;

struct TicketEntry {
  Ticket ticket;
  TimePoint arrived{};
  TimePoint expires = kNever;         // to be bound by
  uint64_t seq = 0;                   // order of arrival, kept when it comes back from a worker
  uint32_t prev = kNil, next = kNil;  // in its queue, or in its batch
  uint32_t heap_at = kNil;
  uint32_t model = kNil;   // index
  uint32_t worker = kNil;  // index; kNil: waiting
  uint32_t batch = 0;      // which of the worker's batches
  uint32_t level = 0;      // which of its model's lists it waits in
  uint32_t priority = 0;   // effective
  uint32_t returns = 0;    // times that workers gave it back
  bool cancelled = false;
  bool alone = false;  // on its last try it has no company: it may be what kills workers
};

class TicketSlab {
 public:
  uint32_t take() {
    if (free_ == kNil) {
      entries_.emplace_back();
      return static_cast<uint32_t>(entries_.size() - 1);
    }
    const uint32_t at = free_;
    free_ = entries_[at].next;
    entries_[at] = TicketEntry{};
    return at;
  }
  void give(uint32_t at) {
    entries_[at].next = free_;
    free_ = at;
  }
  TicketEntry& operator[](uint32_t at) { return entries_[at]; }
  const TicketEntry& operator[](uint32_t at) const { return entries_[at]; }

 private:
  std::vector<TicketEntry> entries_;
  uint32_t free_ = kNil;
};

// A list through the slab, in the order of (priority, seq).
struct TicketList {
  uint32_t head = kNil, tail = kNil;

  bool empty() const { return head == kNil; }

  static bool before(const TicketEntry& a, const TicketEntry& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.seq < b.seq;
  }

  void insert_after(TicketSlab& slab, uint32_t prev, uint32_t at) {
    const uint32_t next = prev == kNil ? head : slab[prev].next;
    slab[at].prev = prev;
    slab[at].next = next;
    (prev == kNil ? head : slab[prev].next) = at;
    (next == kNil ? tail : slab[next].prev) = at;
  }
  void push_back(TicketSlab& slab, uint32_t at) { insert_after(slab, tail, at); }

  // New tickets belong at or near the end.
  void insert_from_tail(TicketSlab& slab, uint32_t at) {
    uint32_t prev = tail;
    while (prev != kNil && before(slab[at], slab[prev])) prev = slab[prev].prev;
    insert_after(slab, prev, at);
  }
  // Tickets that come back belong at or near the head.
  void insert_from_head(TicketSlab& slab, uint32_t at) {
    uint32_t prev = kNil;
    for (uint32_t i = head; i != kNil && before(slab[i], slab[at]); i = slab[i].next) prev = i;
    insert_after(slab, prev, at);
  }
  void remove(TicketSlab& slab, uint32_t at) {
    TicketEntry& e = slab[at];
    (e.prev == kNil ? head : slab[e.prev].next) = e.next;
    (e.next == kNil ? tail : slab[e.next].prev) = e.prev;
    e.prev = e.next = kNil;
  }
};

// A binary heap of slab indices by `expires`; each entry knows its place, so that it can leave
// early.
class ExpiryHeap {
 public:
  explicit ExpiryHeap(TicketSlab& slab) : slab_(slab) {}

  bool empty() const { return heap_.empty(); }
  uint32_t top() const { return heap_.front(); }

  void add(uint32_t at) {
    heap_.push_back(at);
    rise(heap_.size() - 1);
  }
  // Nothing happens if it is not in.
  void remove(uint32_t at) {
    const uint32_t i = slab_[at].heap_at;
    if (i == kNil) return;
    slab_[at].heap_at = kNil;
    const uint32_t last = heap_.back();
    heap_.pop_back();
    if (last == at) return;
    heap_[i] = last;
    slab_[last].heap_at = i;
    rise(i);
    sink(slab_[last].heap_at);
  }

 private:
  bool less(uint32_t a, uint32_t b) const { return slab_[a].expires < slab_[b].expires; }
  void place(size_t i, uint32_t at) {
    heap_[i] = at;
    slab_[at].heap_at = static_cast<uint32_t>(i);
  }
  void rise(size_t i) {
    const uint32_t at = heap_[i];
    while (i > 0 && less(at, heap_[(i - 1) / 2])) {
      place(i, heap_[(i - 1) / 2]);
      i = (i - 1) / 2;
    }
    place(i, at);
  }
  void sink(size_t i) {
    const uint32_t at = heap_[i];
    for (;;) {
      size_t child = 2 * i + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && less(heap_[child + 1], heap_[child])) ++child;
      if (!less(heap_[child], at)) break;
      place(i, heap_[child]);
      i = child;
    }
    place(i, at);
  }

  TicketSlab& slab_;
  std::vector<uint32_t> heap_;
};

}  // namespace corolla::front
