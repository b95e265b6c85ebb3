#include "serve/front/metrics.h"

#include <algorithm>
#include <array>
#include <functional>

#include "serve/front/exposition.h"

namespace corolla::front {
namespace {

// Bounds of the batch size histogram.
constexpr std::array<uint32_t, 10> kRowBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};

double seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

uint64_t busy_ns(const StatisticsRow& row) {
  uint64_t ns = 0;
  for (const BatchStat& b : row.batch_stats)
    ns += b.compute_input.ns + b.compute_infer.ns + b.compute_output.ns;
  return ns;
}

// One sample for each slice of each model; a model that no slice has served yet gets one without,
// so that every family is there from the start.
void each_row(const StatisticsSnapshot& statistics,
              const std::function<void(const Labels&, const StatisticsRow&)>& write) {
  for (const ModelStatisticsSnapshot& m : statistics) {
    for (const auto& [slice, row] : m.slices)
      write({{"model", m.model}, {"version", m.version}, {"slice", slice}}, row);
    if (m.slices.empty()) write({{"model", m.model}, {"version", m.version}}, m.total);
  }
}

void write_inference(Exposition& out, const MetricsInput& in) {
  struct Counter {
    const char* name;
    const char* help;
    uint64_t (*value)(const StatisticsRow&);
  };
  static constexpr Counter kCounters[] = {
      {"nv_inference_request_success", "Successful inference requests, all batch sizes",
       [](const StatisticsRow& r) { return r.success.count; }},
      {"nv_inference_count", "Inferences performed: rows, not requests",
       [](const StatisticsRow& r) { return r.inference_count; }},
      {"nv_inference_exec_count", "Model executions: batches",
       [](const StatisticsRow& r) { return r.execution_count; }},
      {"nv_inference_request_duration_us",
       "Cumulative time of successful requests from arrival to answer, in microseconds",
       [](const StatisticsRow& r) { return r.success.ns / 1000; }},
      {"nv_inference_queue_duration_us",
       "Cumulative time that requests waited for a worker, in microseconds",
       [](const StatisticsRow& r) { return r.queue.ns / 1000; }},
      {"nv_inference_compute_input_duration_us",
       "Cumulative time of preparing inputs, in microseconds",
       [](const StatisticsRow& r) { return r.compute_input.ns / 1000; }},
      {"nv_inference_compute_infer_duration_us",
       "Cumulative time of running the model, in microseconds",
       [](const StatisticsRow& r) { return r.compute_infer.ns / 1000; }},
      {"nv_inference_compute_output_duration_us",
       "Cumulative time of handing out outputs, in microseconds",
       [](const StatisticsRow& r) { return r.compute_output.ns / 1000; }},
      {"corolla_request_retries_total", "Requests sent again after the worker that held them died",
       [](const StatisticsRow& r) { return r.retries; }},
  };
  for (const Counter& c : kCounters) {
    out.family(c.name, "counter", c.help);
    each_row(in.statistics, [&](const Labels& labels, const StatisticsRow& row) {
      out.sample(labels, c.value(row));
    });
  }

  out.family("nv_inference_request_failure", "counter", "Failed inference requests, by reason");
  for (const ModelStatisticsSnapshot& m : in.statistics)
    for (size_t f = 0; f < kFailureReasons; ++f)
      out.sample({{"model", m.model},
                  {"version", m.version},
                  {"reason", failure_reason_name(static_cast<FailureReason>(f))}},
                 m.total.failures[f]);
  out.family("corolla_request_errors_total", "counter",
             "Inference requests that ended with an error, by its code");
  for (const ModelStatisticsSnapshot& m : in.statistics)
    for (const auto& [code, count] : m.errors)
      out.sample({{"model", m.model}, {"version", m.version}, {"code", code_name(code)}}, count);

  struct Times {
    const char* name;
    const char* help;
    HistogramSnapshot StatisticsRow::*times;
  };
  static constexpr Times kTimes[] = {
      {"nv_inference_request_duration_histogram_us",
       "Time of successful requests from arrival to answer, in microseconds",
       &StatisticsRow::request_times},
      {"nv_inference_queue_duration_histogram_us",
       "Time that successful requests waited for a worker, in microseconds",
       &StatisticsRow::queue_times},
      {"nv_inference_compute_input_duration_histogram_us",
       "Time of preparing a request's batch, in microseconds", &StatisticsRow::input_times},
      {"nv_inference_compute_infer_duration_histogram_us",
       "Time of running a request's batch, in microseconds", &StatisticsRow::infer_times},
      {"nv_inference_compute_output_duration_histogram_us",
       "Time of handing out a request's batch, in microseconds", &StatisticsRow::output_times},
  };
  for (const Times& t : kTimes) {
    out.family(t.name, "histogram", t.help);
    each_row(in.statistics, [&](const Labels& labels, const StatisticsRow& row) {
      out.histogram(labels, row.*t.times);
    });
  }

  out.family("corolla_batch_rows", "histogram", "Rows of the batches that were run");
  each_row(in.statistics, [&](const Labels& labels, const StatisticsRow& row) {
    std::array<uint64_t, kRowBounds.size() + 1> counts{};
    double sum = 0;
    for (const BatchStat& b : row.batch_stats) {
      const auto bucket = static_cast<size_t>(
          std::lower_bound(kRowBounds.begin(), kRowBounds.end(), b.rows) - kRowBounds.begin());
      counts[bucket] += b.compute_infer.count;
      sum += static_cast<double>(b.rows * b.compute_infer.count);
    }
    out.histogram(labels, kRowBounds, counts, sum);
  });
  out.family("corolla_wasted_compute_seconds_total", "counter",
             "Time computed for requests whose client had gone or whose deadline had passed");
  each_row(in.statistics, [&](const Labels& labels, const StatisticsRow& row) {
    out.sample(labels, seconds(row.wasted_ns));
  });
}

void write_models(Exposition& out, const MetricsInput& in) {
  out.family("nv_inference_pending_request_count", "gauge",
             "Requests that wait and are bound to no worker");
  for (const ModelGauges& m : in.models)
    out.sample({{"model", m.model}, {"version", m.version}}, m.pending);
  out.family("nv_model_load_duration_secs", "gauge",
             "How long loading the model took at the slowest worker, in seconds");
  for (const ModelGauges& m : in.models)
    out.sample({{"model", m.model}, {"version", m.version}}, m.load_seconds);
  out.family("corolla_model_workers_ready", "gauge", "Workers that serve the model");
  for (const ModelGauges& m : in.models)
    out.sample({{"model", m.model}, {"version", m.version}}, m.workers_ready);
}

void write_slices(Exposition& out, const MetricsInput& in) {
  out.family("corolla_slice_up", "gauge", "1 while the slice's worker is ready");
  for (const SliceGauges& s : in.slices)
    out.sample({{"slice", s.slice}, {"kind", s.kind}}, uint64_t{s.up});
  out.family("corolla_slice_restarts_total", "counter", "Times the slice's worker was restarted");
  for (const SliceGauges& s : in.slices) out.sample({{"slice", s.slice}}, s.restarts);
  out.family("corolla_slice_outstanding_requests", "gauge",
             "Requests that the slice's worker holds");
  for (const SliceGauges& s : in.slices) out.sample({{"slice", s.slice}}, s.outstanding);
}

void write_transport(Exposition& out, const TransportNumbers& t) {
  out.family("corolla_connections_open", "gauge", "Client connections that are open");
  out.sample({}, t.open);
  out.family("corolla_connections_accepted_total", "counter", "Client connections taken in");
  out.sample({}, t.accepted);
  out.family("corolla_connections_ended_total", "counter",
             "Client connections or requests ended early, by reason");
  out.sample({{"reason", "refused"}}, t.refused);
  out.sample({{"reason", "timed_out"}}, t.timed_out);
  out.sample({{"reason", "bad_request"}}, t.bad_requests);
  out.sample({{"reason", "client_gone"}}, t.client_gone);
  out.sample({{"reason", "tls_failed"}}, t.tls_failed);
  out.family("corolla_requests_total", "counter", "Requests of every kind, by protocol");
  out.sample({{"protocol", "http"}}, t.http_requests);
  out.sample({{"protocol", "grpc"}}, t.grpc_requests);
  out.family("corolla_received_bytes_total", "counter", "Bytes received from clients");
  out.sample({}, t.bytes_in);
  out.family("corolla_sent_bytes_total", "counter", "Bytes sent to clients");
  out.sample({}, t.bytes_out);
}

void write_arena(Exposition& out, const ArenaGauges& a) {
  out.family("corolla_arena_size_bytes", "gauge", "Memory for requests in flight");
  out.sample({}, a.total_bytes);
  out.family("corolla_arena_used_bytes", "gauge", "What of it requests hold");
  out.sample({}, a.used_bytes);
  out.family("corolla_arena_peak_bytes", "gauge", "The most that requests ever held of it at once");
  out.sample({}, a.peak_bytes);
  out.family("corolla_arena_waits_total", "counter",
             "Times a connection was not read because no memory was free");
  out.sample({}, a.waits);
}

void write_process(Exposition& out, const ProcessUse& p) {
  out.family("process_cpu_seconds_total", "counter", "CPU time of the front");
  out.sample({}, p.cpu_seconds);
  out.family("process_resident_memory_bytes", "gauge", "Resident memory of the front");
  out.sample({}, p.resident_bytes);
  out.family("process_virtual_memory_bytes", "gauge", "Virtual memory of the front");
  out.sample({}, p.virtual_bytes);
  out.family("process_open_fds", "gauge", "Descriptors that the front has open");
  out.sample({}, p.open_descriptors);
  out.family("process_threads", "gauge", "Threads of the front");
  out.sample({}, p.threads);
  out.family("process_start_time_seconds", "gauge", "When the front began, since 1970");
  out.sample({}, p.started_seconds);
}

}  // namespace

// REQUIRES: mutex_ held.
void Metrics::update_busy(TimePoint now, const std::map<std::string, uint64_t>& busy_ns) {
  constexpr Duration kLeast = std::chrono::seconds(1);
  const bool first = busy_since_ == TimePoint{};
  if (!first && now - busy_since_ < kLeast) return;
  const double window = first ? 0 : static_cast<double>((now - busy_since_).count());
  for (const auto& [slice, ns] : busy_ns) {
    Busy& b = busy_[slice];
    // Batches that overlap in one worker may add up to more than all of the time.
    if (window > 0 && ns >= b.ns) b.share = std::min(1.0, static_cast<double>(ns - b.ns) / window);
    b.ns = ns;
  }
  busy_since_ = now;
}

std::string Metrics::page(TimePoint now, const MetricsInput& in) {
  Exposition out;
  out.family("corolla_build_info", "gauge", "1; the label says which version this is");
  out.sample({{"version", in.version}}, uint64_t{1});
  write_inference(out, in);
  write_models(out, in);
  write_slices(out, in);

  std::map<std::string, uint64_t> busy;
  for (const SliceGauges& s : in.slices) busy[s.slice] = 0;
  for (const ModelStatisticsSnapshot& m : in.statistics)
    for (const auto& [slice, row] : m.slices) busy[slice] += busy_ns(row);
  out.family("corolla_slice_busy_seconds_total", "counter",
             "Time that the slice spent on batches of all models");
  for (const auto& [slice, ns] : busy) out.sample({{"slice", slice}}, seconds(ns));
  {
    const std::lock_guard lock(mutex_);
    update_busy(now, busy);
    out.family("corolla_slice_busy_ratio", "gauge",
               "Share of the time that the slice was busy, lately");
    for (const auto& [slice, ns] : busy) out.sample({{"slice", slice}}, busy_[slice].share);
  }

  write_transport(out, in.transport);
  write_arena(out, in.arena);
  write_process(out, process_use());
  const MemoryUse memory = machine_memory();
  out.family("nv_cpu_utilization", "gauge", "Busy share of the machine's CPU cores (0.0 - 1.0)");
  out.sample({}, cpu_.utilization());
  out.family("nv_cpu_memory_total_bytes", "gauge", "Memory of the machine, in bytes");
  out.sample({}, memory.total_bytes);
  out.family("nv_cpu_memory_used_bytes", "gauge", "Memory of the machine that is in use, in bytes");
  out.sample({}, memory.used_bytes);
  return out.take();
}

}  // namespace corolla::front
