// Durations counted in fixed buckets: 37 bounds from 50 us to 60 s, about six a decade, and one
// bucket beyond. The bounds are the same in every histogram, process and machine, so that
// histograms can be added over slices and over time.
//
// Histogram: add() from any thread, lock-free; read it through snapshot().
// HistogramSnapshot: a plain value.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace corolla {

inline constexpr std::array<uint32_t, 37> kHistogramBoundsUs = {
    50,         75,         100,        150,        200,       300,       500,       750,
    1'000,      1'500,      2'000,      3'000,      5'000,     7'500,     10'000,    15'000,
    20'000,     30'000,     50'000,     75'000,     100'000,   150'000,   200'000,   300'000,
    500'000,    750'000,    1'000'000,  1'500'000,  2'000'000, 3'000'000, 5'000'000, 7'500'000,
    10'000'000, 15'000'000, 20'000'000, 30'000'000, 60'000'000};

struct HistogramSnapshot {
  // counts[i]: durations in (bound[i-1], bound[i]]; the last: beyond all bounds.
  std::array<uint64_t, kHistogramBoundsUs.size() + 1> counts{};
  uint64_t sum_ns = 0;

  uint64_t count() const;
  // The duration that `part` (0 ... 1) of all are at most, interpolated inside its bucket; 0 when
  // empty. What lies beyond the last bound counts as the last bound.
  Duration percentile(double part) const;
  HistogramSnapshot& operator+=(const HistogramSnapshot& other);
  bool operator==(const HistogramSnapshot&) const = default;
};

class Histogram {
 public:
  // Negative durations count as zero.
  void add(Duration d) {
    const uint64_t ns = d.count() > 0 ? static_cast<uint64_t>(d.count()) : 0;
    counts_[bucket(ns)].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(ns, std::memory_order_relaxed);
  }
  HistogramSnapshot snapshot() const;

  // Which of HistogramSnapshot::counts a duration belongs to.
  static size_t bucket(uint64_t ns);

 private:
  std::array<std::atomic<uint64_t>, kHistogramBoundsUs.size() + 1> counts_{};
  std::atomic<uint64_t> sum_ns_{0};
};

}  // namespace corolla
