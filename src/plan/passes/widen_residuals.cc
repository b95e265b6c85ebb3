// widen-residuals.
//
// What a transformer carries from block to block is a sum of all blocks' outputs, larger than each.
// Rounded to fp16 after every addition it is the largest error of a ViT-B: 1.05e-3 of 1.5e-3. So
// the sum is kept in fp32: an addition of its own instead of a product's epilogue, which the
// normalisation after it can be joined with.
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {

Status widen_residuals(Graph& graph, const PassContext& context) {
  if (context.precision == DType::kFp32) return ok();
  const Uses uses(graph);
  for (const Node& node : graph.nodes) {
    if (node.op != "Add") continue;
    const ValueId sum = node.outputs[0];
    if (!is_float(graph.value(sum).dtype) || uses.is_output[static_cast<size_t>(sum)]) continue;
    bool normalised = false, added = false, other = false;
    for (const int reader : uses.consumers[static_cast<size_t>(sum)]) {
      const Node& by = graph.nodes[static_cast<size_t>(reader)];
      normalised = normalised || (by.op == "LayerNormalization" && by.inputs[0] == sum);
      added = added || by.op == "Add";
      other = other || (by.op != "Add" && by.op != "LayerNormalization");
    }
    const bool goes_on = graph.value(node.inputs[0]).wide || graph.value(node.inputs[1]).wide;
    if (!other && normalised && (added || goes_on)) graph.value(sum).wide = true;
  }
  return ok();
}

}  // namespace corolla::plan
