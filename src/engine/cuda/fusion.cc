#include "engine/cuda/fusion.h"

#include <algorithm>

#include "engine/cuda/byte_lowering.h"
#include "engine/cuda/kernels/head_kernel.h"
#include "engine/cuda/kernels/residual_norm_kernel.h"
#include "engine/cuda/kernels/stem_kernel.h"
#include "engine/cuda/stem.h"

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

Result<std::optional<Fused>> fuse_stem(const LoweringContext& at, size_t first) {
  using plan::StepOp;
  const std::optional<Fused> nothing;
  const plan::Program& program = at.program;
  if (at.step.op() != StepOp::kImport) return nothing;
  const auto stem = stem_after(program, at.step);
  const auto conv_at = only_reader(program, at.step.outputs[0]);
  if (!stem || !conv_at) return nothing;
  const plan::Step& conv_step = program.steps[*conv_at];
  const auto pool_at = only_reader(program, conv_step.outputs[0]);
  if (!pool_at || program.steps[*pool_at].op() != StepOp::kPool) return nothing;
  const plan::Step& pool_step = program.steps[*pool_at];
  const auto& import = std::get<plan::Import>(at.step.operation);
  const auto& conv = std::get<plan::Conv>(conv_step.operation);
  const auto& pool = std::get<plan::Pool>(pool_step.operation);
  const plan::PlanTensor &x = at.input(0), &picture = at.output(),
                         &w = at.tensor(conv_step.inputs[1]);
  const plan::PlanTensor &convolved = at.tensor(conv_step.outputs[0]),
                         &y = at.tensor(pool_step.outputs[0]);
  const bool relu = conv.epilogue.activation == plan::Activation::kRelu;
  if (stem->kernel_h != StemTile::kKernelH || stem->row_elements != StemTile::kRowElements ||
      conv.stride_h != 2 || conv.stride_w != 2 || conv.dilation_h != 1 || conv.epilogue.residual ||
      (!relu && conv.epilogue.activation != plan::Activation::kNone) ||
      pool.kind != plan::Pool::Kind::kMax || pool.kernel_h != 3 || pool.kernel_w != 3 ||
      pool.stride_h != 2 || pool.stride_w != 2 || pool.dilation_h != 1 || pool.dilation_w != 1 ||
      !at.is_number(picture) || !at.is_number(convolved) || !at.is_number(y) || !at.is_number(w))
    return nothing;
  StemProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.bias = reinterpret_cast<const float*>(at.address(at.tensor(conv_step.inputs[2])));
  p.y = at.address(y);
  p.images = static_cast<int>(picture.shape[0]);
  p.channels = static_cast<int>(picture.shape[1]);
  p.height = static_cast<int>(picture.shape[2]);
  p.width = static_cast<int>(picture.shape[3]);
  p.conv_h = static_cast<int>(convolved.shape[2]);
  p.conv_w = static_cast<int>(convolved.shape[3]);
  p.pad_top = stem->top;
  p.pad_left = stem->left;
  p.out_h = static_cast<int>(y.shape[2]);
  p.out_w = static_cast<int>(y.shape[3]);
  p.pool_top = static_cast<int>(pool.pad_top);
  p.pool_left = static_cast<int>(pool.pad_left);
  p.n = static_cast<int>(y.shape[1]);
  p.pixels = import.pixels;
  p.relu = relu;
  for (size_t c = 0; c < 4; ++c) {
    const float unit = import.pixels ? 255.f : 1.f;
    p.mean[c] = (c < import.mean.size() ? import.mean[c] : 0) * unit;
    p.scale[c] = 1 / ((c < import.std.size() ? import.std[c] : 1) * unit);
  }
  ASSIGN_OR_RETURN(std::byte * packed, at.derived.get(stem->key(w.offset), [&] {
    return stem->pack_weights(at.plan.weights.data() + w.offset, w.shape);
  }));
  p.w = packed;
  if (!stem_fits(p)) return nothing;
  Fused fused;
  fused.steps = {first, *conv_at, *pool_at};
  fused.launch.kernel = p.pixels ? "import_u8_conv_pool" : "import_f32_conv_pool";
  fused.launch.flops = 2.0 * p.images * p.conv_h * p.conv_w * p.n * StemTile::kK;
  fused.launch.bytes = static_cast<double>(x.bytes + y.bytes);
  fused.launch.run = [p](const Launching& l) { return launch_stem(p, l); };
  return std::optional(std::move(fused));
}

std::optional<size_t> find_shortcut(const plan::Program& program, size_t conv_at) {
  const auto conv_of = [&](size_t i) {
    return std::get_if<plan::Conv>(&program.steps[i].operation);
  };
  const auto tensor = [&](int32_t i) -> const plan::PlanTensor& {
    return program.tensors[static_cast<size_t>(i)];
  };
  const plan::Conv* conv = conv_of(conv_at);
  if (conv == nullptr || !conv->epilogue.residual || conv->groups != 1) return std::nullopt;
  const int32_t sum = program.steps[conv_at].inputs[3];
  size_t found = conv_at;
  for (size_t i = 0; i < conv_at; ++i)
    if (program.steps[i].outputs[0] == sum) found = i;
  if (found == conv_at || only_reader(program, sum) != conv_at) return std::nullopt;
  const plan::Conv* other = conv_of(found);
  if (other == nullptr || other->groups != 1 || other->kernel_h != 1 || other->kernel_w != 1 ||
      other->pad_top != 0 || other->pad_left != 0 || other->epilogue.residual ||
      other->epilogue.activation != plan::Activation::kNone)
    return std::nullopt;
  const plan::Step& step = program.steps[found];
  const plan::PlanTensor& x = tensor(step.inputs[0]);
  for (const int32_t i : {step.inputs[0], step.inputs[1], sum})
    if (tensor(i).dtype != DType::kFp16 && tensor(i).dtype != DType::kBf16) return std::nullopt;
  for (size_t i = found + 1; i <= conv_at; ++i)
    for (const int32_t o : program.steps[i].outputs) {
      const plan::PlanTensor& y = tensor(o);
      if (y.place == x.place && x.place == plan::Place::kArena && y.offset < x.offset + x.bytes &&
          x.offset < y.offset + y.bytes)
        return std::nullopt;
    }
  return found;
}

ConvExtra extra_product(const LoweringContext& at) {
  const auto& conv = std::get<plan::Conv>(at.step.operation);
  const plan::PlanTensor& x = at.input(0);
  ConvExtra e;
  e.x = at.address(x);
  e.w = at.address(at.input(1));
  e.bias = reinterpret_cast<const float*>(at.address(at.input(2)));
  e.height = static_cast<int>(x.shape[2]);
  e.width = static_cast<int>(x.shape[3]);
  e.channels = static_cast<int>(plan::stored_channels(x.shape[1]));
  e.stride_h = static_cast<int>(conv.stride_h);
  e.stride_w = static_cast<int>(conv.stride_w);
  e.x_pixel = e.channels;
  e.x_row = e.width * e.x_pixel;
  e.x_image = e.height * e.x_row;
  return e;
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
