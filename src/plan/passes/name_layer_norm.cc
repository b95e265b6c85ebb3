// LayerNormalization as exporters spelled it out before opset 17.
#include "plan/ops/shapes.h"
#include "plan/passes/pass.h"
#include "plan/passes/rewrite.h"

namespace corolla::plan {
namespace {

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph), uses_(graph) {}

  const Node* maker(ValueId id, std::string_view op) const {
    if (id == kNoValue) return nullptr;
    const int n = uses_.producer[static_cast<size_t>(id)];
    if (n < 0 || graph_.nodes[static_cast<size_t>(n)].op != op) return nullptr;
    return &graph_.nodes[static_cast<size_t>(n)];
  }

  // The mean over the last dimension, kept as 1: of which value? kNoValue: it is none.
  ValueId mean_of(ValueId id) const {
    const Node* node = maker(id, "ReduceMean");
    if (!node || node->attributes.integer("keepdims", 1) == 0 || node->input(1) == kNoValue)
      return kNoValue;
    const Value& axes = graph_.value(node->inputs[1]);
    const size_t rank = graph_.value(node->inputs[0]).shape.size();
    if (!axes.is_constant()) return kNoValue;
    const auto normal = normal_axes(axes.constant.ints(), rank);
    return normal.ok() && normal->size() == 1 && normal->front() == static_cast<int64_t>(rank) - 1
               ? node->inputs[0]
               : kNoValue;
  }

  struct Normal {
    ValueId x;
    float epsilon;
  };

  // (x - mean) / sqrt(mean((x - mean)^2) + epsilon).
  std::optional<Normal> normal_of(const Node& div) const {
    const Node* centred = maker(div.inputs[0], "Sub");
    const Node* root = maker(div.inputs[1], "Sqrt");
    if (!centred || !root || mean_of(centred->inputs[1]) != centred->inputs[0]) return std::nullopt;
    const Node* add = maker(root->inputs[0], "Add");
    if (!add) return std::nullopt;
    for (size_t i = 0; i < 2; ++i) {
      const auto epsilon = scalar_of(graph_, add->inputs[1 - i]);
      const ValueId squares = mean_of(add->inputs[i]);
      if (!epsilon || squares == kNoValue) continue;
      const Node* power = maker(squares, "Pow");
      const Node* product = maker(squares, "Mul");
      const Node* square = power ? power : product;
      if (!square || (power && !is_scalar(graph_, power->inputs[1], 2)) ||
          (product && product->inputs[0] != product->inputs[1]))
        continue;
      const Node* again = maker(square->inputs[0], "Sub");
      if (again && again->inputs[0] == centred->inputs[0] &&
          mean_of(again->inputs[1]) == again->inputs[0])
        return Normal{centred->inputs[0], *epsilon};
    }
    return std::nullopt;
  }

  // The constant [D] that `node` (Mul or Add) combines with `x`; kNoValue: none.
  ValueId partner(const Node& node, ValueId x, int64_t size) const {
    for (size_t i = 0; i < 2; ++i)
      if (node.inputs[i] == x && graph_.value(node.inputs[1 - i]).is_constant() &&
          graph_.value(node.inputs[1 - i]).shape == Shape{size})
        return node.inputs[1 - i];
    return kNoValue;
  }

  const Uses& uses() const { return uses_; }

 private:
  const Graph& graph_;
  Uses uses_;
};

}  // namespace

Status name_layer_norm(Graph& graph, const PassContext&) {
  const Finder find(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& add = graph.nodes[n];
    if (add.op != "Add") continue;
    for (size_t side = 0; side < 2; ++side) {
      const Node* mul = find.maker(add.inputs[side], "Mul");
      if (!mul) continue;
      const int64_t size =
          graph.value(add.outputs[0]).shape.empty() ? 1 : graph.value(add.outputs[0]).shape.back();
      const ValueId beta = find.partner(add, add.inputs[side], size);
      for (size_t i = 0; i < 2 && beta != kNoValue; ++i) {
        const Node* div = find.maker(mul->inputs[i], "Div");
        const ValueId gamma = find.partner(*mul, mul->inputs[i], size);
        if (!div || gamma == kNoValue) continue;
        const auto normal = find.normal_of(*div);
        if (!normal) continue;
        add.op = "LayerNormalization";
        add.inputs = {normal->x, gamma, beta};
        add.attributes.set("axis", int64_t{-1});
        add.attributes.set("epsilon", normal->epsilon);
        break;
      }
      if (add.op != "Add") break;
    }
  }
  return ok();
}

}  // namespace corolla::plan
