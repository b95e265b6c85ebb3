// What a fleet is to be: corolla.yaml and the command line, read strictly. docs/corolla-yaml.md
// documents each key.
//
// A FleetConfig is a plain value. Reading never touches the machine: whether ports are free, files
// exist and cores suffice is found out by whoever uses them.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "fleet/restart_policy.h"
#include "slice/slice_wish.h"

namespace corolla::fleet {

struct Endpoint {
  std::string address;  // numeric, IPv4 or IPv6 without brackets
  uint16_t port = 0;    // 0: any free one
  // "127.0.0.1:8000", "[::1]:8000"
  std::string text() const;
  bool operator==(const Endpoint&) const = default;
};

// What runs models in a worker: the program corolla-worker-<name>.
struct EngineWish {
  std::string name;                            // empty: the fleet's own (fleet_slices.h)
  std::map<std::string, std::string> options;  // engine specific; no '=', ',' or '%' in a name
  bool operator==(const EngineWish&) const = default;
};

// One entry of `slices`: slices of one kind on one device, and what runs there.
struct SliceEntry {
  slice::SliceWish wish;
  std::string name;  // what models may call it; may be empty
  EngineWish engine;
  bool operator==(const SliceEntry&) const = default;
};

struct ModelWish {
  std::optional<uint32_t> slices;  // how many slices serve it; nothing: all of them
  std::vector<std::string> on;     // which slices may: by entry's name, profile or kind; empty: any
  std::vector<int64_t> versions;   // empty: by the model's own version policy
  std::map<std::string, std::string> parameters;  // over those of config.pbtxt: {"image", "u8"}
  bool operator==(const ModelWish&) const = default;
};

struct Limits {
  uint64_t arena_bytes = 256ull << 20;  // requests being received, waiting or running, all together
  uint64_t reply_bytes = 64ull << 20;   // answers of one worker
  uint32_t io_threads = 0;              // 0: one for each two cores, at most four
  uint32_t connections = 8192;
  uint64_t header_bytes = 64ull << 10;
  uint64_t body_bytes = 128ull << 20;  // of one request
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);
  Duration idle_timeout = std::chrono::seconds(120);
  uint32_t queue = 1024;  // requests waiting for one model
  Duration hang_timeout = std::chrono::seconds(30);
  Duration shm_lease_check = std::chrono::seconds(1);
  bool client_shm = true;         // whether clients may register their shared memory
  std::string client_shm_prefix;  // and if so, only objects whose names begin so
  bool operator==(const Limits&) const = default;
};

struct FleetConfig {
  std::string name = "corolla";
  std::map<std::string, Endpoint> listen = {  // by role: "http", "grpc", "metrics", "any"
      {"http", {"127.0.0.1", 8000}},
      {"grpc", {"127.0.0.1", 8001}},
      {"metrics", {"127.0.0.1", 8002}}};
  std::string models_dir = "models";
  std::map<std::string, ModelWish> models;  // empty: every model of models_dir, on every slice
  std::vector<SliceEntry> slices;  // empty: automatic, one core each (slice/cores_provider.h)
  std::string engine = "openvino";
  std::map<std::string, std::string> engine_options;
  Limits limits;
  std::string certificate_file, key_file;  // both empty: no TLS
  std::string cache_dir;                   // empty: default_cache_dir()
  Duration drain_limit = std::chrono::seconds(10);
  Duration quit_limit = std::chrono::seconds(2);  // for a child that was told to leave
  RestartSettings restart;
  bool log_json = false;
  log::Level log_level = log::Level::kInfo;
  bool operator==(const FleetConfig&) const = default;
};

// Reads YAML text over `base`: what the text does not say stays as it is there. Relative paths are
// taken from `directory`. kInvalidArgument: one sentence that begins with "<file_name>:<line>: "
// and names the key.
Result<FleetConfig> read_config(std::string_view text, const std::string& file_name,
                                const std::string& directory, const FleetConfig& base = {});
// The same from a file; kNotFound or kPermission if it cannot be read.
Result<FleetConfig> read_config_file(const std::string& path, const FleetConfig& base = {});

// "8000", "0.0.0.0:8000", "[::1]:8000", ":8000", "localhost:8000"; nullopt for "off". `address` is
// used where none is said.
Result<std::optional<Endpoint>> parse_endpoint(std::string_view text, const std::string& address);
// The short form of `slices`, one entry: "2" (so many slices of one core), "cores:2x4" (two of four
// cores), "cores:4,1,1", "threads:4x1", "mps:50,25,25", "mps:14x7" (14 percent, seven times),
// "sm:16,16,100", "mig:1g.10gb*7"; empty for "auto".
Result<std::vector<SliceEntry>> parse_slices(std::string_view text);

// Whether the listeners contradict each other: the same port twice.
Status check_listeners(const std::map<std::string, Endpoint>& listen);

// $XDG_CACHE_HOME/corolla, ~/.cache/corolla, or a folder in /tmp that bears the user's number.
std::string default_cache_dir();

}  // namespace corolla::fleet
