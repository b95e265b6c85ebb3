// Which provider carves what. The one place that knows every mechanism.
#pragma once
#include <memory>
#include <string>

#include "slice/slice_provider.h"
#include "slice/slice_set.h"
#include "slice/topology.h"

namespace corolla::slice {

struct ProviderSetup {
  Topology topology;  // of the CPU
  std::string
      runtime_dir;  // a folder of the fleet's own, for daemons' pipes and logs; made when needed
};

// For SliceSet. Errors of a provider: kUnavailable with what is missing on this machine (a driver,
// a device, a program).
SliceSet::Make provider_maker(ProviderSetup setup);

}  // namespace corolla::slice
