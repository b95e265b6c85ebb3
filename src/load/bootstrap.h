// Confidence intervals from one run, by block bootstrap: requests that follow each other share
// their fate (a pause hits them all), so not requests but stretches of time are drawn anew. Pure
// and deterministic.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "load/histogram.h"

namespace corolla::load {

struct Interval {
  double low = 0, high = 0;
};

struct Intervals {      // 95 %
  Interval throughput;  // requests a second
  Interval p50, p99;    // nanoseconds
};

// One stretch of time and the latencies that ended in it.
struct Block {
  double seconds = 0;
  Histogram latency;
};

// REQUIRES: not empty.
Intervals bootstrap(std::span<const Block> blocks, int rounds = 400, uint64_t seed = 1);

}  // namespace corolla::load
