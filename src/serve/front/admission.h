// Admission: when would a request that comes now be done? Pure arithmetic over what the dispatcher
// knows of its workers.
#pragma once
#include <optional>
#include <span>

#include "base/time.h"

namespace corolla::front {

// One worker that serves the model.
struct WorkerLoad {
  Duration busy{0};        // until what is bound to it is done
  double rows_per_ns = 0;  // of this model, in batches of the size expected
  Duration service{0};     // of the request itself, there
};

// The workers take the rows that wait ahead as each becomes free; the request starts when those are
// gone and somebody is free. nullopt: no workers, or none with a rate.
std::optional<Duration> expected_completion(std::span<const WorkerLoad> workers, double rows_ahead);

}  // namespace corolla::front
