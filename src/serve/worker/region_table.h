// The clients' shared memory that the front has told this worker of, by number. One table for each
// attached front.
//
// Thread-safe. A region stays mapped while somebody holds it, also after unmap().
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "base/fd.h"
#include "base/result.h"
#include "base/shared_memory.h"
#include "serve/worker/engine_memory.h"
#include "serve/worker/sigbus_guard.h"

namespace corolla::worker {

class ClientRegion {
 public:
  // The engine is told of regions that are not too large to be pinned within a moment.
  ClientRegion(Mapping map, engine::Engine& engine)
      : map_(std::move(map)), guard_(map_.data(), map_.size()) {
    if (map_.size() <= kMostForEngine) memory_ = EngineMemory(engine, map_.bytes(), false);
  }
  std::span<const std::byte> bytes() const { return map_.bytes(); }
  bool guarded() const { return guard_.ok(); }
  // Its owner has cut it short and we have read beyond the cut.
  bool broken() const { return guard_.broken(); }

 private:
  static constexpr size_t kMostForEngine = 256 << 20;
  Mapping map_;
  GuardedRange guard_;
  EngineMemory memory_;
};

class RegionTable {
 public:
  explicit RegionTable(engine::Engine& engine) : engine_(engine) {}
  // Maps [0, bytes) of `fd` read-only as number `region`, in the place of an older one.
  // kInvalidArgument: number 0, or the memory is smaller.
  Status map(uint32_t region, const Fd& fd, uint64_t bytes);
  void unmap(uint32_t region);
  std::shared_ptr<ClientRegion> find(uint32_t region) const;

 private:
  engine::Engine& engine_;
  mutable std::mutex mutex_;
  std::map<uint32_t, std::shared_ptr<ClientRegion>> regions_;
};

}  // namespace corolla::worker
