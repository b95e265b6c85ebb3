#include "serve/front/service_times.h"

#include <algorithm>
#include <cmath>

namespace corolla::front {
namespace {

// New samples weigh 1/16 once the first sixteen have been averaged plainly.
constexpr uint64_t kMemory = 16;
// Beyond this many spreads from the mean a sample is clipped; clipping begins once the spread means
// something.
constexpr float kClip = 6.0F;
constexpr uint64_t kClipAfter = 8;
// The spread counts as at least this part of the mean: constant service must not make the first
// jitter an outlier.
constexpr float kLeastSpread = 0.02F;
constexpr float kLeastWidthNs = 5000.0F;

Duration ns(float value) { return Duration(static_cast<int64_t>(value)); }

}  // namespace

uint32_t ServiceTimes::kind(const std::string& name) {
  const auto it = std::find(kinds_.begin(), kinds_.end(), name);
  if (it != kinds_.end()) return static_cast<uint32_t>(it - kinds_.begin());
  kinds_.push_back(name);
  tables_.emplace_back();
  return static_cast<uint32_t>(kinds_.size() - 1);
}

void ServiceTimes::record(uint32_t kind, uint32_t model, uint32_t rows, Duration took) {
  if (rows == 0) return;
  auto& models = tables_[kind];
  if (models.size() <= model) models.resize(model + 1);
  Table& table = models[model];
  auto cell = std::lower_bound(table.begin(), table.end(), rows,
                               [](const Cell& c, uint32_t r) { return c.rows < r; });
  float x = std::max<float>(0.0F, static_cast<float>(took.count()));
  if (cell == table.end() || cell->rows != rows) {
    table.insert(cell, Cell{rows, x, 0.0F, 1});
    return;
  }
  if (cell->samples >= kClipAfter) {
    const float width =
        std::max(kLeastWidthNs, kClip * std::max(cell->spread_ns, kLeastSpread * cell->mean_ns));
    x = std::clamp(x, cell->mean_ns - width, cell->mean_ns + width);
  }
  cell->samples++;
  const float weight = 1.0F / static_cast<float>(std::min(cell->samples, kMemory));
  cell->spread_ns += weight * (std::abs(x - cell->mean_ns) - cell->spread_ns);
  cell->mean_ns += weight * (x - cell->mean_ns);
}

std::optional<ServiceTimes::Estimate> ServiceTimes::estimate(uint32_t kind, uint32_t model,
                                                             uint32_t rows) const {
  const auto& models = tables_[kind];
  if (models.size() <= model || models[model].empty()) return std::nullopt;
  const Table& table = models[model];
  const auto at = std::lower_bound(table.begin(), table.end(), rows,
                                   [](const Cell& c, uint32_t r) { return c.rows < r; });
  if (at != table.end() && at->rows == rows)
    return Estimate{ns(at->mean_ns), ns(at->spread_ns), at->samples};
  if (at == table.end()) {
    const Cell& last = table.back();
    const float scale = static_cast<float>(rows) / static_cast<float>(last.rows);
    return Estimate{ns(last.mean_ns * scale), ns(last.spread_ns * scale), 0};
  }
  if (at == table.begin()) return Estimate{ns(at->mean_ns), ns(at->spread_ns), 0};
  const Cell& low = *(at - 1);
  const float part = static_cast<float>(rows - low.rows) / static_cast<float>(at->rows - low.rows);
  return Estimate{ns(low.mean_ns + part * (at->mean_ns - low.mean_ns)),
                  ns(std::max(low.spread_ns, at->spread_ns)), 0};
}

void ServiceTimes::forget(uint32_t model) {
  for (auto& models : tables_)
    if (model < models.size()) models[model].clear();
}

}  // namespace corolla::front
