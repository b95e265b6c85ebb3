// The text of /metrics: Triton's families under Triton's names, with the label `slice` where it
// makes sense, and Corolla's own (corolla_...) beside them. All counters and histograms may be
// summed over slices, and never fall.
//
// Triton's names are kept as they are, though promtool would have counters end in _total and no _us
// in a name.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/machine_use.h"
#include "base/time.h"
#include "serve/front/statistics.h"

namespace corolla::front {

struct ModelGauges {
  std::string model, version;
  uint64_t pending = 0;     // requests bound to no worker
  double load_seconds = 0;  // how long loading took, at the slowest worker
  uint64_t workers_ready = 0;
};

struct SliceGauges {
  std::string slice;  // its name, as in the statistics
  std::string kind;   // "cores:2", "1g.18gb"
  bool up = false;
  uint64_t restarts = 0;     // of its worker, ever
  uint64_t outstanding = 0;  // requests it holds
};

// wire::TransportCounters, added up over all loops.
struct TransportNumbers {
  uint64_t open = 0;  // connections at present
  uint64_t accepted = 0, refused = 0, http_requests = 0, grpc_requests = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  uint64_t timed_out = 0, bad_requests = 0, client_gone = 0, tls_failed = 0;
};

struct ArenaGauges {
  uint64_t total_bytes = 0, used_bytes = 0, peak_bytes = 0;
  uint64_t waits = 0;  // times a connection had to wait for a slot
};

struct MetricsInput {
  StatisticsSnapshot statistics;
  std::vector<ModelGauges> models;
  std::vector<SliceGauges> slices;
  TransportNumbers transport;
  ArenaGauges arena;
  std::string version;  // of Corolla
};

class Metrics {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  // Thread-safe. Busy shares and the CPU's utilization are those since the last page that was at
  // least a second older.
  std::string page(TimePoint now, const MetricsInput& input);

 private:
  struct Busy {
    uint64_t ns = 0;
    double share = 0;
  };
  void update_busy(TimePoint now, const std::map<std::string, uint64_t>& busy_ns);

  std::mutex mutex_;
  TimePoint busy_since_{};
  std::map<std::string, Busy> busy_;
  CpuMeter cpu_;
};

}  // namespace corolla::front
