// TopK, ArgMax, ArgMin: the last are the places of a TopK of one.
#include "plan/lower/builder.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

bool is_wanted(const Builder& b, const Node& node, size_t output) {
  if (node.outputs.size() <= output || node.outputs[output] == kNoValue) return false;
  const auto id = static_cast<size_t>(node.outputs[output]);
  return !b.uses().consumers[id].empty() || b.uses().is_output[id];
}

Status lower_arg(Builder& b, const Node& node) {
  const Shape& x = b.value(node.inputs[0]).shape;
  if (x.empty()) return no_step("it works on a scalar");
  if (node.attributes.integer("select_last_index", 0) != 0)
    return no_step("it takes the last of equal elements");
  TopK top;
  ASSIGN_OR_RETURN(top.axis, normal_axis(node.attributes.integer("axis", 0), x.size()));
  top.largest = node.op == "ArgMax";
  top.indices = true;
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const int32_t to = b.make_places(node.outputs[0]);
  if (b.tensor(to).shape.size() == x.size()) {
    b.step(node.name, top, {from}, {to});
    return ok();
  }
  PlanTensor kept = b.tensor(to);
  kept.name = node.name + "/kept";
  kept.shape = x;
  kept.shape[static_cast<size_t>(top.axis)] = 1;
  const int32_t found = b.add_tensor(std::move(kept));
  b.step(node.name, top, {from}, {found});
  b.step(node.name + "/squeeze", Reshape{}, {found}, {to});
  return ok();
}

}  // namespace

Status lower_search(Builder& b, const Node& node) {
  if (node.op != "TopK") return lower_arg(b, node);
  const Shape& x = b.value(node.inputs[0]).shape;
  if (x.empty()) return no_step("it works on a scalar");
  TopK top;
  ASSIGN_OR_RETURN(top.axis, normal_axis(node.attributes.integer("axis", -1), x.size()));
  top.largest = node.attributes.integer("largest", 1) != 0;
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  for (const bool indices : {false, true}) {
    if (!is_wanted(b, node, indices ? 1 : 0)) continue;
    const ValueId id = node.outputs[indices ? 1 : 0];
    top.indices = indices;
    top.k = b.value(id).shape[static_cast<size_t>(top.axis)];
    const int32_t to = indices ? b.make_places(id) : b.make(id);
    b.step(node.name, top, {from}, {to});
  }
  return ok();
}

}  // namespace corolla::plan
