// A worker process: the loop inside one slice. Started by the keeper with its channel on descriptor
// link::kKeeperFd.
//
// Threads: the control thread (run_worker's caller) speaks with the keeper and the front; the
// loader thread loads and unloads models; the compute thread runs batches. A front that goes away
// costs nothing but its requests: models stay loaded for the next one.
//
// The keeper decides how long a worker lives: SIGTERM and SIGINT are ignored; Quit, a closed keeper
// channel, or the keeper's death ends the process at once.
#pragma once
#include "engine/engine_setup.h"

namespace corolla::worker {

inline constexpr int kExitQuit = 0;  // the keeper said Quit, or has gone
inline constexpr int kExitUsage =
    2;  // wrong command line, no keeper, wrong options: restarting does not help
inline constexpr int kExitEngineBroken =
    3;  // the engine failed in a way that only a new process mends

// The whole of main(). Options: --log-json, --log-level debug|info|warn|error. Engine options of
// the worker itself: spin_us.
int run_worker(int argc, char** argv, const engine::EngineFactory& make_engine);

}  // namespace corolla::worker
