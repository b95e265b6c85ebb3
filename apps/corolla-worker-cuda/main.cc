// A worker that runs plans and ONNX models on an NVIDIA GPU, or on its slice of one. With --tune it
// is no worker: it chooses the kernels of a plan for the device that it was started on; with --run
// it runs one model on files.
#include <string_view>

#include "engine/cuda/cuda_engine.h"
#include "run_command.h"
#include "serve/worker/worker.h"
#include "tune_command.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--tune")) return corolla::run_tune(argc, argv);
    if (argument == "--run" || argument.starts_with("--run=")) return corolla::run_once(argc, argv);
  }
  return corolla::worker::run_worker(argc, argv, corolla::engine::make_cuda_engine);
}
