// Several processes that measure at the same time, each on its slice, and share their weights as
// workers of a fleet do: this process passes the descriptor on.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "engine/memory_sharing.h"

namespace corolla::bench {

struct Served {
  int multiprocessors = 0;
  double per_second = 0, p50_us = 0, p99_us = 0;
};

// What a process is given; `sharing` is null where each is to have weights of its own. `meet` ends
// when everybody is there.
struct Slice {
  engine::MemorySharing* sharing = nullptr;
  std::function<void()> meet;
};

// Runs `measure` in `count` processes. REQUIRES: this process has not used CUDA yet. What those
// measured that came to an end.
std::vector<Served> at_once(int count, bool share, const std::function<Served(Slice)>& measure);

}  // namespace corolla::bench
