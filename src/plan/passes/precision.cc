// widen-floats and strip-qdq.
#include "plan/ops/op.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

bool is_other_float(DType dtype) { return is_float(dtype) && dtype != DType::kFp32; }

Node cast_node(Graph& graph, const std::string& name, ValueId from, ValueId to, DType dtype) {
  Node node;
  node.name = graph.unique_name(name);
  node.op = "Cast";
  node.inputs = {from};
  node.outputs = {to};
  node.attributes.set("to", static_cast<int64_t>(dtype));
  return node;
}

}  // namespace

// Inputs and outputs keep their types: a Cast stands beside each that is another float.
Status widen_floats(Graph& graph, const PassContext&) {
  std::vector<Node> before, after;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ValueId id = graph.inputs[i];
    if (!is_other_float(graph.value(id).dtype)) continue;
    bool done = true;
    for (const Node& node : graph.nodes)
      for (const ValueId in : node.inputs) done = done && (in != id || node.op == "Cast");
    if (done) continue;
    const ValueId wide = add_result(graph, graph.value(id).name + "/fp32");
    for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), id, wide);
    before.push_back(cast_node(graph, graph.value(id).name + "/widen", id, wide, DType::kFp32));
  }
  for (ValueId& id : graph.outputs) {
    const DType dtype = graph.value(id).dtype;
    if (!is_other_float(dtype)) continue;
    const Uses uses(graph);
    const int maker = uses.producer[static_cast<size_t>(id)];
    if (maker >= 0 && graph.nodes[static_cast<size_t>(maker)].op == "Cast") continue;
    const ValueId narrow = add_result(graph, graph.value(id).name + "/narrow");
    after.push_back(cast_node(graph, graph.value(id).name + "/narrow", id, narrow, dtype));
    std::swap(graph.value(id).name, graph.value(narrow).name);
    id = narrow;
  }
  for (Value& value : graph.values)
    if (value.is_constant() && is_other_float(value.dtype)) {
      ASSIGN_OR_RETURN(value.constant, cast(value.constant, DType::kFp32));
      value.dtype = DType::kFp32;
    }
  for (Node& node : graph.nodes) {
    bool is_end = false;
    for (const ValueId id : node.outputs)
      for (const ValueId output : graph.outputs) is_end = is_end || id == output;
    const auto to = static_cast<DType>(node.attributes.integer("to", 0));
    if (node.op == "Cast" && is_other_float(to) && !is_end)
      node.attributes.set("to", static_cast<int64_t>(DType::kFp32));
    if (const Tensor* value = node.attributes.tensor("value");
        value != nullptr && is_other_float(value->dtype())) {
      ASSIGN_OR_RETURN(Tensor wide, cast(*value, DType::kFp32));
      node.attributes.set("value", std::move(wide));
    }
  }
  before.insert(before.end(), std::make_move_iterator(graph.nodes.begin()),
                std::make_move_iterator(graph.nodes.end()));
  before.insert(before.end(), std::make_move_iterator(after.begin()),
                std::make_move_iterator(after.end()));
  graph.nodes = std::move(before);
  return ok();
}

Status strip_qdq(Graph& graph, const PassContext& context) {
  if (context.precision == DType::kInt8) return ok();
  const Uses uses(graph);
  for (Node& node : graph.nodes) {
    if (node.op != "DequantizeLinear") continue;
    const ValueId in = node.inputs[0];
    const int maker = uses.producer[static_cast<size_t>(in)];
    if (maker >= 0 && graph.nodes[static_cast<size_t>(maker)].op == "QuantizeLinear") {
      // Whoever reads x has no clamping any more; activations that matter are there themselves.
      graph.replace_uses(node.outputs[0], graph.nodes[static_cast<size_t>(maker)].inputs[0]);
    } else if (graph.value(in).is_constant()) {
      Call call(node);
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kNoValue) call.give(i, graph.value(node.inputs[i]).constant);
      ASSIGN_OR_RETURN(const std::vector<Tensor> made, evaluate(call));
      const ValueId constant = graph.add_constant(graph.value(in).name + "/real", made[0]);
      graph.replace_uses(node.outputs[0], constant);
    }
  }
  return ok();
}

// The sum is rounded once instead of twice: closer to the real numbers than the model itself.
Status merge_residuals(Graph& graph, const PassContext& context) {
  if (context.precision != DType::kInt8) return ok();
  const Uses uses(graph);
  const auto maker = [&](ValueId id, int reader, std::string_view op) -> int {
    const int n = uses.producer[static_cast<size_t>(id)];
    const bool found =
        n >= 0 && graph.nodes[static_cast<size_t>(n)].op == op && uses.only_reader(id, reader);
    return found ? n : -1;
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& add = graph.nodes[i];
    if (add.op != "Add") continue;
    for (ValueId& operand : add.inputs) {
      const int dequantise = maker(operand, static_cast<int>(i), "DequantizeLinear");
      if (dequantise < 0) continue;
      const ValueId q = graph.nodes[static_cast<size_t>(dequantise)].inputs[0];
      const int quantise = maker(q, dequantise, "QuantizeLinear");
      if (quantise < 0) continue;
      const ValueId real = graph.nodes[static_cast<size_t>(quantise)].inputs[0];
      if (maker(real, quantise, "Conv") < 0) continue;
      operand = real;
      break;  // one convolution takes the sum; the other operand stays as it is
    }
  }
  return ok();
}

}  // namespace corolla::plan
