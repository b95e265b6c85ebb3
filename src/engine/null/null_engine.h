// An engine that computes nothing: each row of each output is the same falling curve, (1 -
// i/(n-1))^2 for n elements, whatever comes in. For measuring the front, for tests, and for playing
// slices of any speed (service_time.h).
//
// Models need no file; their inputs and outputs must be declared, every dimension fixed or (outputs
// only) counted as 1.
#pragma once
#include "engine/engine_setup.h"

namespace corolla::engine {

// Options: those of ServiceTime, and green=16,16,100: it plays so many green contexts, which run
// one batch each at a time.
Result<std::unique_ptr<Engine>> make_null_engine(const EngineSetup& setup);

}  // namespace corolla::engine
