#include "engine/cuda/fusion.h"

#include <algorithm>

#include "engine/cuda/byte_lowering.h"
#include "engine/cuda/kernels/head_kernel.h"
#include "engine/cuda/kernels/residual_norm_kernel.h"

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

// Whether writing `y` row by row leaves alone what other rows still have to read of `x`.
bool may_write(const LoweringContext& at, const plan::PlanTensor& y, const plan::PlanTensor& x) {
  const std::byte *to = at.address(y), *from = at.address(x);
  if (to == from && y.bytes == x.bytes) return true;
  return to + y.bytes <= from || from + x.bytes <= to;
}

}  // namespace

std::optional<Fused> fuse_residual_norm(const LoweringContext& at, size_t first) {
  using plan::StepOp;
  const auto* add = std::get_if<plan::Elementwise>(&at.step.operation);
  if (add == nullptr || add->kind != plan::Elementwise::Kind::kAdd ||
      add->epilogue.activation != plan::Activation::kNone || first + 1 == at.program.steps.size())
    return std::nullopt;
  const plan::Step& next = at.program.steps[first + 1];
  if (next.op() != StepOp::kLayerNorm || next.inputs[0] != at.step.outputs[0]) return std::nullopt;
  const auto plain = [](const plan::PlanTensor& t) { return t.layout == plan::Layout::kPlain; };
  const plan::PlanTensor &sum = at.output(), &y = at.tensor(next.outputs[0]);
  if (sum.dtype != DType::kFp32 || !at.is_number(y) || !plain(sum) || !plain(y) ||
      sum.shape.back() > kMostNormColumns)
    return std::nullopt;
  // a is as large as the sum; b as large, or repeated along the first dimensions.
  const bool turned = at.input(0).shape != sum.shape;
  const plan::PlanTensor &a = at.input(turned ? 1 : 0), &b = at.input(turned ? 0 : 1);
  size_t d = 0;
  while (d + 1 < b.shape.size() && b.shape[d] == 1) ++d;
  const bool repeated =
      b.shape.size() <= sum.shape.size() &&
      std::equal(b.shape.rbegin(), b.shape.rend() - static_cast<std::ptrdiff_t>(d),
                 sum.shape.rbegin());
  if (a.shape != sum.shape || !repeated) return std::nullopt;
  for (const plan::PlanTensor* x : {&a, &b})
    if (!(x->dtype == DType::kFp32 || at.is_number(*x)) || !plain(*x) || !may_write(at, sum, *x) ||
        !may_write(at, y, *x))
      return std::nullopt;
  // In place only where rows are the same rows.
  if (b.shape != sum.shape && (at.address(b) == at.address(sum) || at.address(b) == at.address(y)))
    return std::nullopt;
  ResidualNormProblem p;
  p.element = at.element();
  p.a = at.address(a);
  p.b = at.address(b);
  p.a_float = a.dtype == DType::kFp32;
  p.b_float = b.dtype == DType::kFp32;
  p.sum = reinterpret_cast<float*>(at.address(sum));
  p.y = at.address(y);
  p.gamma = reinterpret_cast<const float*>(at.address(at.tensor(next.inputs[1])));
  p.beta = reinterpret_cast<const float*>(at.address(at.tensor(next.inputs[2])));
  p.columns = static_cast<int>(sum.shape.back());
  p.rows = sum.bytes / 4 / sum.shape.back();
  p.b_rows = b.bytes / (p.b_float ? 4 : 2) / sum.shape.back();
  p.epsilon = std::get<plan::LayerNorm>(next.operation).epsilon;
  Fused fused;
  fused.steps = {first, first + 1};
  fused.launch.kernel = "add_layer_norm";
  fused.launch.bytes = static_cast<double>(a.bytes + b.bytes + sum.bytes + y.bytes);
  fused.launch.run = [p](const Launching& l) { return launch_residual_norm(p, l); };
  return fused;
}

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
