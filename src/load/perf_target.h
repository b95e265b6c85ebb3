// The server side of a measurement: what is asked of it once, the prepared requests, and what it
// tells about itself while it is measured.
//
// Threads: the controlling thread's only.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/server_session.h"
#include "load/perf.h"
#include "load/shared_region.h"

namespace corolla::load {

// after - before, each count by itself; a count that fell (the server was restarted) is 0.
client::ModelStatistics growth(const client::ModelStatistics& after,
                               const client::ModelStatistics& before);

class PerfTarget {
 public:
  static Result<std::unique_ptr<PerfTarget>> prepare(const PerfOptions& options);
  ~PerfTarget();  // unregisters what it registered

  const client::ModelMetadata& metadata() const { return metadata_; }
  const client::ModelConfig& config() const { return config_; }
  const std::string& server_name() const { return server_name_; }
  // What a Generator needs; may be called again.
  GeneratorOptions generator_options() const;

  // A reading of all that only grows.
  struct Reading {
    TimePoint at;
    std::optional<client::ModelStatistics> statistics;  // summed over the URLs
    std::map<std::string, double> slices;
    std::map<std::string, double> gauges;  // these do not grow: the present values
    Duration client_cpu{};
    std::optional<Duration> server_cpu;
  };
  Reading read();

 private:
  explicit PerfTarget(const PerfOptions& options) : options_(options) {}
  Status connect();
  Status ask();
  Status make_calls();
  Status place_in_shared_memory();

  const PerfOptions& options_;
  std::vector<wire::ClientAddress> addresses_;
  std::vector<std::unique_ptr<client::ServerSession>> sessions_;
  std::unique_ptr<client::ServerSession> metrics_;
  std::string metrics_path_;
  std::string server_name_;
  bool has_statistics_ = false;
  client::ModelMetadata metadata_;
  client::ModelConfig config_;
  Inputs inputs_;
  std::vector<SharedRegion> regions_;
  std::vector<std::string> registered_;
  std::optional<wire::ShmPlace> output_place_;
  std::vector<std::vector<std::shared_ptr<const wire::ClientCall>>> calls_;
  std::vector<pid_t> server_processes_;
};

}  // namespace corolla::load
