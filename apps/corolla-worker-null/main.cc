// A worker that computes nothing: fixed answers after injected service times, for measuring
// everything around it.
#include "engine/null/null_engine.h"
#include "serve/worker/worker.h"

int main(int argc, char** argv) {
  return corolla::worker::run_worker(argc, argv, corolla::engine::make_null_engine);
}
