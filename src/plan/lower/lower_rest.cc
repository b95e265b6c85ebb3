// Pictures (pools, Resize), rows (Softmax, LayerNormalization, reductions), elementwise arithmetic
// and quantisation.
#include "plan/lower/builder.h"
#include "plan/ops/activation.h"
#include "plan/ops/shapes.h"
#include "plan/ops/window.h"

namespace corolla::plan {
namespace {

Status lower_pool(Builder& b, const Node& node) {
  const Shape& x = b.value(node.inputs[0]).shape;
  if (x.size() != 4) return no_step("it has other than 2 spatial dimensions");
  if (node.outputs.size() > 1) return no_step("it tells where the largest elements are");
  Pool pool;
  pool.kind = node.op == "MaxPool" ? Pool::Kind::kMax : Pool::Kind::kAverage;
  ASSIGN_OR_RETURN(const Window w,
                   window_of(node.attributes, x, node.attributes.integers("kernel_shape")));
  set_window(pool, w);
  pool.count_include_pad = node.attributes.integer("count_include_pad", 0) != 0;
  // In 8 bits where both sides are: the largest of what was quantised is the quantised largest.
  ASSIGN_OR_RETURN(int32_t from, b.read_either(node.inputs[0], Layout::kNhwc));
  int32_t to = -1;
  if (b.tensor(from).dtype == DType::kUint8) {
    to = b.make_either(node.outputs[0]);
    if (b.tensor(to).dtype != DType::kUint8) {
      ASSIGN_OR_RETURN(from, b.read(node.inputs[0], Layout::kNhwc));
    }
  } else {
    to = b.make(node.outputs[0]);
  }
  b.step(node.name, pool, {from}, {to});
  return ok();
}

template <size_t N>
std::optional<size_t> which(const std::string_view (&names)[N], const std::string& name) {
  for (size_t i = 0; i < N; ++i)
    if (names[i] == name) return i;
  return std::nullopt;
}

Status lower_resize(Builder& b, const Node& node) {
  const Shape& x = b.value(node.inputs[0]).shape;
  const Shape& y = b.value(node.outputs[0]).shape;
  if (x.size() != 4 || x[0] != y[0] || x[1] != y[1])
    return no_step("it resizes other than height and width");
  // In the order of Resize::Coordinates and Resize::Rounding.
  constexpr std::string_view kPlaces[] = {"half_pixel", "asymmetric", "align_corners",
                                          "pytorch_half_pixel", "half_pixel_symmetric"};
  constexpr std::string_view kRoundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                             "ceil"};
  const std::string mode = node.attributes.text("mode", "nearest");
  const std::string place = node.attributes.text("coordinate_transformation_mode", "half_pixel");
  const std::string nearest = node.attributes.text("nearest_mode", "round_prefer_floor");
  const auto coordinates = which(kPlaces, place), rounding = which(kRoundings, nearest);
  if (mode != "nearest" && mode != "linear") return no_step("mode '" + mode + "'");
  if (node.attributes.integer("antialias", 0) != 0) return no_step("it is antialiased");
  if (node.attributes.integer("exclude_outside", 0) != 0) return no_step("it excludes the outside");
  if (!coordinates) return no_step("coordinates '" + place + "'");
  if (!rounding) return no_step("nearest_mode '" + nearest + "'");
  if (node.attributes.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    return no_step("it keeps the aspect ratio");
  Resize resize;
  resize.mode = mode == "linear" ? Resize::Mode::kLinear : Resize::Mode::kNearest;
  resize.coordinates = static_cast<Resize::Coordinates>(*coordinates);
  if (mode == "nearest") resize.rounding = static_cast<Resize::Rounding>(*rounding);
  const ValueId scales = node.input(3) == kNoValue ? node.input(2) : kNoValue;
  if (scales != kNoValue && b.value(scales).is_constant() && b.value(scales).constant.count() > 0) {
    // Of height and width: the last two, unless `axes` names others.
    std::vector<int64_t> axes = node.attributes.integers("axes");
    const std::vector<float> given = b.value(scales).constant.floats();
    if (axes.empty()) axes = {0, 1, 2, 3};
    resize.scale_h = resize.scale_w = 1;
    for (size_t i = 0; i < axes.size() && i < given.size(); ++i) {
      const int64_t d = axes[i] < 0 ? axes[i] + 4 : axes[i];
      if (d == 2) resize.scale_h = given[i];
      if (d == 3) resize.scale_w = given[i];
      if (d < 2 && given[i] != 1) return no_step("it resizes other than height and width");
    }
  }
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0], Layout::kNhwc));
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, resize, {from}, {to});
  return ok();
}

Status lower_reduce(Builder& b, const Node& node, Reduce::Kind kind) {
  const Shape& x = b.value(node.inputs[0]).shape;
  Reduce reduce{kind, {}};
  if (node.op.starts_with("Global")) {
    reduce.axes = {2, 3};
  } else if (node.input(1) != kNoValue) {
    if (!b.value(node.inputs[1]).is_constant()) return no_step("its axes are not constant");
    ASSIGN_OR_RETURN(reduce.axes, normal_axes(b.value(node.inputs[1]).constant.ints(), x.size()));
  }
  if (reduce.axes.empty() && node.attributes.integer("noop_with_empty_axes", 0) == 0)
    for (size_t d = 0; d < x.size(); ++d) reduce.axes.push_back(static_cast<int64_t>(d));
  if (reduce.axes.empty()) return no_step("it reduces nothing");
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  Shape kept = x;
  for (const int64_t a : reduce.axes) kept[static_cast<size_t>(a)] = 1;
  const bool same = kept == b.value(node.outputs[0]).shape;
  const int32_t sums =
      same ? b.make(node.outputs[0]) : b.make_temporary(node.name + "/kept", kept, Layout::kPlain);
  b.step(node.name, reduce, {from}, {sums});
  if (!same) {
    const int32_t to = b.make(node.outputs[0]);
    b.step(node.name + "/squeeze", Reshape{}, {sums}, {to});
  }
  return ok();
}

// Over the last dimension; another is brought there and back.
Status lower_softmax(Builder& b, const Node& node) {
  const Shape& x = b.value(node.inputs[0]).shape;
  if (x.empty()) return no_step("it works on a scalar");
  ASSIGN_OR_RETURN(const int64_t axis, normal_axis(node.attributes.integer("axis", -1), x.size()));
  ASSIGN_OR_RETURN(int32_t from, b.read(node.inputs[0]));
  const bool last = static_cast<size_t>(axis) + 1 == x.size();
  Shape perm, turned = x;  // swapped: the way back is the same
  for (size_t d = 0; d < x.size(); ++d) perm.push_back(static_cast<int64_t>(d));
  std::swap(perm[static_cast<size_t>(axis)], perm.back());
  std::swap(turned[static_cast<size_t>(axis)], turned.back());
  if (!last) {
    const int32_t moved = b.make_temporary(node.name + "/last", turned, Layout::kPlain);
    b.step(node.name + "/last", Transpose{perm}, {from}, {moved});
    from = moved;
  }
  // The logarithm of what fp16 cannot hold any more would be infinite.
  if (node.op == "LogSoftmax") {
    PlanTensor wide;
    wide.name = node.name + "/softmax";
    wide.dtype = DType::kFp32;
    wide.shape = turned;
    const int32_t softmax = b.add_tensor(std::move(wide));
    b.step(node.name, Softmax{}, {from}, {softmax});
    from = softmax;
  }
  const int32_t to = last ? b.make(node.outputs[0])
                          : b.make_temporary(node.name + "/turned", turned, Layout::kPlain);
  if (node.op == "LogSoftmax")
    b.step(node.name + "/log", Elementwise{Elementwise::Kind::kLog, {}}, {from}, {to});
  else
    b.step(node.name, Softmax{}, {from}, {to});
  if (last) return ok();
  const int32_t back = b.make(node.outputs[0]);
  b.step(node.name + "/back", Transpose{perm}, {to}, {back});
  return ok();
}

Status lower_layer_norm(Builder& b, const Node& node) {
  const Shape& x = b.value(node.inputs[0]).shape;
  ASSIGN_OR_RETURN(const int64_t axis, normal_axis(node.attributes.integer("axis", -1), x.size()));
  if (axis + 1 != static_cast<int64_t>(x.size()) || node.outputs.size() > 1)
    return no_step("it normalises over several dimensions, or tells their means");
  std::vector<int32_t> inputs;
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  inputs.push_back(from);
  for (size_t i = 1; i < 3; ++i) {
    Tensor numbers = Tensor::of_floats(
        {x.back()}, std::vector<float>(static_cast<size_t>(x.back()), i == 1 ? 1.0f : 0.0f));
    if (node.input(i) != kNoValue) {
      ASSIGN_OR_RETURN(const auto known, b.constant(node.inputs[i]));
      if (!known || known->shape() != Shape{x.back()})
        return no_step("its scale or bias is no constant vector");
      numbers = *known;
    }
    ASSIGN_OR_RETURN(const int32_t w, b.weight(node.name + (i == 1 ? "/gamma" : "/beta"), numbers,
                                               DType::kFp32, Layout::kPlain));
    inputs.push_back(w);
  }
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, LayerNorm{node.attributes.number("epsilon", 1e-5f)}, std::move(inputs), {to});
  return ok();
}

Status lower_group_norm(Builder& b, const Node& node) {
  const int64_t channels = b.value(node.inputs[0]).shape[1];
  GroupNorm norm;
  norm.groups =
      node.op == "InstanceNormalization" ? channels : node.attributes.integer("num_groups", 1);
  norm.epsilon = node.attributes.number("epsilon", 1e-5f);
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0], b.value(node.outputs[0]).layout));
  std::vector<int32_t> inputs = {from};
  for (size_t i = 1; i < 3; ++i) {
    ASSIGN_OR_RETURN(const auto known, b.constant(node.inputs[i]));
    if (!known) return no_step("its scale or bias is not constant");
    ASSIGN_OR_RETURN(const int32_t w, b.weight(node.name + (i == 1 ? "/gamma" : "/beta"), *known,
                                               DType::kFp32, Layout::kPlain));
    inputs.push_back(w);
  }
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, norm, std::move(inputs), {to});
  return ok();
}

Status lower_elementwise(Builder& b, const Node& node) {
  Elementwise step;
  step.kind = elementwise_from_name(node.attributes.text("kind", ""))
                  .value_or(Elementwise::Kind::kIdentity);
  step.epilogue = epilogue_of(node.attributes);
  const Value& out = b.value(node.outputs[0]);
  std::vector<int32_t> inputs;
  for (const ValueId id : node.inputs) {
    ASSIGN_OR_RETURN(const int32_t in, b.read_either(id, out.layout));
    inputs.push_back(in);
  }
  const int32_t to = out.wide ? b.make_wide(node.outputs[0]) : b.make_either(node.outputs[0]);
  b.step(node.name, step, std::move(inputs), {to});
  return ok();
}

}  // namespace

Status lower_picture(Builder& b, const Node& node) {
  if (node.op == "Resize") return lower_resize(b, node);
  if (node.op == "GlobalMaxPool") return lower_reduce(b, node, Reduce::Kind::kMax);
  if (node.op != "GlobalAveragePool") return lower_pool(b, node);
  if (b.value(node.inputs[0]).shape.size() != 4)
    return no_step("it has other than 2 spatial dimensions");
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0], Layout::kNhwc));
  const int32_t to = b.make(node.outputs[0]);
  b.step(node.name, GlobalAveragePool{}, {from}, {to});
  return ok();
}

Status lower_rows(Builder& b, const Node& node) {
  if (node.op == "corolla.Elementwise") return lower_elementwise(b, node);
  if (node.op == "LayerNormalization") return lower_layer_norm(b, node);
  if (node.op == "InstanceNormalization" || node.op == "GroupNormalization")
    return lower_group_norm(b, node);
  if (node.op == "ReduceMean") return lower_reduce(b, node, Reduce::Kind::kMean);
  if (node.op == "ReduceSum") return lower_reduce(b, node, Reduce::Kind::kSum);
  if (node.op == "ReduceMax") return lower_reduce(b, node, Reduce::Kind::kMax);
  if (node.op == "ReduceMin") return lower_reduce(b, node, Reduce::Kind::kMin);
  return lower_softmax(b, node);
}

Status lower_quantisation(Builder& b, const Node& node) {
  if (node.op == "DequantizeLinear") {
    // Its readers take the 8 bits, or ask for the real numbers, which are made then.
    ASSIGN_OR_RETURN(const auto constant, b.constant(node.outputs[0]));
    if (constant) return ok();
    if (!b.quantisation(node))
      return no_step("it has several scales, one that is not above 0, or 16 bits");
    return b.read_quantised(node.outputs[0]) >= 0
               ? ok()
               : Status(no_step("what it reads is not quantised by the model"));
  }
  const auto q = b.quantisation(node);
  if (!q) return no_step("it has several scales, one that is not above 0, or 16 bits");
  ASSIGN_OR_RETURN(const int32_t from, b.read(node.inputs[0]));
  const int32_t to = b.make_quantised(node.outputs[0], b.tensor(from).layout, *q);
  b.step(node.name, Quantize{}, {from}, {to});
  return ok();
}

}  // namespace corolla::plan
