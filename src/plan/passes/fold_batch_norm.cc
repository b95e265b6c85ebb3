// batchnorm(y)[c] = y[c] * s[c] + t[c], with s = scale / sqrt(variance + epsilon) and
// t = bias - mean * s. After a convolution of constant weights, s and t go into w and b; so does
// any other multiplication or addition of one constant a channel.
#include <cmath>

#include "plan/ops/op.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

struct ScaleShift {
  std::vector<float> scale, shift;
};

std::optional<ScaleShift> of_batch_norm(const Graph& graph, const Node& node) {
  std::vector<double> p[4];
  for (size_t i = 0; i < 4; ++i) {
    const Value& value = graph.value(node.inputs[i + 1]);
    if (!value.is_constant()) return std::nullopt;
    p[i] = value.constant.doubles();
  }
  const double epsilon = node.attributes.number("epsilon", 1e-5f);
  ScaleShift found;
  for (size_t c = 0; c < p[0].size(); ++c) {
    const double s = p[0][c] / std::sqrt(p[3][c] + epsilon);
    found.scale.push_back(static_cast<float>(s));
    found.shift.push_back(static_cast<float>(p[1][c] - p[2][c] * s));
  }
  return found;
}

// Mul, Div, Add or Sub of a value and one constant a channel.
std::optional<ScaleShift> of_arithmetic(const Graph& graph, const Node& node, ValueId x) {
  const Shape& shape = graph.value(x).shape;
  if (shape.size() < 2 || node.inputs.size() != 2) return std::nullopt;
  const bool first = node.inputs[0] == x;
  if (!first && (node.op == "Div" || node.op == "Sub")) return std::nullopt;
  const auto numbers = per_channel(graph, node.inputs[first ? 1 : 0], shape.size(), shape[1]);
  if (!numbers) return std::nullopt;
  const auto channels = static_cast<size_t>(shape[1]);
  ScaleShift found{std::vector<float>(channels, 1), std::vector<float>(channels, 0)};
  for (size_t c = 0; c < channels; ++c) {
    if (node.op == "Mul") found.scale[c] = (*numbers)[c];
    if (node.op == "Div") found.scale[c] = 1 / (*numbers)[c];
    if (node.op == "Add") found.shift[c] = (*numbers)[c];
    if (node.op == "Sub") found.shift[c] = -(*numbers)[c];
  }
  return found;
}

void fold_into(Graph& graph, Node& conv, const ScaleShift& by) {
  const Tensor& w = graph.value(conv.inputs[1]).constant;
  std::vector<float> weights = w.floats();
  const size_t row = weights.size() / by.scale.size();
  for (size_t i = 0; i < weights.size(); ++i) weights[i] *= by.scale[i / row];
  std::vector<float> bias = by.shift;
  if (conv.input(2) != kNoValue) {
    const std::vector<float> old = graph.value(conv.inputs[2]).constant.floats();
    for (size_t c = 0; c < bias.size(); ++c) bias[c] += old[c] * by.scale[c];
  }
  const Shape shape = w.shape();
  conv.inputs.resize(3);
  conv.inputs[1] = graph.add_constant(conv.name + "/w", Tensor::of_floats(shape, weights));
  conv.inputs[2] = graph.add_constant(conv.name + "/b",
                                      Tensor::of_floats({static_cast<int64_t>(bias.size())}, bias));
}

bool constant_weights(const Graph& graph, const Node& conv) {
  return graph.value(conv.inputs[1]).is_constant() &&
         (conv.input(2) == kNoValue || graph.value(conv.inputs[2]).is_constant());
}

// What could not be folded: x * s + t in one step.
void to_mul_add(Graph& graph, Node& node, const ScaleShift& by) {
  const size_t rank = graph.value(node.inputs[0]).shape.size();
  Shape shape(rank - 1, 1);
  shape[0] = static_cast<int64_t>(by.scale.size());
  node.op = "corolla.Elementwise";
  node.inputs = {node.inputs[0],
                 graph.add_constant(node.name + "/scale", Tensor::of_floats(shape, by.scale)),
                 graph.add_constant(node.name + "/shift", Tensor::of_floats(shape, by.shift))};
  node.attributes = Attributes();
  node.attributes.set("kind", std::string("mul_add"));
}

}  // namespace

Status fold_batch_norm(Graph& graph, const PassContext&) {
  for (bool changed = true; changed;) {
    changed = false;
    const Uses uses(graph);
    for (size_t n = 0; n < graph.nodes.size() && !changed; ++n) {
      Node& node = graph.nodes[n];
      const bool norm = node.op == "BatchNormalization";
      if (!norm && node.op != "Mul" && node.op != "Add" && node.op != "Sub" && node.op != "Div")
        continue;
      // The operand that a convolution makes.
      for (size_t i = 0; i < (norm ? 1 : node.inputs.size()) && !changed; ++i) {
        const ValueId x = node.inputs[i];
        const int maker = x == kNoValue ? -1 : uses.producer[static_cast<size_t>(x)];
        if (maker < 0 || !uses.only_reader(x, static_cast<int>(n))) continue;
        Node& conv = graph.nodes[static_cast<size_t>(maker)];
        if (conv.op != "Conv" || !constant_weights(graph, conv)) continue;
        const auto by = norm ? of_batch_norm(graph, node) : of_arithmetic(graph, node, x);
        if (!by) continue;
        fold_into(graph, conv, *by);
        conv.outputs[0] = node.outputs[0];
        node.outputs[0] = add_result(graph, node.name + "/folded");
        changed = true;
      }
    }
    if (changed) RETURN_IF_ERROR(graph.tidy());
    if (changed) RETURN_IF_ERROR(graph.tidy());
  }
  for (Node& node : graph.nodes)
    if (node.op == "BatchNormalization")
      if (const auto by = of_batch_norm(graph, node)) to_mul_add(graph, node, *by);
  return ok();
}

}  // namespace corolla::plan
