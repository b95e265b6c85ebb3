// act(conv(x) + y) -> corolla.Conv(x, residual y, act), and so for corolla.Gemm. An addition first
// (it must come before the activation), then an activation; each only where nobody else reads what
// is in between.
#include "plan/ops/activation.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

bool has_epilogue(const Node& node) {
  return node.op == "corolla.Conv" || node.op == "corolla.Gemm";
}

bool takes_residual(const Graph& graph, const Node& node, ValueId other) {
  return has_epilogue(node) && node.inputs.size() == 3 &&
         epilogue_of(node.attributes).activation == Activation::kNone &&
         !graph.value(other).is_constant() &&
         graph.value(other).shape == graph.value(node.outputs[0]).shape;
}

// Of two convolutions that are added, the one that comes later takes the other's output.
bool fuse_add(Graph& graph, const Uses& uses, size_t n) {
  Node& add = graph.nodes[n];
  for (const ValueId id : {add.inputs[0], add.inputs[1], add.outputs[0]})
    if (graph.value(id).wide) return false;  // matrix products read and write the compute type
  int best = -1;
  ValueId other = kNoValue;
  for (size_t side = 0; side < 2; ++side) {
    const ValueId x = add.inputs[side], y = add.inputs[1 - side];
    const int maker = uses.producer[static_cast<size_t>(x)];
    if (maker > best && x != y && uses.only_reader(x, static_cast<int>(n)) &&
        takes_residual(graph, graph.nodes[static_cast<size_t>(maker)], y)) {
      best = maker;
      other = y;
    }
  }
  if (best < 0) return false;
  Node& conv = graph.nodes[static_cast<size_t>(best)];
  conv.inputs.push_back(other);
  take_output(graph, add, conv);
  return true;
}

bool fuse_activation(Graph& graph, const Uses& uses, size_t n) {
  Node& node = graph.nodes[n];
  const auto epilogue = activation_of(node, graph);
  if (!epilogue) return false;
  const int maker = uses.producer[static_cast<size_t>(node.inputs[0])];
  if (maker < 0 || !uses.only_reader(node.inputs[0], static_cast<int>(n))) return false;
  Node& conv = graph.nodes[static_cast<size_t>(maker)];
  if (!has_epilogue(conv) || epilogue_of(conv.attributes).activation != Activation::kNone)
    return false;
  set_epilogue(conv.attributes, *epilogue);
  take_output(graph, node, conv);
  return true;
}

}  // namespace

Status fuse_epilogues(Graph& graph, const PassContext&) {
  for (bool changed = true; changed;) {
    changed = false;
    // One at a time: what has been fused changes who reads what.
    const Uses uses(graph);
    for (size_t n = 0; n < graph.nodes.size() && !changed; ++n)
      changed =
          graph.nodes[n].op == "Add" ? fuse_add(graph, uses, n) : fuse_activation(graph, uses, n);
    if (changed) RETURN_IF_ERROR(graph.tidy());
  }
  return ok();
}

}  // namespace corolla::plan
