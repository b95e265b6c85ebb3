#include "plan/step_cost.h"

#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

// Dense fp16 with fp32 sums, and memory, as the makers state them.
struct Peak {
  std::string_view name;  // part of the device's name
  double tflops_per_sm, terabytes_per_second;
};

constexpr Peak kPeaks[] = {
    {"H200", 989.4 / 132, 4.8}, {"H100 PCIe", 756.0 / 114, 2.0}, {"H100", 989.4 / 132, 3.35},
    {"A100", 312.0 / 108, 2.0}, {"L4", 121.0 / 60, 0.3},
};

}  // namespace

StepCost cost_of(const Program& program, const Step& step) {
  const auto tensor = [&](int32_t id) -> const PlanTensor& {
    return program.tensors[static_cast<size_t>(id)];
  };
  const PlanTensor& out = tensor(step.outputs[0]);
  StepCost cost;
  if (step.op() == StepOp::kReshape && out.place == Place::kArena) return cost;
  cost.bytes = static_cast<double>(out.bytes);
  for (const int32_t id : step.inputs) cost.bytes += static_cast<double>(tensor(id).bytes);
  const auto elements = static_cast<double>(product(out.shape));
  if (const auto* conv = std::get_if<Conv>(&step.operation)) {
    const double depth = static_cast<double>(tensor(step.inputs[0]).shape[1] / conv->groups) *
                         static_cast<double>(conv->kernel_h * conv->kernel_w);
    cost.flops = 2 * elements * depth;
  } else if (const auto* gemm = std::get_if<Gemm>(&step.operation)) {
    cost.flops = 2 * elements * static_cast<double>(gemm->k);
  } else if (step.op() == StepOp::kMatmul) {
    cost.flops = 2 * elements * static_cast<double>(tensor(step.inputs[0]).shape.back());
  } else {
    cost.flops = elements;
  }
  return cost;
}

std::optional<double> least_microseconds(const Target& target, const StepCost& cost, bool int8) {
  for (const Peak& peak : kPeaks) {
    if (target.sm_count == 0 || target.device.find(peak.name) == std::string::npos) continue;
    const double tflops = peak.tflops_per_sm * target.sm_count * (int8 ? 2 : 1);
    return std::max(cost.flops / tflops, cost.bytes / peak.terabytes_per_second) * 1e-6;
  }
  return std::nullopt;
}

}  // namespace corolla::plan
