#include "plan/ops/activation.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace corolla::plan {

float activate(Activation activation, float alpha, float beta, float v) {
  switch (activation) {
    case Activation::kNone:
      return v;
    case Activation::kRelu:
      return v < 0 ? 0 : v;
    case Activation::kClip:
      return std::min(std::max(v, alpha), beta);
    case Activation::kSilu:
      return v / (1 + std::exp(-v));
    case Activation::kHardSwish:
      return v * std::min(std::max(v / 6 + 0.5f, 0.0f), 1.0f);
    case Activation::kGelu:
      return 0.5f * v * (1 + std::erf(v * 0.70710678f));
    case Activation::kGeluTanh:
      return 0.5f * v * (1 + std::tanh(0.79788456f * (v + 0.044715f * v * v * v)));
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-v));
    case Activation::kHardSigmoid:
      return std::min(std::max(alpha * v + beta, 0.0f), 1.0f);
    case Activation::kTanh:
      return std::tanh(v);
    case Activation::kLeakyRelu:
      return v < 0 ? alpha * v : v;
  }
  CHECK(false, "an activation of no name");
}

std::optional<Activation> activation_from_name(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Activation::kLeakyRelu); ++i)
    if (activation_name(static_cast<Activation>(i)) == name) return static_cast<Activation>(i);
  return std::nullopt;
}

namespace {

using Kind = Elementwise::Kind;

struct KindEntry {
  Kind kind;
  std::string_view name;
  size_t inputs;
};

constexpr KindEntry kKinds[] = {
    {Kind::kIdentity, "identity", 1},
    {Kind::kAdd, "add", 2},
    {Kind::kSub, "sub", 2},
    {Kind::kMul, "mul", 2},
    {Kind::kDiv, "div", 2},
    {Kind::kPow, "pow", 2},
    {Kind::kMin, "min", 2},
    {Kind::kMax, "max", 2},
    {Kind::kSqrt, "sqrt", 1},
    {Kind::kExp, "exp", 1},
    {Kind::kLog, "log", 1},
    {Kind::kErf, "erf", 1},
    {Kind::kNeg, "neg", 1},
    {Kind::kAbs, "abs", 1},
    {Kind::kReciprocal, "reciprocal", 1},
    {Kind::kMulAdd, "mul_add", 3},
    {Kind::kSin, "sin", 1},
    {Kind::kCos, "cos", 1},
    {Kind::kTan, "tan", 1},
    {Kind::kAsin, "asin", 1},
    {Kind::kAcos, "acos", 1},
    {Kind::kAtan, "atan", 1},
    {Kind::kSinh, "sinh", 1},
    {Kind::kCosh, "cosh", 1},
    {Kind::kAsinh, "asinh", 1},
    {Kind::kAcosh, "acosh", 1},
    {Kind::kAtanh, "atanh", 1},
    {Kind::kFloor, "floor", 1},
    {Kind::kCeil, "ceil", 1},
    {Kind::kRound, "round", 1},
    {Kind::kSign, "sign", 1},
    {Kind::kSoftplus, "softplus", 1},
    {Kind::kSoftsign, "softsign", 1},
    {Kind::kElu, "elu", 2},
    {Kind::kPRelu, "prelu", 2},
};

}  // namespace

size_t elementwise_inputs(Kind kind) { return kKinds[static_cast<size_t>(kind)].inputs; }
std::string_view elementwise_name(Kind kind) { return kKinds[static_cast<size_t>(kind)].name; }

std::optional<Kind> elementwise_from_name(std::string_view name) {
  for (const KindEntry& entry : kKinds)
    if (entry.name == name) return entry.kind;
  return std::nullopt;
}

float elementwise(Kind kind, float a, float b, float c) {
  switch (kind) {
    case Kind::kIdentity:
      return a;
    case Kind::kAdd:
      return a + b;
    case Kind::kSub:
      return a - b;
    case Kind::kMul:
      return a * b;
    case Kind::kDiv:
      return a / b;
    case Kind::kPow:
      return std::pow(a, b);
    case Kind::kMin:
      return std::min(a, b);
    case Kind::kMax:
      return std::max(a, b);
    case Kind::kSqrt:
      return std::sqrt(a);
    case Kind::kExp:
      return std::exp(a);
    case Kind::kLog:
      return std::log(a);
    case Kind::kErf:
      return std::erf(a);
    case Kind::kNeg:
      return -a;
    case Kind::kAbs:
      return std::fabs(a);
    case Kind::kReciprocal:
      return 1 / a;
    case Kind::kMulAdd:
      return a * b + c;
    case Kind::kSin:
      return std::sin(a);
    case Kind::kCos:
      return std::cos(a);
    case Kind::kTan:
      return std::tan(a);
    case Kind::kAsin:
      return std::asin(a);
    case Kind::kAcos:
      return std::acos(a);
    case Kind::kAtan:
      return std::atan(a);
    case Kind::kSinh:
      return std::sinh(a);
    case Kind::kCosh:
      return std::cosh(a);
    case Kind::kAsinh:
      return std::asinh(a);
    case Kind::kAcosh:
      return std::acosh(a);
    case Kind::kAtanh:
      return std::atanh(a);
    case Kind::kFloor:
      return std::floor(a);
    case Kind::kCeil:
      return std::ceil(a);
    case Kind::kRound:
      return std::nearbyint(a);
    case Kind::kSign:
      return a > 0 ? 1.0f : a < 0 ? -1.0f : a;
    case Kind::kSoftplus:
      return std::max(a, 0.0f) + std::log1p(std::exp(-std::fabs(a)));
    case Kind::kSoftsign:
      return a / (1 + std::fabs(a));
    case Kind::kElu:
      return a < 0 ? b * std::expm1(a) : a;
    case Kind::kPRelu:
      return a < 0 ? b * a : a;
  }
  CHECK(false, "an elementwise kind of no name");
}

Epilogue epilogue_of(const Attributes& attributes) {
  Epilogue epilogue;
  epilogue.activation =
      activation_from_name(attributes.text("activation", "none")).value_or(Activation::kNone);
  epilogue.alpha = attributes.number("alpha", 0);
  epilogue.beta = attributes.number("beta", 0);
  return epilogue;
}

void set_epilogue(Attributes& attributes, const Epilogue& epilogue) {
  attributes.set("activation", std::string(activation_name(epilogue.activation)));
  attributes.set("alpha", epilogue.alpha);
  attributes.set("beta", epilogue.beta);
}

std::optional<Epilogue> activation_of(const Node& node, const Graph& graph) {
  const auto of = [](Activation activation, float alpha = 0, float beta = 0) {
    return Epilogue{activation, alpha, beta, false};
  };
  if (node.op == "Relu") return of(Activation::kRelu);
  if (node.op == "Sigmoid") return of(Activation::kSigmoid);
  if (node.op == "Tanh") return of(Activation::kTanh);
  if (node.op == "HardSwish") return of(Activation::kHardSwish);
  if (node.op == "corolla.Silu") return of(Activation::kSilu);
  if (node.op == "LeakyRelu")
    return of(Activation::kLeakyRelu, node.attributes.number("alpha", 0.01f));
  if (node.op == "HardSigmoid")
    return of(Activation::kHardSigmoid, node.attributes.number("alpha", 0.2f),
              node.attributes.number("beta", 0.5f));
  if (node.op == "Gelu")
    return of(node.attributes.text("approximate", "none") == "tanh" ? Activation::kGeluTanh
                                                                    : Activation::kGelu);
  if (node.op == "Clip") {
    float ends[2] = {-std::numeric_limits<float>::infinity(),
                     std::numeric_limits<float>::infinity()};
    for (size_t i = 0; i < 2; ++i) {
      const ValueId id = node.input(i + 1);
      if (id == kNoValue) continue;
      const Value& value = graph.value(id);
      if (!value.is_constant() || value.constant.count() != 1) return std::nullopt;
      ends[i] = value.constant.floats()[0];
    }
    if (ends[0] == 0 && std::isinf(ends[1])) return of(Activation::kRelu);
    return of(Activation::kClip, ends[0], ends[1]);
  }
  return std::nullopt;
}

}  // namespace corolla::plan
