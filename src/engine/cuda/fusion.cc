#include "engine/cuda/fusion.h"

#include <algorithm>

#include "engine/cuda/byte_lowering.h"
#include "engine/cuda/kernels/head_kernel.h"

namespace corolla::engine::cuda {
namespace {

// The one step that reads `tensor`, if it is the only one.
std::optional<size_t> only_reader(const plan::Program& program, int32_t tensor) {
  std::optional<size_t> found;
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const auto& inputs = program.steps[i].inputs;
    if (std::find(inputs.begin(), inputs.end(), tensor) == inputs.end()) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

}  // namespace

std::optional<Fused> fuse_head(const LoweringContext& at, size_t first) {
  using plan::StepOp;
  const plan::Program& program = at.program;
  const plan::PlanTensor& x = at.input(0);
  if (at.step.op() != StepOp::kGlobalAveragePool || !at.is_number(x)) return std::nullopt;
  Fused fused;
  fused.steps.push_back(first);
  HeadProblem p;
  p.element = at.element();
  float mean_scale = 1;  // of means that are quantised
  p.x = at.address(x);
  p.images = static_cast<int>(x.shape[0]);
  p.pixels = static_cast<int>(x.shape[2] * x.shape[3]);
  p.channels = static_cast<int>(plan::stored_channels(x.shape[1]));
  for (int32_t t = at.step.outputs[0];;) {
    const auto next = only_reader(program, t);
    if (!next || program.steps[*next].outputs.size() != 1) return std::nullopt;
    const plan::Step& step = program.steps[*next];
    const plan::PlanTensor& y = at.tensor(step.outputs[0]);
    fused.steps.push_back(*next);
    t = step.outputs[0];
    if (step.op() == StepOp::kReshape) continue;
    if (step.op() == StepOp::kQuantize && p.w == nullptr) {
      mean_scale = y.scale;
      p.mean_scale = 1 / y.scale;
      p.mean_zero = y.zero;
      continue;
    }
    if (step.op() == StepOp::kGemm && p.w == nullptr) {
      const auto& gemm = std::get<plan::Gemm>(step.operation);
      const plan::PlanTensor &w = at.tensor(step.inputs[1]), &bias = at.tensor(step.inputs[2]);
      if (gemm.epilogue.residual || gemm.epilogue.activation != plan::Activation::kNone ||
          gemm.m != p.images || gemm.k != p.channels ||
          !(at.is_number(w) || w.dtype == DType::kInt8) || !at.is_number(y))
        return std::nullopt;
      p.w = at.address(w);
      if (w.dtype == DType::kInt8) {
        auto wide = wide_weights(at, w);
        auto scales = product_scales(at, step, mean_scale);
        if (!wide.ok() || !scales.ok()) return std::nullopt;
        p.w = *wide;
        p.scale = *scales;
      }
      p.bias = reinterpret_cast<const float*>(at.address(bias));
      p.classes = static_cast<int>(gemm.n);
    } else if (step.op() == StepOp::kSoftmax && p.w != nullptr && !p.softmax) {
      p.softmax = true;
    } else if (step.op() == StepOp::kExport && p.w != nullptr && y.dtype == DType::kFp32) {
      p.y = reinterpret_cast<float*>(at.address(y));
      break;
    } else {
      return std::nullopt;
    }
  }
  if (!head_fits(p)) return std::nullopt;
  std::sort(fused.steps.begin(), fused.steps.end());
  fused.launch.kernel = p.softmax ? "pool_fc_softmax" : "pool_fc";
  fused.launch.flops = 2.0 * p.images * p.classes * p.channels;
  fused.launch.bytes = static_cast<double>(x.bytes) + 2.0 * p.classes * p.channels;
  fused.launch.run = [p](const Launching& l) { return launch_head(p, l); };
  return fused;
}

}  // namespace corolla::engine::cuda
