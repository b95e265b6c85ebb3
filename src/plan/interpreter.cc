#include "plan/interpreter.h"

#include "plan/ops/op.h"

namespace corolla::plan {

Result<std::vector<Tensor>> interpret(const Graph& graph,
                                      const std::map<std::string, Tensor>& inputs,
                                      const InterpretOptions& options) {
  std::vector<Tensor> values(graph.values.size());
  std::vector<int> readers(graph.values.size());
  for (const Node& node : graph.nodes)
    for (const ValueId id : node.inputs)
      if (id != kNoValue) ++readers[static_cast<size_t>(id)];
  for (const ValueId id : graph.outputs) ++readers[static_cast<size_t>(id)];
  for (size_t v = 0; v < values.size(); ++v) values[v] = graph.values[v].constant;

  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    const auto given = inputs.find(value.name);
    if (given == inputs.end()) {
      if (value.is_constant()) continue;  // a default
      return Error{Code::kInvalidArgument, "input '" + value.name + "' is not given"};
    }
    const Tensor& tensor = given->second;
    if (value.typed && (tensor.dtype() != value.dtype || tensor.shape() != value.shape))
      return Error{Code::kInvalidArgument,
                   "input '" + value.name + "' is " + std::string(dtype_name(tensor.dtype())) +
                       " " + shape_text(tensor.shape()) + "; the model wants " +
                       std::string(dtype_name(value.dtype)) + " " + shape_text(value.shape)};
    values[static_cast<size_t>(id)] = tensor;
  }

  for (const Node& node : graph.nodes) {
    Call call(node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const Tensor& tensor = values[static_cast<size_t>(node.inputs[i])];
      if (!tensor.empty()) call.give(i, tensor);
    }
    ASSIGN_OR_RETURN(std::vector<Tensor> made, evaluate(call));
    if (options.after_node) options.after_node(node, made);
    for (size_t o = 0; o < node.outputs.size(); ++o)
      if (node.outputs[o] != kNoValue) values[static_cast<size_t>(node.outputs[o])] = made[o];
    for (const ValueId id : node.inputs)
      if (id != kNoValue && --readers[static_cast<size_t>(id)] == 0)
        values[static_cast<size_t>(id)] = Tensor();
  }

  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) {
    if (values[static_cast<size_t>(id)].empty())
      return Error{Code::kInvalidArgument,
                   "output '" + graph.value(id).name + "' is made by no node"};
    outputs.push_back(values[static_cast<size_t>(id)]);
  }
  return outputs;
}

}  // namespace corolla::plan
