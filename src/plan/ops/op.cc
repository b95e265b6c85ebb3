#include "plan/ops/op.h"

#include <algorithm>
#include <map>

namespace corolla::plan {
namespace {

const std::map<std::string_view, const Op*>& table() {
  static const auto all = [] {
    std::map<std::string_view, const Op*> map;
    for (const auto family :
         {unary_ops(), binary_ops(), conv_ops(), pool_ops(), gemm_ops(), norm_ops(), shape_ops(),
          move_ops(), index_ops(), reduce_ops(), quantize_ops(), resize_ops(), fused_ops()})
      for (const Op& op : family) CHECK(map.emplace(op.name, &op).second, op.name);
    return map;
  }();
  return all;
}

Error at_node(const Call& call, Error error) {
  error.what = "node '" + call.node().name + "' (" + call.node().op + "): " + error.what;
  return error;
}

}  // namespace

const Op* find_op(std::string_view name) {
  const auto it = table().find(name);
  return it == table().end() ? nullptr : it->second;
}

std::vector<std::string_view> op_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, op] : table()) names.push_back(name);
  return names;
}

Result<std::vector<Type>> infer_types(const Call& call) {
  const Op* op = find_op(call.node().op);
  if (op == nullptr) return at_node(call, {Code::kUnsupported, "the operator is not supported"});
  size_t given = 0;
  for (size_t i = 0; i < call.inputs(); ++i)
    if (call.has(i)) given = i + 1;
  bool complete = given >= op->least_inputs && given <= op->most_inputs;
  for (size_t i = 0; i < op->least_inputs && complete; ++i) complete = call.has(i);
  if (!complete)
    return at_node(call, {Code::kInvalidArgument,
                          "it has " + std::to_string(given) + " inputs, and needs " +
                              std::to_string(op->least_inputs) +
                              (op->most_inputs == op->least_inputs ? "" : " or more")});
  auto types = op->infer(call);
  if (!types.ok()) return at_node(call, std::move(types).error());
  if (types->size() < call.node().outputs.size())
    return at_node(call, {Code::kInvalidArgument,
                          "it has " + std::to_string(call.node().outputs.size()) +
                              " outputs, and the operator makes " + std::to_string(types->size())});
  for (const Type& type : *types)
    if (auto bytes = byte_count(type.dtype, type.shape); !bytes.ok())
      return at_node(call, std::move(bytes).error());
  return types;
}

Result<std::vector<Tensor>> evaluate(const Call& call) {
  ASSIGN_OR_RETURN(const std::vector<Type> types, infer_types(call));
  std::vector<Tensor> outputs;
  for (const Type& type : types) {
    auto tensor = Tensor::make(type.dtype, type.shape);
    if (!tensor.ok()) return at_node(call, std::move(tensor).error());
    outputs.push_back(*std::move(tensor));
  }
  if (auto ran = find_op(call.node().op)->run(call, outputs); !ran.ok())
    return at_node(call, std::move(ran).error());
  return outputs;
}

}  // namespace corolla::plan
