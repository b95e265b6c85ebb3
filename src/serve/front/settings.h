// Trace and log settings, as clients see and change them: Triton's keys, values and checks. With
// trace_level TIMESTAMPS every trace_rate-th request of a model is written to the log
// (request_trace.h) until trace_count are; TENSORS, log_frequency and trace_file change nothing.
// The log level is log_level().
//
// Thread-safe.
#pragma once
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace corolla::front {

// A setting's values, as gRPC carries them: one, but for trace_level. nullopt in an update: back to
// the value it would have otherwise.
using TraceUpdate = std::map<std::string, std::optional<std::vector<std::string>>>;

class TraceSettings {
 public:
  using Values = std::map<std::string, std::vector<std::string>>;

  TraceSettings();

  // `model` empty: the global settings. A model without settings of its own shows the global ones.
  Values get(const std::string& model) const;

  // All or nothing. kInvalidArgument for an unknown key or a value that cannot be; kUnsupported for
  // those that cannot be changed while serving.
  Status update(const std::string& model, const TraceUpdate& update);

  // Called once for each answered request: whether this one is to be traced. Counts trace_count
  // down. Costs a load while no level is on.
  bool sample(const std::string& model);

 private:
  const std::vector<std::string>& value(const std::string& model, const std::string& key) const;

  std::atomic<bool> on_{false};  // for any model
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> answered_;  // by model, while tracing is on for it
  Values global_;
  std::map<std::string, Values> models_;  // only what differs from the global settings by intention
};

struct LogValues {
  std::string log_file;
  bool log_info = true, log_warning = true, log_error = true;
  uint32_t log_verbose_level = 0;
  std::string log_format = "default";
  bool operator==(const LogValues&) const = default;
};

struct LogUpdate {
  std::optional<std::string> log_file, log_format;
  std::optional<bool> log_info, log_warning, log_error;
  std::optional<uint32_t> log_verbose_level;
};

class LogSettings {
 public:
  LogValues get() const;
  // All or nothing. kUnsupported: log_file cannot be changed while serving; kInvalidArgument: no
  // such format.
  Status update(const LogUpdate& update);
  // The least level that the settings ask for.
  log::Level log_level() const;

 private:
  mutable std::mutex mutex_;
  LogValues values_;
};

}  // namespace corolla::front
