// Conv, Gemm and MatMul by constant weights in the one form that has an epilogue.
#include "plan/ops/matmul.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

ValueId zeros(Graph& graph, const std::string& name, int64_t count) {
  return graph.add_constant(name, *Tensor::make(DType::kFp32, {count}));
}

// For int8 a weight may be DequantizeLinear(constant): such a one counts, too.
bool fixed(const Graph& graph, const Uses& uses, ValueId id) {
  if (id == kNoValue || graph.value(id).is_constant()) return true;
  const int maker = uses.producer[static_cast<size_t>(id)];
  if (maker < 0) return false;
  const Node& node = graph.nodes[static_cast<size_t>(maker)];
  return node.op == "DequantizeLinear" && graph.value(node.inputs[0]).is_constant();
}

bool conv(Graph& graph, const Uses& uses, Node& node) {
  if (graph.value(node.inputs[0]).shape.size() != 4 || !fixed(graph, uses, node.inputs[1]) ||
      !fixed(graph, uses, node.input(2)))
    return false;
  const int64_t channels = graph.value(node.inputs[1]).shape[0];
  node.op = "corolla.Conv";
  if (node.input(2) == kNoValue) {
    node.inputs.resize(3);
    node.inputs[2] = zeros(graph, node.name + "/b", channels);
  }
  return true;
}

// y = alpha * x * b + beta * c: with x as it is, and b and c constant.
bool gemm(Graph& graph, const Uses& uses, Node& node) {
  const Attributes& a = node.attributes;
  const float alpha = a.number("alpha", 1), beta = a.number("beta", 1);
  if (a.integer("transA", 0) != 0 || !fixed(graph, uses, node.inputs[1])) return false;
  const Value& weights = graph.value(node.inputs[1]);
  const bool turned = a.integer("transB", 0) != 0;
  if (!weights.is_constant() && (!turned || alpha != 1)) return false;
  const int64_t n = weights.shape[turned ? 0 : 1], k = weights.shape[turned ? 1 : 0];
  const ValueId c = node.input(2);
  ValueId bias = c;
  if (c == kNoValue) {
    bias = zeros(graph, node.name + "/b", n);
  } else if (graph.value(c).is_constant() &&
             (graph.value(c).shape == Shape{n} || graph.value(c).shape == Shape{1, n} ||
              graph.value(c).constant.count() == 1)) {
    std::vector<float> numbers = graph.value(c).constant.floats();
    numbers.resize(static_cast<size_t>(n), numbers[0]);
    for (float& v : numbers) v *= beta;
    bias = graph.add_constant(node.name + "/b", Tensor::of_floats({n}, numbers));
  } else if (!fixed(graph, uses, c) || graph.value(c).shape != Shape{n} || beta != 1) {
    return false;
  }
  ValueId w = node.inputs[1];
  if (graph.value(w).is_constant() && (!turned || alpha != 1)) {
    std::vector<float> numbers = graph.value(w).constant.floats();
    if (!turned) numbers = transposed(numbers, k, n);
    for (float& v : numbers) v *= alpha;
    w = graph.add_constant(node.name + "/w", Tensor::of_floats({n, k}, numbers));
  }
  node.op = "corolla.Gemm";
  node.inputs = {node.inputs[0], w, bias};
  node.attributes = Attributes();
  return true;
}

bool matmul_by_constant(Graph& graph, Node& node) {
  const Value& w = graph.value(node.inputs[1]);
  if (!w.is_constant() || w.shape.size() != 2 || graph.value(node.inputs[0]).is_constant())
    return false;
  const int64_t k = w.shape[0], n = w.shape[1];
  const ValueId turned = graph.add_constant(
      node.name + "/w", Tensor::of_floats({n, k}, transposed(w.constant.floats(), k, n)));
  node.op = "corolla.Gemm";
  node.inputs = {node.inputs[0], turned, zeros(graph, node.name + "/b", n)};
  return true;
}

// gemm(x) + constant [N] -> gemm with that bias.
void take_bias(Graph& graph) {
  const Uses uses(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& add = graph.nodes[i];
    if (add.op != "Add") continue;
    for (size_t side = 0; side < 2; ++side) {
      const ValueId x = add.inputs[side], c = add.inputs[1 - side];
      const int maker = uses.producer[static_cast<size_t>(x)];
      if (maker < 0 || !uses.only_reader(x, static_cast<int>(i))) continue;
      Node& gemm_node = graph.nodes[static_cast<size_t>(maker)];
      if (gemm_node.op != "corolla.Gemm" || !graph.value(c).is_constant() ||
          !graph.value(gemm_node.inputs[2]).is_constant() ||
          graph.value(c).shape != graph.value(gemm_node.inputs[2]).shape)
        continue;
      std::vector<float> sum = graph.value(gemm_node.inputs[2]).constant.floats();
      const std::vector<float> more = graph.value(c).constant.floats();
      for (size_t k = 0; k < sum.size(); ++k) sum[k] += more[k];
      gemm_node.inputs[2] =
          graph.add_constant(add.name + "/b", Tensor::of_floats(graph.value(c).shape, sum));
      take_output(graph, add, gemm_node);
      break;
    }
  }
}

}  // namespace

Status make_gemms(Graph& graph, const PassContext&) {
  const Uses uses(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (node.op == "Conv") conv(graph, uses, node);
    if (node.op == "Gemm") gemm(graph, uses, node);
    if (node.op == "MatMul") matmul_by_constant(graph, node);
  }
  take_bias(graph);
  return ok();
}

}  // namespace corolla::plan
