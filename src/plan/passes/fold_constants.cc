#include "plan/ops/op.h"
#include "plan/passes/pass.h"

namespace corolla::plan {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 30;

}  // namespace

// For int8, weights stay quantised: the lowering wants them so.
Status fold_constants(Graph& graph, const PassContext& context) {
  for (Node& node : graph.nodes) {
    if (node.op == "QuantizeLinear" || node.outputs.empty()) continue;
    if (context.precision == DType::kInt8 && node.op == "DequantizeLinear") continue;
    Call call(node);
    bool constant = true;
    for (size_t i = 0; i < node.inputs.size() && constant; ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const Value& value = graph.value(node.inputs[i]);
      constant = value.is_constant();
      if (constant) call.give(i, value.constant);
    }
    if (!constant) continue;
    // A model may ask for terabytes of ones; those are left to whoever runs it.
    int64_t bytes = 0;
    ASSIGN_OR_RETURN(const std::vector<Type> types, infer_types(call));
    for (const Type& type : types) {
      ASSIGN_OR_RETURN(const int64_t more, byte_count(type.dtype, type.shape));
      bytes = std::max(bytes, more);
    }
    if (bytes > kMostBytes) continue;
    ASSIGN_OR_RETURN(const std::vector<Tensor> made, evaluate(call));
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      if (node.outputs[o] == kNoValue) continue;
      graph.value(node.outputs[o]).constant = made[o];
    }
    node.outputs.clear();  // made by nobody any more: tidy() drops the node
  }
  std::erase_if(graph.nodes, [](const Node& node) { return node.outputs.empty(); });
  return ok();
}

}  // namespace corolla::plan
