// What is left of arithmetic and activations in the one form that steps have.
#include "plan/onnx_reader.h"
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
    {"Add", Elementwise::Kind::kAdd},           {"Sub", Elementwise::Kind::kSub},
    {"Mul", Elementwise::Kind::kMul},           {"Div", Elementwise::Kind::kDiv},
    {"Pow", Elementwise::Kind::kPow},           {"Min", Elementwise::Kind::kMin},
    {"Max", Elementwise::Kind::kMax},           {"Sqrt", Elementwise::Kind::kSqrt},
    {"Exp", Elementwise::Kind::kExp},           {"Log", Elementwise::Kind::kLog},
    {"Erf", Elementwise::Kind::kErf},           {"Neg", Elementwise::Kind::kNeg},
    {"Abs", Elementwise::Kind::kAbs},           {"Reciprocal", Elementwise::Kind::kReciprocal},
    {"Sin", Elementwise::Kind::kSin},           {"Cos", Elementwise::Kind::kCos},
    {"Tan", Elementwise::Kind::kTan},           {"Asin", Elementwise::Kind::kAsin},
    {"Acos", Elementwise::Kind::kAcos},         {"Atan", Elementwise::Kind::kAtan},
    {"Sinh", Elementwise::Kind::kSinh},         {"Cosh", Elementwise::Kind::kCosh},
    {"Asinh", Elementwise::Kind::kAsinh},       {"Acosh", Elementwise::Kind::kAcosh},
    {"Atanh", Elementwise::Kind::kAtanh},       {"Floor", Elementwise::Kind::kFloor},
    {"Ceil", Elementwise::Kind::kCeil},         {"Round", Elementwise::Kind::kRound},
    {"Sign", Elementwise::Kind::kSign},         {"Softplus", Elementwise::Kind::kSoftplus},
    {"Softsign", Elementwise::Kind::kSoftsign}, {"PRelu", Elementwise::Kind::kPRelu},
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

// Activations whose numbers are attributes, in arithmetic: what is a constant there is an operand.
Status spell_out(Graph& graph) {
  std::vector<Node> nodes;
  const auto constant = [&](const Node& node, std::string_view what, float value) {
    return graph.add_constant(node.name + "/" + std::string(what), Tensor::scalar(value));
  };
  const auto before = [&](Node& node, std::string op, std::vector<ValueId> inputs) {
    Node added;
    added.name = graph.unique_name(node.name + "/" + op);
    added.op = std::move(op);
    added.inputs = std::move(inputs);
    added.outputs = {add_result(graph, added.name)};
    node.inputs[0] = added.outputs[0];
    nodes.push_back(std::move(added));
  };
  const auto elu = [&](Node& node, float alpha) {
    become(node, Elementwise::Kind::kElu, {});
    node.inputs.push_back(constant(node, "alpha", alpha));
  };
  for (Node& node : graph.nodes) {
    if (node.op == "Elu") {
      elu(node, node.attributes.number("alpha", 1));
    } else if (node.op == "Selu") {  // gamma * elu(x)
      const float alpha = node.attributes.number("alpha", 1.67326319f);
      const ValueId gamma = constant(node, "gamma", node.attributes.number("gamma", 1.05070102f));
      before(node, "Elu", node.inputs);
      elu(nodes.back(), alpha);
      become(node, Elementwise::Kind::kMul, {});
      node.inputs.push_back(gamma);
    } else if (node.op == "Mish") {  // x * tanh(softplus(x))
      const ValueId x = node.inputs[0];
      before(node, "Softplus", {x});
      before(node, "Tanh", {node.inputs[0]});
      become(node, Elementwise::Kind::kMul, {});
      node.inputs.push_back(x);
    }
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  return infer_graph(graph, false);
}

}  // namespace

Status fuse_elementwise(Graph& graph, const PassContext&) {
  RETURN_IF_ERROR(spell_out(graph));
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
