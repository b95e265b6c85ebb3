// An engine that computes nothing itself: it starts a server that speaks KServe v2 (a tritonserver,
// say) on the slice and forwards batches to it.
//
// Options: settings.h. In `command` and `cleanup` are replaced: {http_port}, {grpc_port} (free ones
// on 127.0.0.1), {slice} (the slice's id, with '-' for what is no letter, digit, '.', '_' or '-'),
// {uuid} (CUDA_VISIBLE_DEVICES of the slice, empty if there is none) and {cores} ("0,1").
//
// The server is one with the worker: when it dies or cannot be reached any more, `gone` is called
// and the batches at it are never answered, so that the front gives them to another worker, as it
// does when a worker dies.
#pragma once
#include <functional>

#include "engine/engine_setup.h"

namespace corolla::engine {

// In a real worker it does not return. Called once, on a thread of the engine's.
using ServerGone = std::function<void(const Error&)>;

// Returns when the server runs; its readiness is waited for by the first load().
Result<std::unique_ptr<Engine>> make_external_engine(const EngineSetup& setup, ServerGone gone);

}  // namespace corolla::engine
