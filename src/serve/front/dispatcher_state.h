// What the dispatcher keeps for each model and each worker, and sets of workers as bits, so that
// "an idle worker that serves this model" is an AND of a few words.
//
// Used by dispatcher.cc alone.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "serve/front/dispatcher.h"
#include "serve/front/dispatcher_tickets.h"

namespace corolla::front {

inline constexpr uint32_t kMostStaging = 8;                              // batches_per_worker
inline constexpr uint32_t kMostBatches = kMostLanes + kMostStaging - 1;  // at one worker
inline constexpr uint32_t kMostLevels =
    64;  // priorities beyond share the last list, and stay in order there

class WorkerSet {
 public:
  void set(uint32_t i, bool yes) {
    if (i / 64 >= words_.size()) {
      if (!yes) return;
      words_.resize(i / 64 + 1);
    }
    const uint64_t bit = uint64_t{1} << (i % 64);
    words_[i / 64] = yes ? words_[i / 64] | bit : words_[i / 64] & ~bit;
  }
  bool has(uint32_t i) const { return i / 64 < words_.size() && (words_[i / 64] >> (i % 64) & 1); }
  uint64_t word(size_t w) const { return w < words_.size() ? words_[w] : 0; }
  size_t words() const { return words_.size(); }
  void clear() { std::fill(words_.begin(), words_.end(), 0); }
  bool any() const {
    for (uint64_t w : words_)
      if (w) return true;
    return false;
  }
  // Of those in both sets.
  static uint32_t count(const WorkerSet& a, const WorkerSet& b) {
    uint32_t n = 0;
    for (size_t w = 0; w < std::min(a.words(), b.words()); ++w)
      n += static_cast<uint32_t>(std::popcount(a.words_[w] & b.words_[w]));
    return n;
  }
  template <class F>
  static void each(const WorkerSet& a, const WorkerSet& b, F&& f) {
    for (size_t w = 0; w < std::min(a.words(), b.words()); ++w)
      for (uint64_t bits = a.words_[w] & b.words_[w]; bits; bits &= bits - 1)
        f(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits))));
  }

 private:
  std::vector<uint64_t> words_;
};

struct Level {
  TicketList list;
  uint32_t rows = 0;
};

struct ModelState {
  ModelId id = 0;
  ModelPolicy policy;
  bool live = false;     // false: removed; stays until nothing is bound to it
  std::string hopeless;  // why no worker will come, if none will
  std::vector<Level> levels;
  uint64_t filled = 0;  // bit l: levels[l] is not empty
  uint32_t waiting = 0, waiting_rows = 0;
  uint32_t bound = 0;
  uint32_t active_at = kNil;  // place in the list of models with something waiting
  WorkerSet serves;
  // While nothing has changed at any worker since `no_stage_change`, none can be given a second
  // batch before `no_stage_until`.
  uint64_t no_stage_change = 0;
  TimePoint no_stage_until{};
  TimePoint probe_at{};  // not before then is a request admitted against the measured times

  uint32_t head() const {
    return filled ? levels[static_cast<size_t>(std::countr_zero(filled))].list.head : kNil;
  }
};

struct BatchState {
  BatchId id = 0;
  uint32_t model = 0;
  uint32_t rows = 0;
  uint32_t left = 0;      // requests not yet answered; 0: free
  bool returned = false;  // some of it was given back: its time says nothing
  TimePoint began{};      // when the worker could begin it, as far as is known
  TicketList tickets;
};

struct WorkerState {
  WorkerId id = 0;
  bool live = false;
  bool draining = false;
  uint32_t kind = 0;
  float slowness = 1.0F;  // its own service times over its kind's
  uint32_t lanes = 1;     // batches that it runs at once: the first of `order`
  uint32_t fresh = 0;     // batches that it got in poll number `fresh_poll`
  uint64_t fresh_poll = 0;
  uint32_t batches = 0;
  uint32_t requests = 0;
  std::array<BatchState, kMostBatches> slots;
  std::array<uint8_t, kMostBatches> order{};  // slots in use, oldest first
  TimePoint idle_since{};
  TimePoint rests_until{};  // it gave something back
  bool resting = false;
};

}  // namespace corolla::front
