// Reshape, Transpose, Relayout, Concat, Split, Slice, Pad, Gather, Expand, Cast.
#include "plan/lower/builder.h"
#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

Shape identity(size_t rank) {
  Shape perm(rank);
  for (size_t d = 0; d < rank; ++d) perm[d] = static_cast<int64_t>(d);
  return perm;
}

Status change_layout(Builder& b, const std::string& name, int32_t from, int32_t to) {
  // One pixel, or one channel of... eight: the bytes are the same.
  const Shape& shape = b.tensor(from).shape;
  if (shape[1] % kChannelMultiple == 0 && shape[2] * shape[3] == 1)
    b.step(name, Reshape{}, {from}, {to});
  else
    b.step(name, Transpose{identity(4)}, {from}, {to});
  return ok();
}

Status lower_relayout(Builder& b, const Node& node) {
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  return change_layout(b, node.name, from, b.make(node.outputs[0]));
}

Status lower_reshape(Builder& b, const Node& node) {
  ASSIGN_OR_RETURN(int32_t from, b.read(node.inputs[0]));
  if (b.tensor(from).layout == Layout::kNhwc) {
    const int32_t plain =
        b.make_temporary(node.name + "/plain", b.tensor(from).shape, Layout::kPlain);
    RETURN_IF_ERROR(change_layout(b, node.name + "/plain", from, plain));
    from = plain;
  }
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, Reshape{}, {from}, {to});
  return ok();
}

Status lower_transpose(Builder& b, const Node& node) {
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const int32_t to = b.make(node.outputs[0]);
  Shape perm = identity(b.tensor(from).shape.size());
  std::reverse(perm.begin(), perm.end());
  perm = node.attributes.integers("perm", perm);
  const PlanTensor& x = b.tensor(from);
  const PlanTensor& y = b.tensor(to);
  // [N,H,W,C] is how NHWC lies, if no channels pad it.
  const bool leaves = x.layout == Layout::kNhwc && y.layout == Layout::kPlain &&
                      perm == Shape{0, 2, 3, 1} && x.shape[1] % kChannelMultiple == 0;
  const bool enters = x.layout == Layout::kPlain && y.layout == Layout::kNhwc &&
                      perm == Shape{0, 3, 1, 2} && y.shape[1] % kChannelMultiple == 0;
  if (leaves || enters)
    b.step(node.name, Reshape{}, {from}, {to});
  else
    b.step(node.name, Transpose{perm}, {from}, {to});
  return ok();
}

Status lower_concat(Builder& b, const Node& node) {
  const Value& out = b.value(node.outputs[0]);
  std::vector<int32_t> inputs;
  for (const ValueId id : node.inputs) {
    ASSIGN_OR_RETURN(const int32_t in, b.read(id, out.layout));
    inputs.push_back(in);
  }
  const auto axis = normal_axis(node.attributes.integer("axis", 1), out.shape.size());
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, Concat{*axis}, std::move(inputs), {to});
  return ok();
}

Status lower_split(Builder& b, const Node& node) {
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const Shape& shape = b.value(node.inputs[0]).shape;
  const auto axis =
      static_cast<size_t>(*normal_axis(node.attributes.integer("axis", 0), shape.size()));
  int64_t begin = 0;
  for (const ValueId id : node.outputs) {
    Slice slice{Shape(shape.size(), 0), Shape(shape.size(), 1)};
    slice.starts[axis] = begin;
    if (id == kNoValue) return no_step("one of its outputs is left out");
    begin += b.value(id).shape[axis];
    const int32_t to = b.make(id);
    b.step(node.name, slice, {from}, {to});
  }
  return ok();
}

Status lower_slice(Builder& b, const Node& node) {
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const Shape& shape = b.value(node.inputs[0]).shape;
  Slice slice{Shape(shape.size(), 0), Shape(shape.size(), 1)};
  std::vector<int64_t> given[4];  // starts, ends, axes, steps
  for (size_t i = 0; i < 4; ++i) {
    if (node.input(i + 1) == kNoValue) continue;
    const Value& v = b.value(node.inputs[i + 1]);
    if (!v.is_constant()) return no_step("its bounds are not constant");
    given[i] = v.constant.ints();
  }
  for (size_t i = 0; i < given[0].size(); ++i) {
    const int64_t axis = given[2].empty() ? static_cast<int64_t>(i) : given[2][i];
    const auto d = static_cast<size_t>(*normal_axis(axis, shape.size()));
    const int64_t step = given[3].empty() ? 1 : given[3][i];
    if (step < 1) return no_step("it steps backwards");
    const int64_t start = given[0][i] < 0 ? given[0][i] + shape[d] : given[0][i];
    slice.starts[d] = std::clamp<int64_t>(start, 0, shape[d]);
    slice.steps[d] = step;
  }
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, slice, {from}, {to});
  return ok();
}

Status lower_pad(Builder& b, const Node& node) {
  if (node.attributes.text("mode", "constant") != "constant")
    return no_step("it pads by other than a constant");
  const Value& pads = b.value(node.inputs[1]);
  if (!pads.is_constant() || node.input(3) != kNoValue) return no_step("its pads are not constant");
  Pad pad;
  const std::vector<int64_t> numbers = pads.constant.ints();
  pad.before.assign(numbers.begin(),
                    numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2));
  pad.after.assign(numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2),
                   numbers.end());
  for (const int64_t n : numbers)
    if (n < 0) return no_step("its pads are negative");
  if (node.input(2) != kNoValue) {
    const Value& filler = b.value(node.inputs[2]);
    if (!filler.is_constant()) return no_step("its value is not constant");
    pad.value = filler.constant.floats()[0];
  }
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, pad, {from}, {to});
  return ok();
}

Status lower_gather(Builder& b, const Node& node) {
  const Value& which = b.value(node.inputs[1]);
  const Shape& shape = b.value(node.inputs[0]).shape;
  if (!which.is_constant() || which.shape.size() > 1)
    return no_step("its indices are no constant list");
  Gather gather;
  gather.axis = *normal_axis(node.attributes.integer("axis", 0), shape.size());
  for (const int64_t i : which.constant.ints()) {
    const int64_t size = shape[static_cast<size_t>(gather.axis)];
    if (i < -size || i >= size) return no_step("index " + std::to_string(i) + " is out of range");
    gather.indices.push_back(i < 0 ? i + size : i);
  }
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, gather, {from}, {to});
  return ok();
}

// Between floats: everything is of the compute type anyway.
Status lower_cast(Builder& b, const Node& node) {
  if (!is_float(b.value(node.inputs[0]).dtype) || !is_float(b.value(node.outputs[0]).dtype))
    return no_step("it casts " + std::string(dtype_name(b.value(node.inputs[0]).dtype)) + " to " +
                   std::string(dtype_name(b.value(node.outputs[0]).dtype)));
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  b.set(node.outputs[0], from);
  return ok();
}

Status lower_expand(Builder& b, const Node& node) {
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, Expand{}, {from}, {to});
  return ok();
}

}  // namespace

Status lower_shape(Builder& b, const Node& node) {
  if (node.op == "corolla.Relayout") return lower_relayout(b, node);
  if (node.op == "Reshape" || node.op == "Flatten" || node.op == "Squeeze" ||
      node.op == "Unsqueeze" || node.op == "Identity")
    return lower_reshape(b, node);
  if (node.op == "Transpose") return lower_transpose(b, node);
  if (node.op == "Concat") return lower_concat(b, node);
  if (node.op == "Split") return lower_split(b, node);
  if (node.op == "Slice") return lower_slice(b, node);
  if (node.op == "Pad") return lower_pad(b, node);
  if (node.op == "Gather") return lower_gather(b, node);
  if (node.op == "Cast" || node.op == "CastLike") return lower_cast(b, node);
  return lower_expand(b, node);
}

}  // namespace corolla::plan
