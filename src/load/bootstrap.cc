#include "load/bootstrap.h"

#include <algorithm>
#include <random>

#include "base/check.h"

namespace corolla::load {
namespace {

constexpr double kTail = 0.025;

Interval middle_95(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[std::min(values.size() - 1,
                           static_cast<size_t>(share * static_cast<double>(values.size())))];
  };
  return {at(kTail), at(1 - kTail)};
}

int64_t percentile(const std::vector<int64_t>& values, const std::vector<uint64_t>& counts,
                   uint64_t total, double p) {
  if (total == 0) return 0;
  const auto rank =
      std::min(total - 1, static_cast<uint64_t>(p / 100 * static_cast<double>(total - 1) + 0.5));
  uint64_t below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    if (below > rank) return values[i];
  }
  return values.empty() ? 0 : values.back();
}

}  // namespace

Intervals bootstrap(std::span<const Block> blocks, int rounds, uint64_t seed) {
  CHECK(!blocks.empty());
  // All blocks on one axis, so that a round is only additions.
  std::vector<int64_t> values;
  for (const Block& block : blocks)
    for (const auto& [value, count] : block.latency.buckets()) values.push_back(value);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<std::vector<std::pair<uint32_t, uint64_t>>> sparse(blocks.size());
  for (size_t b = 0; b < blocks.size(); ++b)
    for (const auto& [value, count] : blocks[b].latency.buckets())
      sparse[b].emplace_back(std::lower_bound(values.begin(), values.end(), value) - values.begin(),
                             count);

  std::mt19937_64 random(seed);
  std::vector<double> throughput, p50, p99;
  std::vector<uint64_t> counts(values.size());
  for (int round = 0; round < rounds; ++round) {
    std::fill(counts.begin(), counts.end(), 0);
    double seconds = 0;
    uint64_t total = 0;
    for (size_t i = 0; i < blocks.size(); ++i) {
      const size_t b = random() % blocks.size();
      seconds += blocks[b].seconds;
      for (const auto& [index, count] : sparse[b]) {
        counts[index] += count;
        total += count;
      }
    }
    throughput.push_back(seconds > 0 ? static_cast<double>(total) / seconds : 0);
    p50.push_back(static_cast<double>(percentile(values, counts, total, 50)));
    p99.push_back(static_cast<double>(percentile(values, counts, total, 99)));
  }
  return {middle_95(throughput), middle_95(p50), middle_95(p99)};
}

}  // namespace corolla::load
