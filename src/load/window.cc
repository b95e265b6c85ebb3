#include "load/window.h"

#include <algorithm>
#include <cstdio>

namespace corolla::load {
namespace {

constexpr size_t kBlocksAWindow = 20;

Histogram latencies(const Window& window) {
  Histogram histogram;
  for (const Sample& sample : window.samples)
    if (sample.ok()) histogram.add(sample.latency());
  return histogram;
}

bool within(double low, double high, double percentage) {
  return low > 0 && high <= low * (1 + percentage / 100);
}

void add_blocks(const Window& window, std::vector<Block>& blocks) {
  const size_t first = blocks.size();
  const double seconds = window.seconds() / kBlocksAWindow;
  blocks.resize(first + kBlocksAWindow, Block{seconds, {}});
  const int64_t begin = to_ns(window.begin);
  for (const Sample& sample : window.samples) {
    if (!sample.ok()) continue;
    const auto index = static_cast<size_t>(
        std::max<double>(0, static_cast<double>(sample.done - begin) / 1e9 / seconds));
    blocks[first + std::min(index, kBlocksAWindow - 1)].latency.add(sample.latency());
  }
}

double mean_us(const client::CountedTime& time, uint64_t requests) {
  return requests == 0 ? 0 : static_cast<double>(time.ns) / static_cast<double>(requests) / 1000;
}

std::optional<ServerTimes> server_times(std::span<const Window> windows) {
  client::ModelStatistics sum;
  bool any = false;
  const auto add = [](client::CountedTime& to, const client::CountedTime& from) {
    to.count += from.count;
    to.ns += from.ns;
  };
  for (const Window& window : windows) {
    if (!window.server) continue;
    any = true;
    add(sum.success, window.server->success);
    add(sum.queue, window.server->queue);
    add(sum.compute_input, window.server->compute_input);
    add(sum.compute_infer, window.server->compute_infer);
    add(sum.compute_output, window.server->compute_output);
  }
  if (!any) return std::nullopt;
  const auto own = [](const client::CountedTime& time) { return mean_us(time, time.count); };
  return ServerTimes{own(sum.queue), own(sum.compute_input), own(sum.compute_infer),
                     own(sum.compute_output)};
}

std::string fault(const PerfRow& row, const RowOptions& options) {
  char text[200];
  const auto late = static_cast<double>(row.lateness.percentile(99));
  const double allowed = std::max(static_cast<double>(options.max_lateness.count()),
                                  0.05 * static_cast<double>(row.latency.percentile(99)));
  if (row.level.kind == LoadLevel::Kind::kRate && late > allowed) {
    snprintf(text, sizeof text, "requests left %.0f us late (p99; %.0f us are allowed)",
             late / 1000, allowed / 1000);
    return text;
  }
  if (row.busiest_thread > options.max_busy) {
    snprintf(text, sizeof text,
             "a load thread was busy %.0f %% of the time: give more --max-threads",
             100 * row.busiest_thread);
    return text;
  }
  return {};
}

}  // namespace

double deciding_latency(const Histogram& latency, const StabilityOptions& options) {
  return options.percentile ? static_cast<double>(latency.percentile(*options.percentile))
                            : latency.mean();
}

Verdict judge(std::span<const Window> windows, const StabilityOptions& options) {
  if (windows.size() < options.windows) return Verdict::kMore;
  double low_rate = 1e300, high_rate = 0, low_latency = 1e300, high_latency = 0;
  bool all_over = options.latency_threshold.has_value();
  for (const Window& window : windows.last(options.windows)) {
    const Histogram latency = latencies(window);
    const double rate = static_cast<double>(latency.count()) / window.seconds();
    const double deciding = deciding_latency(latency, options);
    low_rate = std::min(low_rate, rate);
    high_rate = std::max(high_rate, rate);
    low_latency = std::min(low_latency, deciding);
    high_latency = std::max(high_latency, deciding);
    if (all_over && deciding <= static_cast<double>(options.latency_threshold->count()))
      all_over = false;
  }
  if (within(low_rate, high_rate, options.percentage) &&
      within(low_latency, high_latency, options.percentage))
    return Verdict::kStable;
  return all_over && low_rate > 0 ? Verdict::kOverThreshold : Verdict::kMore;
}

PerfRow make_row(const LoadLevel& level, std::span<const Window> windows,
                 const RowOptions& options) {
  PerfRow row;
  row.level = level;
  row.batch = options.batch;
  double send = 0, recv = 0, weighted_busy = 0;
  uint64_t in_budget = 0;
  Duration client_cpu{}, server_cpu{};
  bool have_server_cpu = !windows.empty();
  std::vector<Block> blocks;
  for (const Window& window : windows) {
    row.seconds += window.seconds();
    for (const Sample& sample : window.samples) {
      row.lateness.add(sample.lateness());
      if (!sample.ok()) {
        ++row.failed;
        ++row.errors[sample.code()];
        continue;
      }
      ++row.answered;
      row.latency.add(sample.latency());
      if (!options.budget || sample.latency() <= options.budget->count()) ++in_budget;
      send += sample.send_ns;
      recv += sample.recv_ns;
    }
    client_cpu += window.client_cpu;
    if (window.server_cpu)
      server_cpu += *window.server_cpu;
    else
      have_server_cpu = false;
    weighted_busy += window.busiest_thread * window.seconds();
    for (const auto& [slice, requests] : window.slice_requests) row.slices[slice] += requests;
    for (const auto& [name, value] : window.gauges)
      row.gauges[name] += value / static_cast<double>(windows.size());
    if (window.seconds() > 0) add_blocks(window, blocks);
  }
  const auto answered = static_cast<double>(row.answered);
  const double ended = std::max(1.0, answered + static_cast<double>(row.failed));
  if (row.seconds > 0) {
    row.inferences_per_second = answered * static_cast<double>(options.batch) / row.seconds;
    row.goodput = static_cast<double>(in_budget) * static_cast<double>(options.batch) / row.seconds;
    row.busiest_thread = weighted_busy / row.seconds;
    for (auto& [slice, requests] : row.slices) requests /= row.seconds;
  }
  if (row.answered > 0) {
    row.send_us = send / answered / 1000;
    row.recv_us = recv / answered / 1000;
    row.confidence = bootstrap(blocks);
  }
  row.server = server_times(windows);
  row.client_cpu_us = static_cast<double>(client_cpu.count()) / 1000 / ended;
  if (have_server_cpu) row.server_cpu_us = static_cast<double>(server_cpu.count()) / 1000 / ended;
  if (options.stability.latency_threshold)
    row.over_threshold =
        row.answered == 0 || deciding_latency(row.latency, options.stability) >
                                 static_cast<double>(options.stability.latency_threshold->count());
  row.generator_fault = fault(row, options);
  return row;
}

}  // namespace corolla::load
