#include "engine/cuda/lowering.h"

#include <algorithm>
#include <cstring>

#include "engine/cuda/byte_lowering.h"
#include "engine/cuda/fusion.h"
#include "engine/cuda/generic_lowering.h"
#include "engine/cuda/kernels/picture_kernels.h"
#include "engine/cuda/lowering_context.h"
#include "engine/cuda/stem.h"

namespace corolla::engine::cuda {

Result<std::byte*> DerivedWeights::get(const std::string& key,
                                       const std::function<std::vector<std::byte>()>& make) {
  if (const auto found = made_.find(key); found != made_.end()) return found->second.data();
  const std::vector<std::byte> bytes = make();
  ASSIGN_OR_RETURN(DeviceMemory memory,
                   DeviceMemory::make(bytes.size(), "weights in another form"));
  CUDA_OR_RETURN("cannot copy weights to the device",
                 cudaMemcpy(memory.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
  bytes_ += bytes.size();
  std::byte* at = memory.data();
  made_.emplace(key, std::move(memory));
  return at;
}

namespace {

using plan::Layout;
using plan::PlanTensor;
using plan::StepOp;

void set_epilogue(const plan::Epilogue& epilogue, ConvProblem& p) {
  p.act = static_cast<Act>(epilogue.activation);
  p.act_a = epilogue.alpha;
  p.act_b = epilogue.beta;
}

// Kernels count in 32 bits.
bool small(const LoweringContext& at) {
  for (const auto* list : {&at.step.inputs, &at.step.outputs})
    for (const int32_t i : *list)
      if (at.program.tensors[static_cast<size_t>(i)].bytes >= int64_t{1} << 31) return false;
  return true;
}

Status refuse_large(const LoweringContext& at) {
  return Error{Code::kUnsupported,
               "step '" + at.step.name + "' has a tensor of 2 GiB or more; serve smaller batches"};
}

void count_work(Launch& launch) {
  const ConvProblem& p = launch.conv;
  const bool bytes = p.element == Element::kByte;
  launch.flops = (bytes ? 4.0 : 2.0) * p.m * p.n * (p.k + p.extra.channels);
  const double images = static_cast<double>(p.m) / p.out_hw,
               outputs = static_cast<double>(p.m) * p.n;
  const double residual = p.residual == nullptr ? 0 : p.residual_bytes ? 1 : 2;
  launch.bytes =
      2.0 * (images * p.height * p.width * std::min(p.channels, std::max(p.x_pixel, 1)) +
             static_cast<double>(p.n) * p.k + (static_cast<double>(p.m) + p.n) * p.extra.channels) +
      outputs * ((p.y_bytes ? 1 : 2) + residual);
}

// A product of bytes: its sizes in units of two bytes.
void halve(ConvProblem& p) {
  for (int* size : {&p.k, &p.channels, &p.x_pixel, &p.x_row, &p.x_image}) *size /= 2;
}

Result<Launch> lower_conv(const LoweringContext& at, const plan::Conv& conv) {
  if (!small(at)) return refuse_large(at).error();
  const PlanTensor &x = at.input(0), &w = at.input(1), &y = at.output();
  Launch launch;
  launch.tunable = true;
  ConvProblem& p = launch.conv;
  p.element = x.dtype == DType::kUint8 ? Element::kByte : at.element();
  p.w = at.address(w);
  p.bias = reinterpret_cast<const float*>(at.address(at.input(2)));
  p.y = at.address(y);
  if (conv.epilogue.residual) {
    p.residual = at.address(at.input(3));
    p.residual_pixel = static_cast<int>(plan::stored_channels(at.input(3).shape[1]));
  }
  set_epilogue(conv.epilogue, p);
  const int out_h = static_cast<int>(y.shape[2]);
  p.out_w = static_cast<int>(y.shape[3]);
  p.out_hw = out_h * p.out_w;
  p.m = static_cast<int>(y.shape[0]) * p.out_hw;
  p.n = static_cast<int>(w.shape[0]);
  p.n_real = static_cast<int>(y.shape[1]);
  p.y_pixel = static_cast<int>(plan::stored_channels(y.shape[1]));
  p.stride_h = static_cast<int>(conv.stride_h);
  p.dilation_h = static_cast<int>(conv.dilation_h);
  if (p.element == Element::kByte) RETURN_IF_ERROR(set_byte_ends(at, conv.epilogue, p));
  p.x = at.address(x);
  if (const auto stem = find_stem(at.program, at.step)) {
    ASSIGN_OR_RETURN(std::byte * packed, at.derived.get(stem->key(w.offset), [&] {
      return stem->pack_weights(at.plan.weights.data() + w.offset, w.shape);
    }));
    p.w = packed;
    stem->set(conv, p);
    count_work(launch);
    return launch;
  }
  p.height = static_cast<int>(x.shape[2]);
  p.width = static_cast<int>(x.shape[3]);
  p.channels = static_cast<int>(plan::stored_channels(x.shape[1]));
  p.kernel_w = static_cast<int>(conv.kernel_w);
  p.k = static_cast<int>(conv.kernel_h * conv.kernel_w) * p.channels;
  p.stride_w = static_cast<int>(conv.stride_w);
  p.dilation_w = static_cast<int>(conv.dilation_w);
  p.pad_h = static_cast<int>(conv.pad_top);
  p.pad_w = static_cast<int>(conv.pad_left);
  p.x_pixel = p.channels;
  p.x_row = p.width * p.channels;
  p.x_image = p.height * p.x_row;
  if (p.element == Element::kByte) halve(p);
  count_work(launch);
  return launch;
}

Result<Launch> lower_gemm(const LoweringContext& at, const plan::Gemm& gemm) {
  if (!small(at)) return refuse_large(at).error();
  Launch launch;
  launch.tunable = true;
  ConvProblem& p = launch.conv;
  p.element = at.input(0).dtype == DType::kUint8 ? Element::kByte : at.element();
  p.x = at.address(at.input(0));
  p.w = at.address(at.input(1));
  p.bias = reinterpret_cast<const float*>(at.address(at.input(2)));
  p.y = at.address(at.output());
  p.m = static_cast<int>(gemm.m);
  p.n = p.n_real = p.y_pixel = static_cast<int>(gemm.n);
  p.k = p.channels = p.x_image = static_cast<int>(gemm.k);
  if (gemm.epilogue.residual) {
    p.residual = at.address(at.input(3));
    p.residual_pixel = p.n;
  }
  set_epilogue(gemm.epilogue, p);
  p.height = p.width = p.out_hw = p.out_w = 1;
  p.x_pixel = p.x_row = p.k;
  if (p.element == Element::kByte) {
    RETURN_IF_ERROR(set_byte_ends(at, gemm.epilogue, p));
    halve(p);
  }
  count_work(launch);
  return launch;
}

Launch lower_import(const LoweringContext& at, const plan::Import& import) {
  const PlanTensor &x = at.input(0), &y = at.output();
  ImportProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.y = at.address(y);
  p.images = static_cast<int>(y.shape[0]);
  p.channels = static_cast<int>(y.shape[1]);
  p.height = p.y_height = static_cast<int>(y.shape[2]);
  p.width = p.y_width = static_cast<int>(y.shape[3]);
  p.y_channels = static_cast<int>(plan::stored_channels(y.shape[1]));
  p.pixels = import.pixels;
  for (int c = 0; c < 8; ++c) {
    const auto i = static_cast<size_t>(c);
    const float mean = i < import.mean.size() ? import.mean[i] : 0;
    const float deviation = i < import.std.size() ? import.std[i] : 1;
    const float unit = import.pixels ? 255.f : 1.f;
    p.mean[c] = mean * unit;
    p.scale[c] = 1 / (deviation * unit);
  }
  const auto stem = stem_after(at.program, at.step);
  if (stem) {
    p.y_height = stem->padded_height;
    p.y_width = stem->padded_width;
    p.y_channels = stem->pixel_channels();
    p.top = stem->top;
    p.left = stem->left;
  }
  const bool bytes = y.dtype == DType::kUint8;
  Launch launch;
  launch.kernel = p.pixels ? "import_u8" : "import_f32";
  launch.bytes = static_cast<double>(x.bytes) +
                 (bytes ? 1.0 : 2.0) * p.images * p.y_height * p.y_width * p.y_channels;
  if (bytes) {
    const ByteImportProblem b{p, {y.scale, y.zero}, stem.has_value()};
    launch.kernel += "_s8";
    launch.run = [b](const Launching& l) { return launch_byte_import(b, l); };
  } else {
    launch.run = [p](const Launching& l) { return launch_import(p, l); };
  }
  return launch;
}

Launch lower_pool(const LoweringContext& at, const plan::Pool& pool) {
  const PlanTensor &x = at.input(0), &y = at.output();
  PoolProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.y = at.address(y);
  p.images = static_cast<int>(x.shape[0]);
  p.channels = static_cast<int>(plan::stored_channels(x.shape[1]));
  p.height = static_cast<int>(x.shape[2]);
  p.width = static_cast<int>(x.shape[3]);
  p.out_h = static_cast<int>(y.shape[2]);
  p.out_w = static_cast<int>(y.shape[3]);
  p.kernel_h = static_cast<int>(pool.kernel_h);
  p.kernel_w = static_cast<int>(pool.kernel_w);
  p.stride_h = static_cast<int>(pool.stride_h);
  p.stride_w = static_cast<int>(pool.stride_w);
  p.dilation_h = static_cast<int>(pool.dilation_h);
  p.dilation_w = static_cast<int>(pool.dilation_w);
  p.pad_top = static_cast<int>(pool.pad_top);
  p.pad_left = static_cast<int>(pool.pad_left);
  p.pad_bottom = static_cast<int>(pool.pad_bottom);
  p.pad_right = static_cast<int>(pool.pad_right);
  p.average = pool.kind == plan::Pool::Kind::kAverage;
  p.count_pad = pool.count_include_pad;
  Launch launch;
  launch.kernel = p.average ? "average_pool" : "max_pool";
  launch.bytes = static_cast<double>(x.bytes + y.bytes);
  if (x.dtype == DType::kUint8) {
    const BytePoolProblem b{p, {x.scale, x.zero}, {y.scale, y.zero}};
    launch.kernel += "_s8";
    launch.run = [b](const Launching& l) { return launch_byte_pool(b, l); };
  } else {
    launch.run = [p](const Launching& l) { return launch_pool(p, l); };
  }
  return launch;
}

Launch lower_global_pool(const LoweringContext& at) {
  const PlanTensor &x = at.input(0), &y = at.output();
  const GlobalPoolProblem p{at.element(),
                            at.address(x),
                            at.address(y),
                            static_cast<int>(x.shape[0]),
                            static_cast<int>(x.shape[2] * x.shape[3]),
                            static_cast<int>(plan::stored_channels(x.shape[1]))};
  Launch launch;
  launch.kernel = "global_average_pool";
  launch.bytes = static_cast<double>(x.bytes + y.bytes);
  launch.run = [p](const Launching& l) { return launch_global_pool(p, l); };
  return launch;
}

Launch lower_softmax(const LoweringContext& at) {
  const PlanTensor &x = at.input(0), &y = at.output();
  SoftmaxProblem p{
      at.element(),           at.address(x), at.address(y), 1, static_cast<int>(x.shape.back()),
      y.dtype == DType::kFp32};
  for (size_t i = 0; i + 1 < x.shape.size(); ++i) p.rows *= x.shape[i];
  Launch launch;
  launch.kernel = "softmax";
  launch.bytes = static_cast<double>(x.bytes + y.bytes);
  launch.run = [p](const Launching& l) { return launch_softmax(p, l); };
  return launch;
}

// Nothing: there is no kernel for it.
Result<std::optional<Launch>> lower_step(const LoweringContext& at) {
  const auto number = [&](const PlanTensor& t) { return at.is_number(t); };
  const auto byte = [](const PlanTensor& t) { return t.dtype == DType::kUint8; };
  switch (at.step.op()) {
    case StepOp::kImport:
      if (imports_picture(at.program, at.step) && (number(at.output()) || byte(at.output())))
        return std::optional(lower_import(at, std::get<plan::Import>(at.step.operation)));
      break;
    case StepOp::kConv: {
      const auto& conv = std::get<plan::Conv>(at.step.operation);
      const bool bytes = byte(at.input(0));
      if (bytes && (conv.groups != 1 || (plan::stored_channels(at.input(0).shape[1]) % 16 != 0 &&
                                         !find_stem(at.program, at.step))))
        return lower_slow_byte_conv(at, conv);
      if (conv.groups == 1 && (bytes || (number(at.input(0)) && number(at.output())))) {
        ASSIGN_OR_RETURN(Launch launch, lower_conv(at, conv));
        return std::optional(std::move(launch));
      }
      break;
    }
    case StepOp::kGemm: {
      const auto& gemm = std::get<plan::Gemm>(at.step.operation);
      const bool bytes = byte(at.input(0));
      if (bytes && gemm.k % 16 != 0) return lower_slow_byte_gemm(at, gemm);
      if (bytes || (gemm.k % kChunk == 0 && number(at.input(0)) && number(at.output()))) {
        ASSIGN_OR_RETURN(Launch launch, lower_gemm(at, gemm));
        return std::optional(std::move(launch));
      }
      break;
    }
    case StepOp::kPool:
      if (number(at.input(0)) || (byte(at.input(0)) && byte(at.output())))
        return std::optional(lower_pool(at, std::get<plan::Pool>(at.step.operation)));
      break;
    case StepOp::kGlobalAveragePool:
      if (number(at.input(0))) return std::optional(lower_global_pool(at));
      break;
    case StepOp::kSoftmax:
      if (number(at.input(0))) return std::optional(lower_softmax(at));
      break;
    case StepOp::kQuantize:
    case StepOp::kDequantize:
      return lower_byte_cast(at);
    default:
      break;
  }
  return lower_generic(at);
}

// The convolution `at` with the product of `shortcut` summed into it instead of added afterwards;
// nothing where no kernel can.
Result<std::optional<Launch>> with_shortcut(const LoweringContext& at,
                                            const LoweringContext& shortcut,
                                            int compute_capability) {
  const plan::PlanTensor &x = at.input(0), &y = at.output();
  if (compute_capability != 90 || !at.is_number(x) || !at.is_number(at.input(1)) ||
      !at.is_number(y) || !small(shortcut))
    return std::optional<Launch>();
  ASSIGN_OR_RETURN(Launch launch, lower_conv(at, std::get<plan::Conv>(at.step.operation)));
  launch.conv.residual = nullptr;
  launch.conv.residual_pixel = 0;
  launch.conv.extra = extra_product(shortcut);
  count_work(launch);
  for (const ConvKernel& kernel : conv_kernels())
    if (suits(launch.conv, {&kernel})) return std::optional(std::move(launch));
  return std::optional<Launch>();
}

// A reshape whose output lies where its input lies is no launch at all.
bool is_nothing(const LoweringContext& at) {
  return at.step.op() == StepOp::kReshape && at.address(at.input(0)) == at.address(at.output());
}

}  // namespace

Result<std::vector<Launch>> lower(const plan::Plan& plan, const plan::Program& program,
                                  const Addresses& addresses, DerivedWeights& derived,
                                  int compute_capability, const Fusions& fusions) {
  std::vector<Launch> launches;
  std::vector<bool> done(program.steps.size());
  std::string missing;
  std::map<size_t, Launch> merged;
  for (size_t i = 0; i < program.steps.size() && fusions.shortcuts; ++i) {
    const auto shortcut = find_shortcut(program, i);
    if (!shortcut) continue;
    const LoweringContext at{plan, program, program.steps[i], addresses, derived};
    const LoweringContext other{plan, program, program.steps[*shortcut], addresses, derived};
    ASSIGN_OR_RETURN(std::optional<Launch> launch, with_shortcut(at, other, compute_capability));
    if (!launch) continue;
    done[*shortcut] = true;
    merged.emplace(i, *std::move(launch));
  }
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const LoweringContext at{plan, program, program.steps[i], addresses, derived};
    if (done[i] || is_nothing(at)) continue;
    std::optional<Fused> fused;
    if (fusions.stem) {
      ASSIGN_OR_RETURN(fused, fuse_stem(at, i));
    }
    if (!fused && fusions.head && compute_capability >= 90) fused = fuse_head(at, i);
    if (!fused) fused = fuse_residual_norm(at, i);
    if (fused) {
      fused->launch.step = static_cast<int32_t>(i);
      launches.push_back(std::move(fused->launch));
      for (const size_t step : fused->steps) done[step] = true;
      continue;
    }
    std::optional<Launch> launch;
    if (const auto found = merged.find(i); found != merged.end()) {
      launch = std::move(found->second);
    } else {
      ASSIGN_OR_RETURN(launch, lower_step(at));
    }
    if (!launch) {
      missing += (missing.empty() ? "" : ", ") + ("'" + at.step.name + "' (") +
                 std::string(plan::step_op_name(at.step.op())) + ")";
      continue;
    }
    launch->step = static_cast<int32_t>(i);
    launches.push_back(*std::move(launch));
  }
  if (!missing.empty())
    return Error{Code::kUnsupported,
                 "the CUDA engine has no kernel for these steps: " + missing +
                     "; it computes in FP16, BF16 and INT8: compile with --fp16"};
  return launches;
}

}  // namespace corolla::engine::cuda
