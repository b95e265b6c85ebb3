#include "load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

namespace corolla::load {
namespace {

constexpr int kBits = 11;                       // values below 2^11 have a bucket each
constexpr int64_t kLargest = int64_t{1} << 51;  // 26 days in nanoseconds

size_t bucket_of(int64_t value) {
  const auto v = static_cast<uint64_t>(value);
  if (v < (1u << kBits)) return v;
  const int shift = std::bit_width(v) - kBits;
  return (static_cast<size_t>(shift) << (kBits - 1)) + (v >> shift);
}

int64_t lowest_of(size_t bucket) {
  if (bucket < (1u << kBits)) return static_cast<int64_t>(bucket);
  const size_t shift = (bucket >> (kBits - 1)) - 1;
  return static_cast<int64_t>((bucket - (shift << (kBits - 1))) << shift);
}

int64_t middle_of(size_t bucket) {
  const int64_t low = lowest_of(bucket);
  return low + (lowest_of(bucket + 1) - 1 - low) / 2;
}

}  // namespace

void Histogram::add(int64_t value, uint64_t times) {
  value = std::clamp<int64_t>(value, 0, kLargest);
  const size_t bucket = bucket_of(value);
  if (bucket >= counts_.size()) counts_.resize(bucket + 1 + bucket / 8);
  counts_[bucket] += times;
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  if (counts_.size() < other.counts_.size()) counts_.resize(other.counts_.size());
  for (size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
  sum_ += other.sum_;
}

int64_t Histogram::percentile(double p) const {
  if (count_ == 0) return 0;
  const double index = std::clamp(p, 0.0, 100.0) / 100 * static_cast<double>(count_ - 1) + 0.5;
  const auto rank = std::min(static_cast<uint64_t>(index), count_ - 1);
  uint64_t below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    if (below > rank) return std::clamp(middle_of(i), min_, max_);
  }
  return max_;
}

uint64_t Histogram::count_at_most(int64_t value) const {
  if (value < 0) return 0;
  if (value >= max_) return count_;
  const size_t last = bucket_of(value);
  uint64_t sum = 0;
  for (size_t i = 0; i < counts_.size() && i <= last; ++i) sum += counts_[i];
  return sum;
}

std::vector<std::pair<int64_t, uint64_t>> Histogram::buckets() const {
  std::vector<std::pair<int64_t, uint64_t>> out;
  for (size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i] != 0) out.emplace_back(std::clamp(middle_of(i), min_, max_), counts_[i]);
  return out;
}

std::string Histogram::hgrm(double unit) const {
  std::string out = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
  char line[128];
  double sum_of_squares = 0;
  uint64_t below = 0;
  double next = 0;
  const auto all = buckets();
  for (const auto& [value, times] : all) {
    const double off = static_cast<double>(value) - mean();
    sum_of_squares += off * off * static_cast<double>(times);
    below += times;
    const double share = static_cast<double>(below) / static_cast<double>(count_);
    if (share < next && below != count_) continue;
    if (below == count_)
      snprintf(line, sizeof line, "%12.3f %2.12f %10llu\n", static_cast<double>(max_) / unit, 1.0,
               static_cast<unsigned long long>(below));
    else
      snprintf(line, sizeof line, "%12.3f %2.12f %10llu %14.2f\n",
               static_cast<double>(value) / unit, share, static_cast<unsigned long long>(below),
               1 / (1 - share));
    out += line;
    // Five lines for each halving of what is left, as HdrHistogram's own tables have.
    const double halvings = std::floor(std::log2(1 / std::max(1 - share, 1e-12))) + 1;
    next = share + std::pow(0.5, halvings) / 5;
  }
  const double deviation =
      count_ == 0 ? 0 : std::sqrt(sum_of_squares / static_cast<double>(count_));
  snprintf(line, sizeof line, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean() / unit,
           deviation / unit);
  out += line;
  snprintf(line, sizeof line, "#[Max     = %12.3f, Total count    = %12llu]\n",
           static_cast<double>(max_) / unit, static_cast<unsigned long long>(count_));
  out += line;
  snprintf(line, sizeof line, "#[Buckets = %12zu, SubBuckets     = %12d]\n", all.size(),
           1 << kBits);
  out += line;
  return out;
}

}  // namespace corolla::load
