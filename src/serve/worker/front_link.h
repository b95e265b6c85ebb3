// Everything that one attached front shares with this worker: its arena and submit region
// (read-only here), our reply region, the doorbells, and the client regions it told us of. Lives
// until the last batch of that front is done.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/shared_memory.h"
#include "link/channel.h"
#include "link/rings.h"
#include "serve/worker/engine_memory.h"
#include "serve/worker/region_table.h"

namespace corolla::worker {

struct FrontLink {
  explicit FrontLink(engine::Engine& engine) : regions(engine) {}
  Mapping arena;
  Mapping submit;
  OwnedMemory reply;
  Fd doorbell;
  std::vector<Fd> io_doorbells;
  RegionTable regions;
  EngineMemory arena_memory, reply_memory;  // after what they are of: they go first
  uint64_t generation = 0;                  // whose model numbers count (ModelTable::begin_front)
};

// From an Attach message and its descriptors; the engine is told of the memory, and outlives the
// link. kInvalidArgument when they do not belong together.
Result<std::shared_ptr<FrontLink>> open_front_link(const link::Attach& attach, std::vector<Fd> fds,
                                                   uint64_t reply_bytes, engine::Engine& engine);

}  // namespace corolla::worker
