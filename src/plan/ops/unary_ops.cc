// Operators of one tensor, element by element; Clip and Cast beside them.
#include <cmath>
#include <limits>

#include "plan/ops/activation.h"
#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

using Function = double (*)(const Attributes&, double);

struct Unary {
  std::string_view name;
  Function of;
};

double elu(double v, double alpha) { return v < 0 ? alpha * std::expm1(v) : v; }

// In double, rounded once: closer than any kernel that it judges.
constexpr Unary kFunctions[] = {
    {"Abs", [](const Attributes&, double v) { return std::fabs(v); }},
    {"Acos", [](const Attributes&, double v) { return std::acos(v); }},
    {"Acosh", [](const Attributes&, double v) { return std::acosh(v); }},
    {"Asin", [](const Attributes&, double v) { return std::asin(v); }},
    {"Asinh", [](const Attributes&, double v) { return std::asinh(v); }},
    {"Atan", [](const Attributes&, double v) { return std::atan(v); }},
    {"Atanh", [](const Attributes&, double v) { return std::atanh(v); }},
    {"Ceil", [](const Attributes&, double v) { return std::ceil(v); }},
    {"Celu",
     [](const Attributes& a, double v) {
       const double alpha = a.number("alpha", 1);
       return std::max(0.0, v) + std::min(0.0, alpha * std::expm1(v / alpha));
     }},
    {"Cos", [](const Attributes&, double v) { return std::cos(v); }},
    {"Cosh", [](const Attributes&, double v) { return std::cosh(v); }},
    {"Elu", [](const Attributes& a, double v) { return elu(v, a.number("alpha", 1)); }},
    {"Erf", [](const Attributes&, double v) { return std::erf(v); }},
    {"Exp", [](const Attributes&, double v) { return std::exp(v); }},
    {"Floor", [](const Attributes&, double v) { return std::floor(v); }},
    {"Gelu",
     [](const Attributes& a, double v) {
       if (a.text("approximate", "none") == "tanh")
         return 0.5 * v * (1 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
       return 0.5 * v * (1 + std::erf(v * 0.7071067811865476));
     }},
    {"HardSigmoid",
     [](const Attributes& a, double v) {
       return std::min(std::max(a.number("alpha", 0.2f) * v + a.number("beta", 0.5f), 0.0), 1.0);
     }},
    {"HardSwish",
     [](const Attributes&, double v) { return v * std::min(std::max(v / 6 + 0.5, 0.0), 1.0); }},
    {"LeakyRelu",
     [](const Attributes& a, double v) { return v < 0 ? a.number("alpha", 0.01f) * v : v; }},
    {"Log", [](const Attributes&, double v) { return std::log(v); }},
    {"Mish", [](const Attributes&, double v) { return v * std::tanh(std::log1p(std::exp(v))); }},
    {"Neg", [](const Attributes&, double v) { return -v; }},
    {"Not", [](const Attributes&, double v) { return v == 0 ? 1.0 : 0.0; }},
    {"Reciprocal", [](const Attributes&, double v) { return 1 / v; }},
    {"Relu", [](const Attributes&, double v) { return v < 0 ? 0 : v; }},
    {"Round", [](const Attributes&, double v) { return std::nearbyint(v); }},
    {"Selu",
     [](const Attributes& a, double v) {
       return a.number("gamma", 1.05070102f) * elu(v, a.number("alpha", 1.67326319f));
     }},
    {"Shrink",
     [](const Attributes& a, double v) {
       const double lambd = a.number("lambd", 0.5f), bias = a.number("bias", 0);
       return v < -lambd ? v + bias : v > lambd ? v - bias : 0;
     }},
    {"Sigmoid", [](const Attributes&, double v) { return 1 / (1 + std::exp(-v)); }},
    {"Sign", [](const Attributes&, double v) { return v > 0   ? 1.0
                                                      : v < 0 ? -1.0
                                                              : v; }},
    {"Sin", [](const Attributes&, double v) { return std::sin(v); }},
    {"Sinh", [](const Attributes&, double v) { return std::sinh(v); }},
    {"Softplus", [](const Attributes&, double v) { return std::log1p(std::exp(v)); }},
    {"Softsign", [](const Attributes&, double v) { return v / (1 + std::fabs(v)); }},
    {"Sqrt", [](const Attributes&, double v) { return std::sqrt(v); }},
    {"Tan", [](const Attributes&, double v) { return std::tan(v); }},
    {"Tanh", [](const Attributes&, double v) { return std::tanh(v); }},
    {"ThresholdedRelu",
     [](const Attributes& a, double v) { return v > a.number("alpha", 1) ? v : 0; }},
    {"corolla.Silu", [](const Attributes&, double v) { return v / (1 + std::exp(-v)); }},
};

Result<std::vector<Type>> same_type(const Call& call) { return std::vector{call.type(0)}; }

Status run_unary(const Call& call, std::span<Tensor> outputs) {
  const Unary* function = nullptr;
  for (const Unary& f : kFunctions)
    if (f.name == call.node().op) function = &f;
  CHECK(function != nullptr);
  std::vector<double> values = call.value(0).doubles();
  for (double& v : values) v = function->of(call.attributes(), v);
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  return ok();
}

Status run_clip(const Call& call, std::span<Tensor> outputs) {
  for (size_t i = 1; i < 3; ++i)
    if (call.has(i) && call.value(i).count() != 1)
      return bad("its bounds have shape " + shape_text(call.shape(i)) + " and must be scalars");
  if (is_float(call.dtype(0))) {
    const double low = call.has(1) ? call.value(1).doubles()[0] : -INFINITY;
    const double high = call.has(2) ? call.value(2).doubles()[0] : INFINITY;
    std::vector<double> values = call.value(0).doubles();
    for (double& v : values) v = std::min(std::max(v, low), high);
    store(outputs[0].dtype(), values, outputs[0].writable().data());
    return ok();
  }
  const int64_t low = call.has(1) ? call.value(1).ints()[0] : std::numeric_limits<int64_t>::min();
  const int64_t high = call.has(2) ? call.value(2).ints()[0] : std::numeric_limits<int64_t>::max();
  std::vector<int64_t> values = call.value(0).ints();
  for (int64_t& v : values) v = std::min(std::max(v, low), high);
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  return ok();
}

Result<std::vector<Type>> infer_cast(const Call& call) {
  const int64_t to = call.attributes().integer("to", -1);  // the reader makes it our own number
  if (to < 0 || to >= static_cast<int64_t>(DType::kBytes))
    return bad("it casts to a type that is not supported");
  return std::vector{Type{static_cast<DType>(to), call.shape(0)}};
}

Result<std::vector<Type>> infer_cast_like(const Call& call) {
  return std::vector{Type{call.dtype(1), call.shape(0)}};
}

Status run_cast(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(outputs[0], cast(call.value(0), outputs[0].dtype()));
  return ok();
}

Result<std::vector<Type>> infer_is(const Call& call) {
  return std::vector{Type{DType::kBool, call.shape(0)}};
}

Status run_is(const Call& call, std::span<Tensor> outputs) {
  const std::vector<double> values = call.value(0).doubles();
  const auto out = outputs[0].writable_as<uint8_t>();
  const bool nan = call.node().op == "IsNaN";
  const bool negative = call.attributes().integer("detect_negative", 1) != 0;
  const bool positive = call.attributes().integer("detect_positive", 1) != 0;
  for (size_t i = 0; i < values.size(); ++i)
    out[i] = nan ? std::isnan(values[i])
                 : std::isinf(values[i]) && (values[i] < 0 ? negative : positive);
  return ok();
}

}  // namespace

std::span<const Op> unary_ops() {
  static const std::vector<Op> all = [] {
    std::vector<Op> ops;
    for (const Unary& f : kFunctions) ops.push_back({f.name, 1, 1, same_type, run_unary});
    ops.push_back({"Clip", 1, 3, same_type, run_clip});
    ops.push_back({"Cast", 1, 1, infer_cast, run_cast});
    ops.push_back({"CastLike", 2, 2, infer_cast_like, run_cast});
    ops.push_back({"IsNaN", 1, 1, infer_is, run_is});
    ops.push_back({"IsInf", 1, 1, infer_is, run_is});
    return ops;
  }();
  return all;
}

}  // namespace corolla::plan
