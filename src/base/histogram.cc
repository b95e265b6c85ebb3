#include "base/histogram.h"

#include <algorithm>
#include <cmath>

namespace corolla {

size_t Histogram::bucket(uint64_t ns) {
  const uint64_t us = (ns + 999) / 1000;  // a bound belongs to the bucket below it
  return static_cast<size_t>(
      std::lower_bound(kHistogramBoundsUs.begin(), kHistogramBoundsUs.end(), us) -
      kHistogramBoundsUs.begin());
}

HistogramSnapshot Histogram::snapshot() const {
  HistogramSnapshot s;
  for (size_t i = 0; i < counts_.size(); ++i)
    s.counts[i] = counts_[i].load(std::memory_order_relaxed);
  s.sum_ns = sum_ns_.load(std::memory_order_relaxed);
  return s;
}

uint64_t HistogramSnapshot::count() const {
  uint64_t n = 0;
  for (const uint64_t c : counts) n += c;
  return n;
}

Duration HistogramSnapshot::percentile(double part) const {
  const uint64_t all = count();
  if (all == 0) return Duration{0};
  const double wanted = std::clamp(part, 0.0, 1.0) * static_cast<double>(all);
  double below = 0;
  double low_us = 0;
  for (size_t i = 0; i < kHistogramBoundsUs.size(); ++i) {
    const double here = static_cast<double>(counts[i]);
    const double high_us = kHistogramBoundsUs[i];
    if (here > 0 && below + here >= wanted) {
      const double us = low_us + (high_us - low_us) * (wanted - below) / here;
      return Duration(std::llround(us * 1000));
    }
    below += here;
    low_us = high_us;
  }
  return std::chrono::microseconds(kHistogramBoundsUs.back());
}

HistogramSnapshot& HistogramSnapshot::operator+=(const HistogramSnapshot& other) {
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum_ns += other.sum_ns;
  return *this;
}

}  // namespace corolla
