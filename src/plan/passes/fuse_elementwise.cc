// What is left of arithmetic and activations in the one form that steps have.
#include "plan/ops/activation.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

struct Name {
  std::string_view op;
  Elementwise::Kind kind;
};

constexpr Name kNames[] = {
    {"Add", Elementwise::Kind::kAdd}, {"Sub", Elementwise::Kind::kSub},
    {"Mul", Elementwise::Kind::kMul}, {"Div", Elementwise::Kind::kDiv},
    {"Pow", Elementwise::Kind::kPow}, {"Min", Elementwise::Kind::kMin},
    {"Max", Elementwise::Kind::kMax}, {"Sqrt", Elementwise::Kind::kSqrt},
    {"Exp", Elementwise::Kind::kExp}, {"Log", Elementwise::Kind::kLog},
    {"Erf", Elementwise::Kind::kErf}, {"Neg", Elementwise::Kind::kNeg},
    {"Abs", Elementwise::Kind::kAbs}, {"Reciprocal", Elementwise::Kind::kReciprocal},
};

void become(Node& node, Elementwise::Kind kind, const Epilogue& epilogue) {
  node.op = "corolla.Elementwise";
  node.attributes = Attributes();
  node.attributes.set("kind", std::string(elementwise_name(kind)));
  set_epilogue(node.attributes, epilogue);
}

Elementwise::Kind kind_of(const Node& node) {
  return elementwise_from_name(node.attributes.text("kind", ""))
      .value_or(Elementwise::Kind::kIdentity);
}

Node* maker(Graph& graph, const Uses& uses, ValueId id, size_t reader) {
  const int n = uses.producer[static_cast<size_t>(id)];
  if (n < 0 || !uses.only_reader(id, static_cast<int>(reader))) return nullptr;
  Node& node = graph.nodes[static_cast<size_t>(n)];
  return node.op == "corolla.Elementwise" &&
                 epilogue_of(node.attributes).activation == Activation::kNone
             ? &node
             : nullptr;
}

// An activation alone goes into the arithmetic before it; an addition to a product becomes mul_add.
bool fuse(Graph& graph, const Uses& uses, size_t n) {
  Node& node = graph.nodes[n];
  if (node.op != "corolla.Elementwise") return false;
  const auto kind = kind_of(node);
  const Epilogue epilogue = epilogue_of(node.attributes);
  if (kind == Elementwise::Kind::kIdentity && epilogue.activation != Activation::kNone) {
    if (Node* before = maker(graph, uses, node.inputs[0], n)) {
      set_epilogue(before->attributes, epilogue);
      take_output(graph, node, *before);
      return true;
    }
  }
  if (kind != Elementwise::Kind::kAdd) return false;
  for (size_t side = 0; side < 2; ++side) {
    Node* product = maker(graph, uses, node.inputs[side], n);
    if (!product || kind_of(*product) != Elementwise::Kind::kMul) continue;
    const ValueId added = node.inputs[1 - side];
    if (graph.value(product->outputs[0]).shape != graph.value(node.outputs[0]).shape) continue;
    become(*product, Elementwise::Kind::kMulAdd, epilogue);
    product->inputs.push_back(added);
    take_output(graph, node, *product);
    return true;
  }
  return false;
}

}  // namespace

Status fuse_elementwise(Graph& graph, const PassContext&) {
  for (Node& node : graph.nodes) {
    if (node.outputs.empty() || !is_float(graph.value(node.outputs[0]).dtype)) continue;
    if (const auto epilogue = activation_of(node, graph)) {
      node.inputs.resize(1);
      become(node, Elementwise::Kind::kIdentity, *epilogue);
    }
    for (const Name& name : kNames)
      if (node.op == name.op && node.inputs.size() == elementwise_inputs(name.kind))
        become(node, name.kind, {});
  }
  for (bool changed = true; changed;) {
    changed = false;
    const Uses uses(graph);
    for (size_t n = 0; n < graph.nodes.size() && !changed; ++n) changed = fuse(graph, uses, n);
    if (changed) RETURN_IF_ERROR(graph.tidy());
  }
  return ok();
}

}  // namespace corolla::plan
