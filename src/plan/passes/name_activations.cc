// Gives activations that are spelled out in arithmetic their names.
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

class Namer {
 public:
  explicit Namer(Graph& graph) : graph_(graph), uses_(graph) {}

  void run() {
    for (Node& node : graph_.nodes) {
      if (node.op != "Mul" || node.inputs.size() != 2) continue;
      for (int side = 0; side < 2; ++side) {
        const ValueId a = node.inputs[static_cast<size_t>(side)];
        const ValueId b = node.inputs[static_cast<size_t>(1 - side)];
        if (gated(node, a, b) || gelu(node, a, b)) break;
      }
    }
  }

 private:
  const Node* maker(ValueId id, std::string_view op) const {
    if (id == kNoValue) return nullptr;
    const int n = uses_.producer[static_cast<size_t>(id)];
    if (n < 0 || graph_.nodes[static_cast<size_t>(n)].op != op) return nullptr;
    return &graph_.nodes[static_cast<size_t>(n)];
  }

  static void become(Node& node, std::string op, ValueId x) {
    node.op = std::move(op);
    node.inputs = {x};
    node.attributes = Attributes();
  }

  // a = x, b = sigmoid(x) or hardsigmoid(x).
  bool gated(Node& node, ValueId a, ValueId b) const {
    if (const Node* gate = maker(b, "Sigmoid"); gate && gate->inputs[0] == a) {
      become(node, "corolla.Silu", a);
      return true;
    }
    const Node* gate = maker(b, "HardSigmoid");
    if (gate && gate->inputs[0] == a &&
        std::abs(gate->attributes.number("alpha", 0.2f) - 1.0f / 6) < 1e-4f &&
        gate->attributes.number("beta", 0.5f) == 0.5f) {
      become(node, "HardSwish", a);
      return true;
    }
    return false;
  }

  // 1 + erf(x / sqrt 2): returns x.
  ValueId erf_term(ValueId id) const {
    const Node* add = maker(id, "Add");
    if (!add) return kNoValue;
    for (size_t i = 0; i < 2; ++i) {
      const Node* erf = maker(add->inputs[i], "Erf");
      if (!erf || !is_scalar(graph_, add->inputs[1 - i], 1)) continue;
      if (const Node* div = maker(erf->inputs[0], "Div");
          div && is_scalar(graph_, div->inputs[1], 1.41421356f))
        return div->inputs[0];
      if (const Node* mul = maker(erf->inputs[0], "Mul"))
        for (size_t k = 0; k < 2; ++k)
          if (is_scalar(graph_, mul->inputs[k], 0.70710678f)) return mul->inputs[1 - k];
    }
    return kNoValue;
  }

  // (x * t) * 0.5, x * (t * 0.5), (x * 0.5) * t, with t = 1 + erf(x / sqrt 2).
  bool gelu(Node& node, ValueId a, ValueId b) const {
    if (is_scalar(graph_, b, 0.5f))
      if (const Node* mul = maker(a, "Mul"))
        for (size_t i = 0; i < 2; ++i)
          if (const ValueId x = erf_term(mul->inputs[i]);
              x != kNoValue && mul->inputs[1 - i] == x) {
            become(node, "Gelu", x);
            return true;
          }
    if (const Node* half = maker(b, "Mul"))
      for (size_t i = 0; i < 2; ++i) {
        if (!is_scalar(graph_, half->inputs[i], 0.5f)) continue;
        const ValueId other = half->inputs[1 - i];
        const ValueId x = erf_term(other) == a ? a : erf_term(a) == other ? other : kNoValue;
        if (x == kNoValue) continue;
        become(node, "Gelu", x);
        return true;
      }
    return false;
  }

  Graph& graph_;
  Uses uses_;
};

}  // namespace

Status name_activations(Graph& graph, const PassContext&) {
  Namer(graph).run();
  return ok();
}

}  // namespace corolla::plan
