// Latencies counted in a log-linear histogram: buckets one part in 1024 wide, so every value read
// back is within 0.05 % of the truth, however many were added. Adding is a few instructions and
// never allocates beyond the largest value's bucket. Histograms of threads, windows and machines
// can be merged. Thread-compatible.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace corolla::load {

class Histogram {
 public:
  // `value`: nanoseconds by convention. Negative values count as 0; beyond about 26 days as the
  // last bucket.
  void add(int64_t value, uint64_t times = 1);
  void merge(const Histogram& other);
  void clear() { *this = {}; }

  uint64_t count() const { return count_; }
  int64_t min() const { return count_ == 0 ? 0 : min_; }  // exact, as are max() and mean()
  int64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

  // The value at index floor(p/100 * (count-1) + 0.5) of the sorted values: perf_client's
  // definition. 0 when empty.
  int64_t percentile(double p) const;
  // How many values are at most `value` (to the bucket's precision).
  uint64_t count_at_most(int64_t value) const;

  // The non-empty buckets as (middle value, count), ascending.
  std::vector<std::pair<int64_t, uint64_t>> buckets() const;

  // The percentile table that HdrHistogram's tools and plotters read (".hgrm"). `unit`: nanoseconds
  // a printed unit, 1000 for microseconds.
  std::string hgrm(double unit = 1000) const;

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  int64_t min_ = 0, max_ = 0;
  double sum_ = 0;
};

}  // namespace corolla::load
