// Conv, Gemm and MatMul.
#include "plan/lower/builder.h"
#include "plan/ops/activation.h"
#include "plan/ops/window.h"
#include "plan/pack.h"

namespace corolla::plan {
namespace {

// The int8 weights of a conv or gemm: signed, symmetric, one scale an output channel.
struct Int8Weights {
  Tensor values;  // INT8, as in the graph
  std::vector<float> scales;
};

std::optional<Int8Weights> int8_weights(const Builder& b, ValueId id) {
  const Node* node = b.maker(id);
  if (node == nullptr || node->op != "DequantizeLinear") return std::nullopt;
  const Value& q = b.value(node->inputs[0]);
  const Value& scale = b.value(node->inputs[1]);
  if (!q.is_constant() || q.dtype != DType::kInt8 || !scale.is_constant() ||
      node->attributes.integer("block_size", 0) != 0)
    return std::nullopt;
  if (node->input(2) != kNoValue) {
    const Value& zero = b.value(node->inputs[2]);
    if (!zero.is_constant()) return std::nullopt;
    for (const int64_t z : zero.constant.ints())
      if (z != 0) return std::nullopt;
  }
  const auto rank = static_cast<int64_t>(q.shape.size());
  const int64_t axis = node->attributes.integer("axis", 1);
  Int8Weights found{q.constant, scale.constant.floats()};
  if (found.scales.size() == 1)
    found.scales.assign(static_cast<size_t>(q.shape[0]), found.scales[0]);
  else if (axis != 0 && axis != -rank)
    return std::nullopt;
  return found;
}

Result<int32_t> float_vector(Builder& b, const std::string& name, std::vector<float> numbers,
                             int64_t padded) {
  numbers.resize(static_cast<size_t>(padded), 0);
  return b.weight(name, Tensor::of_floats({padded}, numbers), DType::kFp32, Layout::kPlain);
}

bool is_int8(const PlanTensor& tensor) {
  return tensor.dtype == DType::kInt8 || tensor.dtype == DType::kUint8;
}

struct Matrix {
  int32_t x, w, bias, w_scale = -1;
};

// Operands of a conv (w [O,I,kh,kw] with `groups`) or a gemm (w [N,K], groups 0).
Result<Matrix> operands(Builder& b, const Node& node, Layout layout, int64_t groups) {
  Matrix m;
  const ValueId w = node.inputs[1];
  const auto eight = int8_weights(b, w);
  const bool try_int8 = eight.has_value() && b.read_quantised(node.inputs[0]) >= 0;
  if (try_int8) {
    m.x = b.read_quantised(node.inputs[0]);
  } else {
    ASSIGN_OR_RETURN(m.x, b.read(node.inputs[0], layout));
  }
  const bool int8 = try_int8 && is_int8(b.tensor(m.x));
  ASSIGN_OR_RETURN(const auto real, b.constant(w));
  if (!real) return no_step("its weights are not constant");
  std::vector<float> numbers = int8 ? eight->values.floats() : real->floats();
  Shape shape = real->shape();
  if (groups > 0) numbers = pack_conv_weights(real->shape(), groups, numbers, shape);
  ASSIGN_OR_RETURN(m.w, b.weight(node.name + "/w", Tensor::of_floats(shape, numbers),
                                 int8 ? DType::kInt8 : b.compute(), Layout::kPlain));
  std::vector<float> bias(static_cast<size_t>(real->shape()[0]), 0);
  if (node.input(2) != kNoValue) {
    ASSIGN_OR_RETURN(const auto constant, b.constant(node.inputs[2]));
    if (!constant) return no_step("its bias is not constant");
    bias = constant->floats();
  }
  ASSIGN_OR_RETURN(m.bias, float_vector(b, node.name + "/b", bias, shape[0]));
  if (int8) {
    ASSIGN_OR_RETURN(m.w_scale, float_vector(b, node.name + "/w_scale", eight->scales, shape[0]));
  }
  return m;
}

// Steps of 8-bit weights write either; others write the compute type.
int32_t output_of(Builder& b, const Node& node, const Matrix& m) {
  return m.w_scale >= 0 ? b.make_either(node.outputs[0]) : b.make(node.outputs[0]);
}

// The inputs of a conv or gemm step in plan.h's order.
Result<std::vector<int32_t>> inputs_of(Builder& b, const Node& node, const Matrix& m, Layout layout,
                                       Epilogue& epilogue) {
  std::vector<int32_t> inputs = {m.x, m.w, m.bias};
  epilogue = epilogue_of(node.attributes);
  if (node.input(3) != kNoValue) {
    epilogue.residual = true;
    ASSIGN_OR_RETURN(const int32_t residual, m.w_scale >= 0 ? b.read_either(node.inputs[3], layout)
                                                            : b.read(node.inputs[3], layout));
    inputs.push_back(residual);
  }
  if (m.w_scale >= 0) inputs.push_back(m.w_scale);
  return inputs;
}

}  // namespace

Status lower_conv(Builder& b, const Node& node) {
  const Shape& x = b.value(node.inputs[0]).shape;
  const Shape& w = b.value(node.inputs[1]).shape;
  if (x.size() != 4)
    return no_step("it has " + std::to_string(x.size() - 2) + " spatial dimensions; 2 are offered");
  Conv conv;
  conv.groups = node.attributes.integer("group", 1);
  ASSIGN_OR_RETURN(const Window window, window_of(node.attributes, x, {w[2], w[3]}));
  set_window(conv, window);
  ASSIGN_OR_RETURN(const Matrix m, operands(b, node, Layout::kNhwc, conv.groups));
  ASSIGN_OR_RETURN(auto inputs, inputs_of(b, node, m, Layout::kNhwc, conv.epilogue));
  const int32_t out = output_of(b, node, m);
  b.step(node.name, conv, std::move(inputs), {out});
  return ok();
}

Status lower_gemm(Builder& b, const Node& node) {
  if (node.op == "MatMul") {
    if (b.value(node.inputs[0]).shape.size() < 2 || b.value(node.inputs[1]).shape.size() < 2)
      return no_step("it multiplies a vector");
    ASSIGN_OR_RETURN(const int32_t left, b.read(node.inputs[0]));
    ASSIGN_OR_RETURN(const int32_t right, b.read(node.inputs[1]));
    const int32_t out = b.make(node.outputs[0]);
    b.step(node.name, Matmul{}, {left, right}, {out});
    return ok();
  }
  if (node.op != "corolla.Gemm")
    return no_step("its matrices are not of the form x * constant + constant");
  Gemm gemm;
  ASSIGN_OR_RETURN(const Matrix m, operands(b, node, Layout::kPlain, 0));
  ASSIGN_OR_RETURN(auto inputs, inputs_of(b, node, m, Layout::kPlain, gemm.epilogue));
  const Shape& y = b.value(node.outputs[0]).shape;
  gemm.n = y.back();
  gemm.k = b.value(node.inputs[1]).shape[1];
  gemm.m = 1;
  for (size_t d = 0; d + 1 < y.size(); ++d) gemm.m *= y[d];
  const int32_t out = output_of(b, node, m);
  b.step(node.name, gemm, std::move(inputs), {out});
  return ok();
}

}  // namespace corolla::plan
