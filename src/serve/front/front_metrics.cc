// /metrics: collects what the parts of the front count.
#include "serve/front/front.h"

namespace corolla::front {

std::string Front::metrics_page() {
  MetricsInput input;
  input.statistics = show_statistics();
  input.version = welcome_.server_version();
  const auto models = models_->snapshot();
  for (const auto& [name, versions] : *models)
    for (const auto& [number, served] : versions) {
      ModelGauges gauges;
      gauges.model = name;
      gauges.version = served->version_text;
      gauges.pending = switchboard_->waiting(served->id);
      input.models.push_back(std::move(gauges));
    }
  for (const auto& view : switchboard_->views()) {
    SliceGauges gauges;
    gauges.slice = view.slice;
    gauges.kind = view.kind;
    gauges.up = true;
    gauges.outstanding = view.outstanding;
    gauges.restarts = view.restarts;
    input.slices.push_back(std::move(gauges));
  }
  for (const auto& connections : sets_) {
    const auto& counters = connections->counters();
    input.transport.open += connections->open();
    input.transport.accepted += counters.accepted.get();
    input.transport.refused += counters.refused.get();
    input.transport.http_requests += counters.http_requests.get();
    input.transport.grpc_requests += counters.grpc_requests.get();
    input.transport.bytes_in += counters.bytes_in.get();
    input.transport.bytes_out += counters.bytes_out.get();
    input.transport.timed_out += counters.timed_out.get();
    input.transport.bad_requests += counters.bad_requests.get();
    input.transport.client_gone += counters.client_gone.get();
    input.transport.tls_failed += counters.tls_failed.get();
  }
  const auto arena = slots_->arena().counters();
  input.arena = {arena.total_bytes, arena.used_bytes, arena.peak_bytes, slots_->waits()};
  return metrics_.page(now(), input);
}

}  // namespace corolla::front
