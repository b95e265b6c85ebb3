// simplify-shapes and simplify-pools.
#include <algorithm>

#include "plan/ops/shapes.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

bool all_are(const std::vector<int64_t>& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

// The node's only output is its first input, under another name.
bool changes_nothing(const Graph& graph, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs.size() != 1) return false;
  const Value& from = graph.value(node.inputs[0]);
  const Value& to = graph.value(node.outputs[0]);
  if (from.dtype != to.dtype || from.shape != to.shape) return false;
  if (node.op == "Identity" || node.op == "Cast" || node.op == "Reshape" || node.op == "Expand" ||
      node.op == "Slice" || node.op == "Tile")
    return node.op != "Slice" || node.input(4) == kNoValue ||
           all_are(graph.value(node.inputs[4]).constant.ints(), 1);
  if (node.op == "Concat" || node.op == "Split") return node.inputs.size() == 1;
  if (node.op == "Pad") {
    const Value& pads = graph.value(node.inputs[1]);
    return pads.is_constant() && all_are(pads.constant.ints(), 0);
  }
  if (node.op == "Transpose") {
    const std::vector<int64_t> perm = node.attributes.integers("perm");
    return !perm.empty() && std::is_sorted(perm.begin(), perm.end());
  }
  if (node.op == "Mul" || node.op == "Div") return is_scalar(graph, node.inputs[1], 1, 0);
  if (node.op == "Add" || node.op == "Sub") {
    const auto added = scalar_of(graph, node.inputs[1]);
    return added && *added == 0;
  }
  return false;
}

void to_reshape(Graph& graph, Node& node) {
  const Shape shape = graph.value(node.outputs[0]).shape;
  if (node.op == "Reshape" && node.attributes.integer("allowzero", 0) != 0 &&
      graph.value(node.inputs[1]).is_constant() &&
      graph.value(node.inputs[1]).constant.ints() == shape)
    return;  // it is one already
  node.op = "Reshape";
  node.attributes = Attributes();
  node.attributes.set("allowzero", int64_t{1});
  node.inputs = {node.inputs[0], graph.add_constant(node.name + "/shape", Tensor::of_ints(shape))};
}

bool is_reshape(const Node& node) {
  return node.op == "Reshape" || node.op == "Flatten" || node.op == "Squeeze" ||
         node.op == "Unsqueeze";
}

// A Transpose that only moves dimensions of 1 about is a Reshape.
bool moves_nothing(const Graph& graph, const Node& node) {
  const Shape& from = graph.value(node.inputs[0]).shape;
  std::vector<int64_t> perm = node.attributes.integers("perm"), moved;
  if (perm.empty())
    for (size_t d = from.size(); d-- > 0;) perm.push_back(static_cast<int64_t>(d));
  for (const int64_t d : perm)
    if (from[static_cast<size_t>(d)] != 1) moved.push_back(d);
  return std::is_sorted(moved.begin(), moved.end());
}

// Reads through an earlier Reshape, and Transposes through an earlier Transpose.
void skip_earlier(Graph& graph, const Uses& uses, Node& node) {
  const int maker = uses.producer[static_cast<size_t>(node.inputs[0])];
  if (maker < 0) return;
  const Node& earlier = graph.nodes[static_cast<size_t>(maker)];
  if (node.op == "Reshape" && earlier.op == "Reshape") node.inputs[0] = earlier.inputs[0];
  if (node.op != "Transpose" || earlier.op != "Transpose") return;
  const std::vector<int64_t> first = earlier.attributes.integers("perm");
  std::vector<int64_t> both = node.attributes.integers("perm");
  if (first.empty() || both.empty()) return;
  for (int64_t& d : both) d = first[static_cast<size_t>(d)];
  node.attributes.set("perm", both);
  node.inputs[0] = earlier.inputs[0];
}

}  // namespace

Status simplify_shapes(Graph& graph, const PassContext&) {
  for (Node& node : graph.nodes) {
    if (is_reshape(node)) to_reshape(graph, node);
    if (node.op == "Transpose" && moves_nothing(graph, node)) to_reshape(graph, node);
  }
  const Uses uses(graph);
  for (Node& node : graph.nodes)
    if (node.op == "Reshape" || node.op == "Transpose") skip_earlier(graph, uses, node);
  for (const Node& node : graph.nodes) {
    if (!changes_nothing(graph, node)) continue;
    // An output that would become an input keeps its node: both names must stay.
    const bool is_input =
        std::find(graph.inputs.begin(), graph.inputs.end(), node.inputs[0]) != graph.inputs.end();
    const bool is_output = std::find(graph.outputs.begin(), graph.outputs.end(), node.outputs[0]) !=
                           graph.outputs.end();
    const bool also_output = std::find(graph.outputs.begin(), graph.outputs.end(),
                                       node.inputs[0]) != graph.outputs.end();
    if (is_output && (is_input || also_output || graph.value(node.inputs[0]).is_constant()))
      continue;
    graph.replace_uses(node.outputs[0], node.inputs[0]);
  }
  return ok();
}

namespace {

// The window is the whole picture.
bool covers_all(const Graph& graph, const Node& node) {
  const Shape& x = graph.value(node.inputs[0]).shape;
  const Shape& y = graph.value(node.outputs[0]).shape;
  return x.size() == 4 && y[2] == 1 && y[3] == 1 &&
         node.attributes.integers("kernel_shape") == Shape(x.begin() + 2, x.end()) &&
         all_are(node.attributes.integers("pads", {0}), 0) &&
         all_are(node.attributes.integers("dilations", {1}), 1);
}

bool means_picture(const Graph& graph, const Node& node) {
  const Shape& x = graph.value(node.inputs[0]).shape;
  if (x.size() != 4 || node.input(1) == kNoValue || !graph.value(node.inputs[1]).is_constant())
    return false;
  const auto axes = normal_axes(graph.value(node.inputs[1]).constant.ints(), 4);
  return axes.ok() && *axes == std::vector<int64_t>{2, 3};
}

}  // namespace

Status simplify_pools(Graph& graph, const PassContext&) {
  std::vector<Node> added;
  for (Node& node : graph.nodes) {
    if (node.op == "AveragePool" && covers_all(graph, node)) {
      node.op = "GlobalAveragePool";
      node.attributes = Attributes();
    } else if (node.op == "ReduceMean" && means_picture(graph, node)) {
      const bool keep = node.attributes.integer("keepdims", 1) != 0;
      node.op = "GlobalAveragePool";
      node.inputs.resize(1);
      node.attributes = Attributes();
      if (keep) continue;
      Node flat;
      flat.name = graph.unique_name(node.name + "/flat");
      flat.outputs = node.outputs;
      node.outputs = {add_result(graph, node.name + "/picture")};
      flat.inputs = node.outputs;
      to_reshape(graph, flat);
      added.push_back(std::move(flat));
    }
  }
  for (Node& node : added) graph.nodes.push_back(std::move(node));
  return ok();
}

}  // namespace corolla::plan
