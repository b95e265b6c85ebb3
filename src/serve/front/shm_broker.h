// Brings clients' registered memory to the workers, by descriptor: a registration is answered once
// every worker has mapped the region, so no request can arrive at a worker before its region. A
// worker that joins later maps all regions before it is asked to load a model.
//
// Threads: the control thread only.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/time.h"
#include "link/link.pb.h"
#include "serve/front/shm_registry.h"
#include "serve/front/worker_link.h"

namespace corolla::front {

class ShmBroker {
 public:
  using Callback = std::function<void(Status)>;
  // `drop`: takes the region's name away again when a worker cannot map it. `keep`: every worker
  // has mapped it.
  ShmBroker(const ShmRegistry& registry, std::function<void(const std::string& name)> drop,
            std::function<void(const ShmRegion& region)> keep)
      : registry_(registry), drop_(std::move(drop)), keep_(std::move(keep)) {}

  void worker_joined(std::shared_ptr<WorkerLink> worker);
  void worker_gone(WorkerId worker);
  void on_mapped(WorkerId worker, const link::RegionMapped& message);

  void map(ShmRef region, Callback done);
  void unmap(uint32_t number);

 private:
  struct Pending {
    ShmRef region;
    std::set<WorkerId> workers;
    std::string error;
    Callback done;
  };
  void settle(uint32_t number);

  const ShmRegistry& registry_;
  const std::function<void(const std::string&)> drop_;
  const std::function<void(const ShmRegion&)> keep_;
  std::map<WorkerId, std::shared_ptr<WorkerLink>> workers_;
  std::map<uint32_t, Pending> pending_;
};

}  // namespace corolla::front
