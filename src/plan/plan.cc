#include "plan/plan.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace corolla::plan {

int64_t stored_channels(int64_t channels) {
  return (channels + kChannelMultiple - 1) / kChannelMultiple * kChannelMultiple;
}

Result<int64_t> storage_bytes(DType dtype, Layout layout, std::span<const int64_t> shape) {
  if (dtype == DType::kBytes)
    return Error{Code::kInvalidArgument, "a plan's tensor cannot hold BYTES"};
  if (layout == Layout::kPlain) return byte_count(dtype, shape);
  if (shape.size() != 4)
    return Error{Code::kInvalidArgument,
                 "layout NHWC needs four dimensions; the shape is " + shape_text(shape)};
  RETURN_IF_ERROR(byte_count(dtype, shape));
  if (shape[1] > INT64_MAX - kChannelMultiple)
    return Error{Code::kInvalidArgument, "shape " + shape_text(shape) + " has too many channels"};
  const std::array<int64_t, 4> stored = {shape[0], shape[2], shape[3], stored_channels(shape[1])};
  return byte_count(dtype, stored);
}

std::string_view step_op_name(StepOp op) {
  constexpr std::string_view kNames[] = {"import",
                                         "export",
                                         "conv",
                                         "gemm",
                                         "matmul",
                                         "pool",
                                         "global_average_pool",
                                         "softmax",
                                         "layer_norm",
                                         "elementwise",
                                         "concat",
                                         "slice",
                                         "transpose",
                                         "reshape",
                                         "pad",
                                         "resize",
                                         "reduce",
                                         "gather",
                                         "expand",
                                         "quantize",
                                         "dequantize",
                                         "group_norm",
                                         "top_k"};
  static_assert(std::size(kNames) == std::variant_size_v<Operation>);
  const auto i = static_cast<size_t>(op);
  CHECK(i < std::size(kNames));
  return kNames[i];
}

std::string_view activation_name(Activation activation) {
  constexpr std::string_view kNames[] = {"none",        "relu", "clip",      "silu",
                                         "hardswish",   "gelu", "gelu_tanh", "sigmoid",
                                         "hardsigmoid", "tanh", "leaky_relu"};
  const auto i = static_cast<size_t>(activation);
  CHECK(i < std::size(kNames));
  return kNames[i];
}

std::string tuning_key(const Target& target) {
  return target.engine + "/" + target.arch + "/" + std::to_string(target.sm_count) + "/" +
         std::to_string(target.memory_bytes) + "/" + target.driver + "/" + target.walls;
}

Status fits(const Target& plan, const Target& device, int64_t needed_bytes) {
  const auto differ = [](const std::string& a, const std::string& b) {
    return !a.empty() && !b.empty() && a != b;
  };
  if (differ(plan.engine, device.engine))
    return Error{Code::kInvalidArgument, "the plan is for engine '" + plan.engine +
                                             "' and cannot run on engine '" + device.engine +
                                             "'; compile it again with --for"};
  if (differ(plan.arch, device.arch))
    return Error{Code::kInvalidArgument,
                 "the plan was made for " + plan.arch +
                     (plan.device.empty() ? "" : " (" + plan.device + ")") +
                     " and this device is " + device.arch +
                     (device.device.empty() ? "" : " (" + device.device + ")") +
                     "; compile the model again on this device"};
  if (device.memory_bytes > 0 && needed_bytes > device.memory_bytes)
    return Error{Code::kInvalidArgument,
                 "the plan needs " + std::to_string(needed_bytes) +
                     " bytes of device memory and this slice has " +
                     std::to_string(device.memory_bytes) +
                     "; compile it for smaller batches or give it a larger slice"};
  return ok();
}

std::optional<std::string> tuned_elsewhere(const Target& plan, const Target& device) {
  std::string what;
  const auto compare = [&](const char* name, const std::string& a, const std::string& b) {
    if (!a.empty() && !b.empty() && a != b)
      what += (what.empty() ? "" : ", ") + std::string(name) + " " + a + " (here " + b + ")";
  };
  const auto number = [](int32_t n) { return n > 0 ? std::to_string(n) : std::string(); };
  compare("SMs:", number(plan.sm_count), number(device.sm_count));
  compare("walls", plan.walls, device.walls);
  compare("driver", plan.driver, device.driver);
  compare("device", plan.device, device.device);
  if (what.empty()) return std::nullopt;
  return "the plan was tuned elsewhere: " + what +
         "; it runs, but compiling it on this slice would make it faster";
}

const Program* Plan::program_for(int64_t rows) const {
  for (const Program& program : programs)
    if (program.batch >= rows) return &program;
  return nullptr;
}

std::string program_text(const Program& program) {
  std::string text = "program of batch " + std::to_string(program.batch) + ": " +
                     std::to_string(program.steps.size()) + " steps, arena " +
                     std::to_string(program.arena_bytes) + " bytes (least possible " +
                     std::to_string(program.arena_lower_bound) + ")\n";
  for (const Step& step : program.steps) {
    text += "  " + std::string(step_op_name(step.op())) + "  " + step.name + "  ";
    for (const int32_t id : step.inputs) {
      const PlanTensor& in = program.tensors[static_cast<size_t>(id)];
      if (in.place != Place::kWeight) text += shape_text(in.shape) + " ";
    }
    text += "->";
    for (const int32_t id : step.outputs) {
      const PlanTensor& out = program.tensors[static_cast<size_t>(id)];
      text += " " + std::string(dtype_name(out.dtype)) + " " + shape_text(out.shape) +
              (out.layout == Layout::kNhwc ? " NHWC" : "");
    }
    if (!step.kernel.empty()) text += "  " + step.kernel;
    text += "\n";
  }
  return text;
}

}  // namespace corolla::plan
