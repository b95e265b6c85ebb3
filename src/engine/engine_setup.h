// What an engine is born with, and the function that makes one: apps hand it to serve/worker, which
// knows no engine by name.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace corolla::engine {

class MemorySharing;

struct EngineSetup {
  std::string cache_dir;                       // of compiled models; empty: no cache
  std::map<std::string, std::string> options;  // engine specific
  std::string slice;                           // its id: "cores:0", "MIG-..."
  std::vector<int> cores;            // of the slice; the process is pinned to them already
  MemorySharing* sharing = nullptr;  // outlives the engine; null: there are no others
};

// kInvalidArgument for an unknown or malformed option.
using EngineFactory = std::function<Result<std::unique_ptr<Engine>>(const EngineSetup&)>;

}  // namespace corolla::engine
