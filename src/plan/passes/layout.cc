// turn-tokens and assign-layout.
//
// A value is NHWC when a convolution, a pool or a resize makes or reads it, and what comes between
// them follows: elementwise arithmetic, concat, slice and pad of pictures. Everything else is
// plain.
#include <algorithm>
#include <array>

#include "plan/ops/shapes.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {

// Both ways round the tokens are the same bytes in NHWC, and then nothing has to move.
Status turn_tokens(Graph& graph, const PassContext&) {
  const Uses uses(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& turn = graph.nodes[n];
    if (turn.op != "Transpose" || turn.attributes.integers("perm") != Shape{0, 2, 1}) continue;
    const int maker = uses.producer[static_cast<size_t>(turn.inputs[0])];
    if (maker < 0 || !uses.only_reader(turn.inputs[0], static_cast<int>(n))) continue;
    Node& flat = graph.nodes[static_cast<size_t>(maker)];
    const Shape from = graph.value(flat.inputs[0]).shape;
    if (flat.op != "Reshape" || from.size() != 4 ||
        graph.value(flat.outputs[0]).shape != Shape{from[0], from[1], from[2] * from[3]})
      continue;
    flat.op = "Transpose";
    flat.inputs.resize(1);
    flat.attributes = Attributes();
    flat.attributes.set("perm", std::vector<int64_t>{0, 2, 3, 1});
    graph.value(flat.outputs[0]).typed = false;
    const Shape to = graph.value(turn.outputs[0]).shape;
    turn.op = "Reshape";
    turn.attributes = Attributes();
    turn.attributes.set("allowzero", int64_t{1});
    turn.inputs.push_back(graph.add_constant(turn.name + "/shape", Tensor::of_ints(to)));
  }
  return ok();
}

namespace {

bool is_picture(const Graph& graph, ValueId id) {
  return id != kNoValue && graph.value(id).shape.size() == 4 && is_float(graph.value(id).dtype);
}

// Always NHWC, in and out.
bool wants_nhwc(const Graph& graph, const Node& node) {
  // A quantised picture is turned before it is quantised: that is part of the import.
  if (node.op == "QuantizeLinear" && is_picture(graph, node.inputs[0]))
    for (const ValueId id : graph.inputs)
      if (id == node.inputs[0]) return true;
  constexpr std::array<std::string_view, 7> kOps = {"corolla.Conv",     "Conv",          "MaxPool",
                                                    "AveragePool",      "GlobalMaxPool", "Resize",
                                                    "GlobalAveragePool"};
  return is_picture(graph, node.inputs[0]) &&
         std::find(kOps.begin(), kOps.end(), node.op) != kOps.end();
}

// NHWC when its pictures are.
bool follows(const Graph& graph, const Node& node) {
  constexpr std::array<std::string_view, 12> kOps = {"corolla.Elementwise",
                                                     "Concat",
                                                     "Slice",
                                                     "Pad",
                                                     "Split",
                                                     "QuantizeLinear",
                                                     "DequantizeLinear",
                                                     "ReduceMean",
                                                     "ReduceMax",
                                                     "ReduceSum",
                                                     "GroupNormalization",
                                                     "InstanceNormalization"};
  if (std::find(kOps.begin(), kOps.end(), node.op) == kOps.end()) return false;
  const Shape& out = graph.value(node.outputs[0]).shape;
  if (out.size() != 4) return false;
  for (const ValueId id : node.inputs)
    if (id != kNoValue && !graph.value(id).is_constant() && graph.value(id).shape.size() != 4)
      return false;
  return true;
}

// Which inputs of a node must have the layout of its outputs: those that are data.
bool is_data(const Node& node, size_t input) {
  if (node.op == "corolla.Conv") return input == 0 || input == 3;
  return node.op == "corolla.Elementwise" || node.op == "Concat" || input == 0;
}

}  // namespace

Status assign_layout(Graph& graph, const PassContext&) {
  std::vector<Node> nodes;
  std::map<std::pair<ValueId, Layout>, ValueId> relaid;
  for (Node& node : graph.nodes) {
    if (node.op == "corolla.Relayout") {  // the pass has run before
      nodes.push_back(std::move(node));
      continue;
    }
    bool nhwc = wants_nhwc(graph, node);
    if (!nhwc && follows(graph, node))
      for (const ValueId id : node.inputs)
        nhwc = nhwc || (id != kNoValue && !graph.value(id).is_constant() &&
                        graph.value(id).layout == Layout::kNhwc);
    // Moving NHWC's own dimensions costs nothing: the transpose reads it as it lies.
    const bool any = node.op == "Transpose" || node.op == "Reshape";
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNoValue || graph.value(id).is_constant() || !is_data(node, i)) continue;
      const Layout wanted = nhwc ? Layout::kNhwc : Layout::kPlain;
      if (any || graph.value(id).layout == wanted) continue;
      const auto [it, fresh] = relaid.emplace(std::pair(id, wanted), kNoValue);
      if (fresh) {
        Value value = graph.value(id);
        value.name = graph.unique_name(value.name + (nhwc ? "/nhwc" : "/plain"));
        value.layout = wanted;
        Node relayout;
        relayout.name = value.name;
        relayout.op = "corolla.Relayout";
        relayout.inputs = {id};
        it->second = graph.add_value(std::move(value));
        relayout.outputs = {it->second};
        nodes.push_back(std::move(relayout));
      }
      node.inputs[i] = it->second;
    }
    // A transpose from plain [N,H,W,C] to [N,C,H,W] makes a picture as it should lie.
    const bool makes_picture = node.op == "Transpose" &&
                               node.attributes.integers("perm") == Shape{0, 3, 1, 2} &&
                               graph.value(node.inputs[0]).layout == Layout::kPlain;
    for (const ValueId id : node.outputs)
      if (id != kNoValue && graph.value(id).shape.size() == 4 && (nhwc || makes_picture))
        graph.value(id).layout = Layout::kNhwc;
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  return ok();
}

}  // namespace corolla::plan
