// The engine of NVIDIA GPUs (sm_80 and later; best on sm_90a): replays plans, or compiles ONNX
// models into plans when they are loaded, in FP16 with FP32 sums.
//
// Options (engine options; `tune` and `batches` also as parameters of one model, which win):
//   lanes=2            batches under way at once, each with memory of its own
//   green=16,16,100    instead: that many lanes, each on so many multiprocessors of its own
//   wait=spin|block    how a lane waits for its batch: soonest, or without using the CPU
//   direct=on|off      whether requests are read, and large outputs written, where they lie
//   jpeg=device|host   where JPEG pictures are decoded: by nvJPEG if it is here (not for green
//                      contexts, and only plain files), or always on the host
//   tune=on|off        whether kernels that no cache knows are timed when a model is loaded
//   batches=1,2,4,8    batch sizes that get programs; else powers of two up to max_batch
//
// An error that only a new process mends is reported as a broken engine: the worker exits.
#pragma once
#include "engine/engine_setup.h"

namespace corolla::engine {

// kUnsupported, kInternal: no device, or none that the kernels can run on.
Result<std::unique_ptr<Engine>> make_cuda_engine(const EngineSetup& setup);

}  // namespace corolla::engine
