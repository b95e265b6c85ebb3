// Runs ONNX models on CPU cores by OpenVINO. Needs the slice's cores to be all that the process may
// run on: OpenVINO's own pinning is off, since two pinned workers would both choose the machine's
// first cores.
//
// Compiled models are kept in the cache directory, keyed by everything that they depend on, and
// mapped from there: the next worker loads in a tenth of a second and shares those pages.
#pragma once
#include "engine/engine_setup.h"

namespace corolla::engine {

// Options: threads=N (default: the slice's cores), precision=f32|bf16 (of what is not quantised;
// f32). Parameters of a model may name the same two, which win.
Result<std::unique_ptr<Engine>> make_openvino_engine(const EngineSetup& setup);

}  // namespace corolla::engine
