// Graph::verify() of graph.h.
#include <unordered_set>

#include "plan/graph.h"
#include "plan/ops/op.h"

namespace corolla::plan {
namespace {

Error broken(const Node& node, std::string what) {
  return {Code::kInternal, "node '" + node.name + "' (" + node.op + ") " + std::move(what)};
}

Status check_types(const Graph& graph, const Node& node) {
  Call call(node);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Value& value = graph.value(node.inputs[i]);
    if (value.is_constant())
      call.give(i, value.constant);
    else if (value.typed)
      call.give(i, Type{value.dtype, value.shape});
    else
      return ok();  // not bound yet
  }
  ASSIGN_OR_RETURN(const std::vector<Type> types, infer_types(call));
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    if (node.outputs[o] == kNoValue) continue;
    const Value& value = graph.value(node.outputs[o]);
    if (value.typed && (value.dtype != types[o].dtype || value.shape != types[o].shape))
      return broken(node, "makes '" + value.name + "' as " +
                              std::string(dtype_name(types[o].dtype)) + " " +
                              shape_text(types[o].shape) + ", which is noted as " +
                              std::string(dtype_name(value.dtype)) + " " + shape_text(value.shape));
  }
  return ok();
}

}  // namespace

Status Graph::verify() const {
  const auto count = static_cast<ValueId>(values.size());
  std::vector<bool> made(values.size());
  std::unordered_set<std::string> names;
  for (const Value& value : values) {
    if (!names.insert(value.name).second)
      return Error{Code::kInternal, "two values are named '" + value.name + "'"};
    if (value.layout == Layout::kNhwc && value.typed && value.shape.size() != 4)
      return Error{Code::kInternal, "value '" + value.name + "' of shape " +
                                        shape_text(value.shape) + " cannot be NHWC"};
    made[static_cast<size_t>(&value - values.data())] = value.is_constant();
  }
  for (const ValueId id : inputs) {
    if (id < 0 || id >= count) return Error{Code::kInternal, "an input is no value of the graph"};
    made[static_cast<size_t>(id)] = true;
  }
  std::unordered_set<std::string> nodes_seen;
  for (const Node& node : nodes) {
    if (!nodes_seen.insert(node.name).second) return broken(node, "shares its name with another");
    if (find_op(node.op) == nullptr) return broken(node, "is of no known operator");
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (id < 0 || id >= count) return broken(node, "reads no value of the graph");
      if (!made[static_cast<size_t>(id)])
        return broken(node, "reads '" + value(id).name + "' before it is made");
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      if (id < 0 || id >= count) return broken(node, "makes no value of the graph");
      if (made[static_cast<size_t>(id)])
        return broken(node, "makes '" + value(id).name + "', which exists already");
      made[static_cast<size_t>(id)] = true;
    }
    RETURN_IF_ERROR(check_types(*this, node));
  }
  for (const ValueId id : outputs)
    if (id < 0 || id >= count || !made[static_cast<size_t>(id)])
      return Error{Code::kInternal, "an output is made by no node"};
  return ok();
}

}  // namespace corolla::plan
