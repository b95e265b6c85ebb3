// A worker that forwards to a server of somebody else's, which it starts on its slice.
#include <cstdlib>

#include "base/log.h"
#include "engine/external/external_engine.h"
#include "serve/worker/worker.h"

int main(int argc, char** argv) {
  using namespace corolla;
  const auto gone = [](const Error& why) {
    log::error("server_gone", {{"why", why.what}});
    std::_Exit(worker::kExitEngineBroken);  // unanswered, its batches go to another worker
  };
  return worker::run_worker(argc, argv, [&](const engine::EngineSetup& setup) {
    return engine::make_external_engine(setup, gone);
  });
}
