#include "engine/cuda/byte_lowering.h"

#include <cstring>
#include <sstream>

#include "plan/half.h"

namespace corolla::engine::cuda {
namespace {

using plan::Layout;
using plan::PlanTensor;
using Maybe = Result<std::optional<Launch>>;
const std::optional<Launch> kNone;

bool is_byte(const PlanTensor& t) { return t.dtype == DType::kUint8; }
ByteScale scale_of(const PlanTensor& t) { return {t.scale, t.zero}; }

// A weight as the plan has it, on the host.
template <class T>
const T* host(const LoweringContext& at, const PlanTensor& t) {
  return reinterpret_cast<const T*>(at.plan.weights.data() + t.offset);
}

std::vector<std::byte> bytes_of(const std::vector<float>& numbers) {
  std::vector<std::byte> bytes(numbers.size() * sizeof(float));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

// Floats whose every bit counts.
std::string exact(float v) {
  std::ostringstream text;
  text << std::hexfloat << v;
  return text.str();
}

// Of 8-bit steps: x u8, w s8, bias, [residual], w_scale; y and residual u8 or in the compute type.
bool fits(const LoweringContext& at, bool residual) {
  const auto either = [&](const PlanTensor& t) { return is_byte(t) || at.is_number(t); };
  return is_byte(at.input(0)) && at.input(1).dtype == DType::kInt8 && either(at.output()) &&
         (!residual || either(at.input(3))) && at.element() == Element::kHalf;
}

ByteConvProblem slow(const LoweringContext& at, const plan::Epilogue& epilogue) {
  const PlanTensor &x = at.input(0), &y = at.output();
  ByteConvProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.w = at.address(at.input(1));
  p.bias = reinterpret_cast<const float*>(at.address(at.input(2)));
  p.w_scale = reinterpret_cast<const float*>(at.address(at.input(at.step.inputs.size() - 1)));
  p.y = at.address(y);
  p.y_bytes = is_byte(y);
  p.from = scale_of(x);
  p.to = scale_of(y);
  if (epilogue.residual) {
    p.residual = at.address(at.input(3));
    p.residual_bytes = is_byte(at.input(3));
    p.residual_from = scale_of(at.input(3));
  }
  p.act = static_cast<Act>(epilogue.activation);
  p.act_a = epilogue.alpha;
  p.act_b = epilogue.beta;
  return p;
}

Launch slow_launch(const LoweringContext& at, const ByteConvProblem& p) {
  Launch launch;
  launch.kernel = "byte_conv";
  for (const int32_t i : at.step.inputs) launch.bytes += static_cast<double>(at.tensor(i).bytes);
  launch.bytes += static_cast<double>(at.output().bytes);
  const int in_group = p.channels / p.groups;
  launch.flops =
      2.0 * p.images * p.out_h * p.out_w * p.outputs * p.kernel_h * p.kernel_w * in_group;
  launch.run = [p](const Launching& l) { return launch_byte_conv(p, l); };
  return launch;
}

}  // namespace

Status set_byte_ends(const LoweringContext& at, const plan::Epilogue& epilogue, ConvProblem& p) {
  if (!fits(at, epilogue.residual))
    return Error{Code::kUnsupported,
                 "step '" + at.step.name + "' mixes types that no kernel of 8 bits takes"};
  const PlanTensor &x = at.input(0), &w = at.input(1), &bias = at.input(2), &y = at.output();
  const PlanTensor& w_scale = at.input(at.step.inputs.size() - 1);
  float residual_zero = 0;  // the real value of a residual that is stored as 0
  if (epilogue.residual && is_byte(at.input(3))) {
    const PlanTensor& r = at.input(3);
    p.residual_bytes = true;
    p.residual_scale = r.scale;
    residual_zero = -r.scale * static_cast<float>(r.zero);
  }
  p.y_bytes = is_byte(y);
  p.y_scale = 1 / y.scale;
  p.y_zero = static_cast<float>(y.zero);
  p.fill = static_cast<uint32_t>(x.zero) * 0x01010101u;
  const auto rows = static_cast<size_t>(w.shape[0]);
  const std::string key = "ends " + std::to_string(w.offset) + " " + std::to_string(bias.offset) +
                          " " + std::to_string(w_scale.offset) + " " + exact(x.scale) + " " +
                          std::to_string(x.zero) + " " + exact(residual_zero);
  ASSIGN_OR_RETURN(std::byte * ends, at.derived.get(key, [&] {
    std::vector<float> made(rows * 2);
    const auto* weights = host<int8_t>(at, w);
    const size_t row = static_cast<size_t>(w.bytes) / rows;
    for (size_t n = 0; n < rows; ++n) {
      int64_t sum = 0;
      for (size_t k = 0; k < row; ++k) sum += weights[n * row + k];
      const double scale = static_cast<double>(x.scale) * host<float>(at, w_scale)[n];
      made[n] = static_cast<float>(scale);
      made[rows + n] = static_cast<float>(host<float>(at, bias)[n] + residual_zero -
                                          scale * static_cast<double>(sum) * x.zero);
    }
    return bytes_of(made);
  }));
  p.scale = reinterpret_cast<const float*>(ends);
  p.bias = p.scale + rows;
  return ok();
}

Maybe lower_slow_byte_conv(const LoweringContext& at, const plan::Conv& conv) {
  if (!fits(at, conv.epilogue.residual)) return kNone;
  ByteConvProblem p = slow(at, conv.epilogue);
  set_conv_sizes(at, conv, p);
  p.w_stored = static_cast<int>(at.input(1).shape[3]);
  return std::optional(slow_launch(at, p));
}

Maybe lower_slow_byte_gemm(const LoweringContext& at, const plan::Gemm& gemm) {
  if (!fits(at, gemm.epilogue.residual)) return kNone;
  ByteConvProblem p = slow(at, gemm.epilogue);
  p.images = static_cast<int>(gemm.m);
  p.height = p.width = p.out_h = p.out_w = 1;
  p.channels = p.x_stored = p.w_stored = static_cast<int>(gemm.k);
  p.outputs = p.y_stored = static_cast<int>(gemm.n);
  return std::optional(slow_launch(at, p));
}

Maybe lower_byte_cast(const LoweringContext& at) {
  const PlanTensor &x = at.input(0), &y = at.output();
  const bool back = at.step.op() == plan::StepOp::kDequantize;
  const PlanTensor &byte = back ? x : y, &number = back ? y : x;
  if (!is_byte(byte) || !at.is_number(number) || x.layout != y.layout || x.shape != y.shape)
    return kNone;
  ByteCastProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.y = at.address(y);
  p.count = byte.bytes;
  p.bytes = scale_of(byte);
  if (x.layout == Layout::kNhwc) {
    p.real = static_cast<int>(x.shape[1]);
    p.stored = static_cast<int>(plan::stored_channels(x.shape[1]));
  }
  Launch launch;
  launch.kernel = back ? "dequantize" : "quantize";
  launch.bytes = static_cast<double>(x.bytes + y.bytes);
  launch.run = [p, back](const Launching& l) {
    return back ? launch_dequantize(p, l) : launch_quantize(p, l);
  };
  return std::optional(std::move(launch));
}

Result<const void*> wide_weights(const LoweringContext& at, const PlanTensor& w) {
  ASSIGN_OR_RETURN(std::byte * made, at.derived.get("wide " + std::to_string(w.offset), [&] {
    const auto* from = host<int8_t>(at, w);
    std::vector<std::byte> bytes(static_cast<size_t>(w.bytes) * 2);
    auto* to = reinterpret_cast<uint16_t*>(bytes.data());
    for (int64_t i = 0; i < w.bytes; ++i) to[i] = plan::float_to_fp16(from[i]);
    return bytes;
  }));
  return static_cast<const void*>(made);
}

Result<const float*> product_scales(const LoweringContext& at, const plan::Step& gemm,
                                    float x_scale) {
  const PlanTensor& scale = at.tensor(gemm.inputs.back());
  const std::string key = "scales " + std::to_string(scale.offset) + " " + exact(x_scale);
  ASSIGN_OR_RETURN(std::byte * made, at.derived.get(key, [&] {
    std::vector<float> numbers(static_cast<size_t>(scale.shape[0]));
    for (size_t n = 0; n < numbers.size(); ++n) numbers[n] = host<float>(at, scale)[n] * x_scale;
    return bytes_of(numbers);
  }));
  return reinterpret_cast<const float*>(made);
}

}  // namespace corolla::engine::cuda
