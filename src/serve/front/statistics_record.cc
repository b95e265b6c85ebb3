#include "serve/front/statistics_record.h"

#include <algorithm>

#include "serve/front/statistics_record.pb.h"

namespace corolla::front {
namespace {

void save(const HistogramSnapshot& from, record::Histogram& to) {
  *to.mutable_counts() = {from.counts.begin(), from.counts.end()};
  to.set_sum_ns(from.sum_ns);
}

HistogramSnapshot load(const record::Histogram& from) {
  HistogramSnapshot to;
  std::copy_n(from.counts().begin(), std::min<size_t>(to.counts.size(), from.counts().size()),
              to.counts.begin());
  to.sum_ns = from.sum_ns();
  return to;
}

void save(const DurationStat& from, record::Duration& to) {
  to.set_count(from.count);
  to.set_ns(from.ns);
}

DurationStat load(const record::Duration& from) { return {from.count(), from.ns()}; }

void save(const StatisticsRow& from, record::Row& to) {
  to.set_last_inference_ms(from.last_inference_ms);
  to.set_inferences(from.inference_count);
  to.set_executions(from.execution_count);
  to.set_successes(from.success.count);
  to.set_fail_ns(from.fail.ns);
  *to.mutable_failures() = {from.failures.begin(), from.failures.end()};
  to.set_retries(from.retries);
  to.set_wasted_ns(from.wasted_ns);
  save(from.request_times, *to.mutable_request());
  save(from.queue_times, *to.mutable_queue());
  save(from.input_times, *to.mutable_input());
  save(from.infer_times, *to.mutable_infer());
  save(from.output_times, *to.mutable_output());
  for (const BatchStat& batch : from.batch_stats) {
    record::Batch& made = *to.add_batches();
    made.set_rows(batch.rows);
    save(batch.compute_input, *made.mutable_input());
    save(batch.compute_infer, *made.mutable_infer());
    save(batch.compute_output, *made.mutable_output());
  }
}

StatisticsRow load(const record::Row& from) {
  StatisticsRow to;
  to.last_inference_ms = from.last_inference_ms();
  to.inference_count = from.inferences();
  to.execution_count = from.executions();
  to.retries = from.retries();
  to.wasted_ns = from.wasted_ns();
  to.request_times = load(from.request());
  to.queue_times = load(from.queue());
  to.input_times = load(from.input());
  to.infer_times = load(from.infer());
  to.output_times = load(from.output());
  to.success = {from.successes(), to.request_times.sum_ns};
  to.queue = {from.successes(), to.queue_times.sum_ns};
  to.compute_input = {from.successes(), to.input_times.sum_ns};
  to.compute_infer = {from.successes(), to.infer_times.sum_ns};
  to.compute_output = {from.successes(), to.output_times.sum_ns};
  to.fail.ns = from.fail_ns();
  for (size_t i = 0; i < kFailureReasons && i < static_cast<size_t>(from.failures_size()); ++i) {
    to.failures[i] = from.failures(static_cast<int>(i));
    to.fail.count += to.failures[i];
  }
  for (const record::Batch& batch : from.batches())
    to.batch_stats.push_back(
        {batch.rows(), load(batch.input()), load(batch.infer()), load(batch.output())});
  std::ranges::sort(to.batch_stats, {}, &BatchStat::rows);
  return to;
}

}  // namespace

std::string to_record(const StatisticsSnapshot& statistics) {
  record::Statistics all;
  for (const ModelStatisticsSnapshot& model : statistics) {
    record::Model& made = *all.add_models();
    made.set_model(model.model);
    made.set_version(model.version);
    save(model.elsewhere, *made.mutable_elsewhere());
    for (const auto& [slice, row] : model.slices) save(row, (*made.mutable_slices())[slice]);
    for (const auto& [code, count] : model.errors)
      (*made.mutable_errors())[static_cast<uint32_t>(code)] = count;
  }
  return all.SerializeAsString();
}

Result<StatisticsSnapshot> from_record(std::string_view bytes) {
  record::Statistics all;
  if (!all.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{Code::kInvalidArgument, "the statistics of the last front, " +
                                             std::to_string(bytes.size()) +
                                             " bytes, cannot be read"};
  StatisticsSnapshot statistics;
  for (const record::Model& model : all.models()) {
    ModelStatisticsSnapshot& made = statistics.emplace_back();
    made.model = model.model();
    made.version = model.version();
    made.elsewhere = load(model.elsewhere());
    made.total = made.elsewhere;
    for (const auto& [slice, row] : model.slices()) {
      made.slices[slice] = load(row);
      made.total += made.slices[slice];
    }
    for (const auto& [code, count] : model.errors())
      if (code <= static_cast<uint32_t>(Code::kInternal))
        made.errors[static_cast<Code>(code)] = count;
  }
  return statistics;
}

}  // namespace corolla::front
