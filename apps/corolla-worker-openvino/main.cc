// A worker that runs ONNX models on its CPU cores by OpenVINO.
#include "engine/openvino/openvino_engine.h"
#include "serve/worker/worker.h"

int main(int argc, char** argv) {
  return corolla::worker::run_worker(argc, argv, corolla::engine::make_openvino_engine);
}
