// Slices of CPU cores, held by affinity: the kind that every machine has.
//
// Profiles: "cores:N" (or "cores:N@4GiB", with a memory limit) is N physical cores, of which a
// worker gets the first hardware thread each (the second adds little to inference, and is left for
// the front); "threads:N" is N hardware threads, siblings kept together. No two slices share a
// physical core, but where "threads" asks for it. A slice lies within one memory node if any has
// room for it.
//
// The wall is the affinity of each worker: there is no device to ask, so the provider itself is the
// record of what was given away, and the keeper reads each worker's affinity back from the kernel.
#pragma once
#include <vector>

#include "slice/slice_provider.h"
#include "slice/topology.h"

namespace corolla::slice {

class CoresProvider : public SliceProvider {
 public:
  explicit CoresProvider(Topology topology) : topology_(std::move(topology)) {}

  Result<std::vector<Slice>> observe() override;  // ordered by their first CPU
  Status check(const Carve& want) override;
  // Never kBusy: affinity moves under a running process.
  Status apply(const Carve& want) override;

  const Topology& topology() const { return topology_; }

  // What nobody asked for: one slice of one core for each physical core. With more than four, one
  // in eight is left to the front and the system. A cgroup's quota lowers it.
  Carve automatic() const;

 private:
  Result<std::vector<Slice>> place(const Carve& want) const;

  Topology topology_;
  std::vector<Slice> slices_;
};

}  // namespace corolla::slice
