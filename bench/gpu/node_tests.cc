// Runs ONNX's backend tests on a GPU, through the whole engine: folders on standard input, as
// plan/testing/node_case.h says; the argument is the type (fp16, bf16, int8). bench/gpu/nodes.py
// lists the cases. Answers must be as near to ONNX's as half_tolerance() allows, and nearer to what
// the plan's steps mean (step_tolerance). Exits with 3 after a case that broke the device.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/log.h"
#include "engine/cuda/cuda_engine.h"
#include "engine/reply_memory.h"
#include "engine/submit_and_wait.h"
#include "plan/plan_file.h"
#include "plan/program_reference.h"
#include "plan/testing/node_case.h"

namespace corolla {
namespace {

using plan::Tensor;

// Kernels add in another order than the reference: where that changes what a sum is rounded to, the
// result differs by one rounding, 2 u of it; what follows may make that of the tensor's largest.
plan::Tolerance step_tolerance(DType precision) {
  plan::Tolerance tolerance = plan::half_tolerance(precision);
  tolerance.rtol /= 2;
  tolerance.scaled /= 2;
  return tolerance;
}

class Device {
 public:
  static Result<Device> open() {
    Device made;
    engine::EngineSetup setup;
    setup.options["lanes"] = "1";
    ASSIGN_OR_RETURN(made.engine_, engine::make_cuda_engine(setup));
    made.file_ = std::filesystem::temp_directory_path() /
                 ("gpu_node_tests." + std::to_string(::getpid()) + ".plan");
    return made;
  }
  bool broken() const { return broken_; }

  Result<std::vector<Tensor>> run(const plan::CasePlan& made) {
    RETURN_IF_ERROR(plan::write_plan(made.plan, file_));
    engine::ModelSource source;
    source.name = source.path = file_;
    source.parameters["tune"] = "off";
    auto loaded = engine_->load(source);
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
    if (!loaded.ok()) {
      broken_ = loaded.error().code == Code::kInternal;
      return loaded.error();
    }
    std::vector<engine::ConstTensor> inputs;
    for (const Tensor& tensor : made.inputs)
      inputs.push_back({tensor.dtype(), tensor.shape(), tensor.bytes()});
    engine::ReplyMemory reply;
    engine::Request request{inputs, 1, &reply};
    const Status done = engine::submit_and_wait(*engine_, **loaded, request);
    broken_ = !done.ok() && request.outcome.ok();
    if (broken_) return Error{Code::kInternal, "the device is broken: " + done.error().what};
    RETURN_IF_ERROR(done);
    std::vector<Tensor> outputs;
    for (const auto& [number, output] : reply.outputs) {
      ASSIGN_OR_RETURN(Tensor tensor, Tensor::make(output.dtype, output.shape));
      std::memcpy(tensor.writable().data(), output.bytes.data(), output.bytes.size());
      outputs.push_back(std::move(tensor));
    }
    return outputs;
  }

 private:
  std::unique_ptr<engine::Engine> engine_;
  std::string file_;
  bool broken_ = false;
};

// On the device, and not far from what the steps mean.
Result<std::vector<Tensor>> run_both(Device& device, const plan::CasePlan& made, DType precision) {
  ASSIGN_OR_RETURN(std::vector<Tensor> outputs, device.run(made));
  ASSIGN_OR_RETURN(const auto meant,
                   plan::run_program(made.plan, made.plan.programs[0], made.inputs));
  for (size_t i = 0; i < outputs.size(); ++i)
    if (const auto near = plan::compare(outputs[i], meant[i], step_tolerance(precision), precision);
        !near.ok())
      return Error{Code::kInternal, "other than the steps mean: " + near.error().what};
  return outputs;
}

int run(const std::string& type) {
  const DType precision = type == "bf16"   ? DType::kBf16
                          : type == "int8" ? DType::kInt8
                                           : DType::kFp16;
  log::init("gpu_node_tests", false, log::Level::kWarn);
  auto device = Device::open();
  if (!device.ok()) {
    std::fprintf(stderr, "gpu_node_tests: %s\n", device.error().what.c_str());
    return 1;
  }
  const plan::RunCase one = [&](const plan::NodeCase& test, const plan::Tolerance& tolerance) {
    return plan::check_plans(test, tolerance, precision, [&](const plan::CasePlan& made) {
      return run_both(*device, made, precision);
    });
  };
  return plan::run_cases(std::cin, one, true, [&] { return device->broken(); }) ? 0 : 3;
}

}  // namespace
}  // namespace corolla

int main(int argc, char** argv) { return corolla::run(argc > 1 ? argv[1] : "fp16"); }
