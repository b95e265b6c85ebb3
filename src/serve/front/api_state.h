// What the protocol's operations beside inference need of the rest of the front: the models that
// are ready, and control over workers. Implemented by the front; a fake serves the tests.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/front/shm_registry.h"
#include "serve/front/statistics.h"
#include "wire/inference.pb.h"

namespace corolla::front {

struct ApiModel {
  std::shared_ptr<const inference::ModelConfig> config;  // completed
  std::vector<int64_t> versions;                         // all that are ready, rising
  int64_t version = 0;                                   // the one that was found
};

struct IndexEntry {
  std::string name, version;  // version empty: none is known
  std::string state,
      reason;  // "READY", "LOADING", "UNLOADING", "UNAVAILABLE"; empty: never asked for
};

// Threads: called on any I/O thread; callbacks may run on any thread, at once or later, and exactly
// once.
class ApiBackend {
 public:
  virtual ~ApiBackend() = default;

  virtual bool ready() const = 0;
  // `version` as in the request; empty: the highest. kNotFound, worded as Triton's clients know it.
  virtual Result<ApiModel> model(std::string_view name, std::string_view version) const = 0;
  // Empty names match all.
  virtual StatisticsSnapshot statistics(std::string_view model, std::string_view version) const = 0;

  virtual void index(std::function<void(std::vector<IndexEntry>)> done) = 0;
  // On all workers or on none. `config_json`: instead of config.pbtxt; empty: none.
  virtual void load(const std::string& model, const std::string& config_json,
                    std::function<void(Status)> done) = 0;
  virtual void unload(const std::string& model, std::function<void(Status)> done) = 0;
  // Opens a shared memory object that our own user may not, by somebody who may. On any thread.
  virtual void open_object(const std::string& key, std::function<void(Result<Fd>)> done) = 0;
  // Until every worker has mapped the region. After an error the caller unregisters it.
  virtual void map_region(ShmRef region, std::function<void(Status)> done) = 0;
  // The log settings have changed.
  virtual void log_settings_changed() = 0;
};

}  // namespace corolla::front
