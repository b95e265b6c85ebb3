#include "plan/step_meaning.h"

#include "plan/ops/activation.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

using Source = StepMeaning::Source;
using Kind = Source::Kind;

class Describer {
 public:
  Describer(const Program& program, const Step& step) : program_(program), step_(step) {}

  Result<StepMeaning> run() {
    m_.node.name = step_.name;
    m_.node.outputs = {0};
    RETURN_IF_ERROR(std::visit([this](const auto& op) { return describe(op); }, step_.operation));
    for (size_t i = 0; i < m_.sources.size(); ++i)
      m_.node.inputs.push_back(static_cast<ValueId>(i));
    return std::move(m_);
  }

 private:
  const PlanTensor& in(size_t i) const {
    return program_.tensors[static_cast<size_t>(step_.inputs[i])];
  }
  const PlanTensor& out() const { return program_.tensors[static_cast<size_t>(step_.outputs[0])]; }

  Status inputs(size_t least, size_t most) const {
    if (step_.inputs.size() < least || step_.inputs.size() > most)
      return bad("it has " + std::to_string(step_.inputs.size()) + " inputs");
    return ok();
  }

  Status rank(size_t i, size_t wanted) const {
    if (in(i).shape.size() != wanted)
      return bad("input " + std::to_string(i) + " has shape " + shape_text(in(i).shape));
    return ok();
  }

  Source source(size_t i) const { return {Kind::kInput, i, in(i).shape, {}}; }
  static Source numbers(const std::vector<int64_t>& values) {
    return {Kind::kConstant, 0, {}, Tensor::of_ints(values)};
  }

  void op(std::string name) {
    m_.node.op = std::move(name);
    for (size_t i = 0; i < step_.inputs.size(); ++i) m_.sources.push_back(source(i));
  }

  template <class Window>
  void window(const Window& w) {
    Attributes& a = m_.node.attributes;
    a.set("kernel_shape", std::vector<int64_t>{w.kernel_h, w.kernel_w});
    a.set("strides", std::vector<int64_t>{w.stride_h, w.stride_w});
    a.set("dilations", std::vector<int64_t>{w.dilation_h, w.dilation_w});
    a.set("pads", std::vector<int64_t>{w.pad_top, w.pad_left, w.pad_bottom, w.pad_right});
  }

  static bool is_int8(const PlanTensor& t) {
    return t.dtype == DType::kInt8 || t.dtype == DType::kUint8;
  }

  // w, bias, [residual], [w_scale] after x. `rows`: output channels.
  Status weights(const Epilogue& epilogue, Source w, int64_t rows) {
    const bool int8 = is_int8(in(1));
    const size_t wanted = 3 + (epilogue.residual ? 1 : 0) + (int8 ? 1 : 0);
    RETURN_IF_ERROR(inputs(wanted, wanted));
    if (is_int8(in(0)) != int8) return bad("one of its input and weights has 8 bits");
    if (in(2).dtype != DType::kFp32 || in(2).shape != Shape{in(1).shape[0]})
      return bad("its bias is " + shape_text(in(2).shape));
    if (int8 && (in(wanted - 1).dtype != DType::kFp32 || in(wanted - 1).shape != in(2).shape))
      return bad("its weights' scales are " + shape_text(in(wanted - 1).shape));
    m_.sources.push_back(std::move(w));
    m_.sources.push_back({Kind::kBias, 2, {rows}, {}});
    if (epilogue.residual) m_.sources.push_back({Kind::kInput, 3, out().shape, {}});
    if (epilogue.residual && in(3).shape != out().shape)
      return bad("its residual is " + shape_text(in(3).shape));
    set_epilogue(m_.node.attributes, epilogue);
    return ok();
  }

  Status describe(const Import& import) {
    RETURN_IF_ERROR(inputs(1, 1));
    if (in(0).place != Place::kInput) return bad("it imports what is no input");
    if (import.pixels && out().shape.size() != 4) return bad("pixels need a picture");
    for (const auto* list : {&import.mean, &import.std})
      if (!list->empty() &&
          (out().shape.size() != 4 || static_cast<int64_t>(list->size()) != out().shape[1]))
        return bad("it has " + std::to_string(list->size()) + " means or deviations");
    op("Identity");
    return ok();
  }

  Status describe(const Export&) {
    RETURN_IF_ERROR(inputs(1, 1));
    if (out().place != Place::kOutput) return bad("it exports to what is no output");
    op("Identity");
    return ok();
  }

  Status describe(const Conv& c) {
    RETURN_IF_ERROR(inputs(3, 5));
    RETURN_IF_ERROR(rank(0, 4));
    RETURN_IF_ERROR(rank(1, 4));
    if (out().shape.size() != 4 || in(0).layout != Layout::kNhwc || out().layout != Layout::kNhwc)
      return bad("a convolution reads and writes NHWC");
    const int64_t channels = in(0).shape[1], rows = out().shape[1];
    if (c.groups < 1 || channels % c.groups != 0)
      return bad(std::to_string(channels) + " channels in " + std::to_string(c.groups) + " groups");
    const int64_t own = channels / c.groups;
    const Shape packed = {stored_channels(rows), c.kernel_h, c.kernel_w,
                          c.groups == 1 ? stored_channels(channels) : own};
    if (in(1).shape != packed)
      return bad("its weights are " + shape_text(in(1).shape) + ", not " + shape_text(packed));
    m_.node.op = "corolla.Conv";
    window(c);
    m_.node.attributes.set("group", c.groups);
    m_.sources.push_back(source(0));
    return weights(c.epilogue, {Kind::kConvWeight, 1, {rows, own, c.kernel_h, c.kernel_w}, {}},
                   rows);
  }

  Status describe(const Gemm& g) {
    RETURN_IF_ERROR(inputs(3, 5));
    if (g.m < 0 || g.n < 0 || g.k < 0 || in(1).shape != Shape{g.n, g.k})
      return bad("its weights are " + shape_text(in(1).shape));
    const auto x = element_count(std::vector<int64_t>{g.m, g.k});
    const auto y = element_count(std::vector<int64_t>{g.m, g.n});
    if (!x.ok() || !y.ok() || *x != product(in(0).shape) || *y != product(out().shape))
      return bad("m, n, k are " + std::to_string(g.m) + ", " + std::to_string(g.n) + ", " +
                 std::to_string(g.k));
    if (in(0).layout == Layout::kNhwc && product(in(0).shape) != g.m * in(0).shape[1])
      return bad("a product reads pictures of one pixel only");
    m_.node.op = "corolla.Gemm";
    m_.same_shape = false;
    m_.sources.push_back({Kind::kInput, 0, {g.m, g.k}, {}});
    RETURN_IF_ERROR(weights(g.epilogue, {Kind::kInput, 1, {g.n, g.k}, {}}, g.n));
    if (g.epilogue.residual) m_.sources.back().shape = {g.m, g.n};
    return ok();
  }

  Status describe(const Matmul& m) {
    RETURN_IF_ERROR(inputs(2, 2));
    if (in(0).shape.size() < 2 || in(1).shape.size() < 2) return bad("it multiplies a vector");
    op("MatMul");
    if (m.transpose_b)
      std::swap(*(m_.sources[1].shape.end() - 1), *(m_.sources[1].shape.end() - 2));
    return ok();
  }

  Status describe(const Pool& p) {
    RETURN_IF_ERROR(inputs(1, 1));
    RETURN_IF_ERROR(rank(0, 4));
    op(p.kind == Pool::Kind::kMax ? "MaxPool" : "AveragePool");
    window(p);
    if (out().shape.size() != 4) return bad("a pool makes pictures");
    m_.node.attributes.set("count_include_pad", int64_t{p.count_include_pad});
    // The output's size says whether the last window may hang over.
    if (p.stride_h < 1 || p.stride_w < 1 || p.kernel_h < 1 || p.kernel_w < 1 ||
        p.kernel_h > (1 << 30) || p.dilation_h < 1 || p.dilation_h > (1 << 30) || p.pad_top < 0 ||
        p.pad_top > (1 << 30) || p.pad_bottom < 0 || p.pad_bottom > (1 << 30) ||
        p.kernel_w > (1 << 30) || p.dilation_w < 1 || p.dilation_w > (1 << 30) || p.pad_left < 0 ||
        p.pad_left > (1 << 30) || p.pad_right < 0 || p.pad_right > (1 << 30) ||
        in(0).shape[2] > (1 << 30) || in(0).shape[3] > (1 << 30))
      return bad("its window is out of range");
    const int64_t room_h =
        in(0).shape[2] + p.pad_top + p.pad_bottom - ((p.kernel_h - 1) * p.dilation_h + 1);
    const int64_t room_w =
        in(0).shape[3] + p.pad_left + p.pad_right - ((p.kernel_w - 1) * p.dilation_w + 1);
    if (out().shape[2] > room_h / p.stride_h + 1 || out().shape[3] > room_w / p.stride_w + 1)
      m_.node.attributes.set("ceil_mode", int64_t{1});
    return ok();
  }

  Status describe(const GlobalAveragePool&) {
    RETURN_IF_ERROR(inputs(1, 1));
    op("GlobalAveragePool");
    return ok();
  }

  Status describe(const Softmax&) {
    RETURN_IF_ERROR(inputs(1, 1));
    op("Softmax");
    return ok();
  }

  Status describe(const LayerNorm& n) {
    RETURN_IF_ERROR(inputs(3, 3));
    if (in(0).shape.empty() || in(1).shape != Shape{in(0).shape.back()} ||
        in(2).shape != in(1).shape)
      return bad("its scale is " + shape_text(in(1).shape));
    op("LayerNormalization");
    m_.node.attributes.set("epsilon", n.epsilon);
    return ok();
  }

  Status describe(const Elementwise& e) {
    const size_t wanted = elementwise_inputs(e.kind) + (e.epilogue.residual ? 1 : 0);
    RETURN_IF_ERROR(inputs(wanted, wanted));
    if (e.epilogue.residual) return bad("elementwise steps take no residual");
    for (size_t i = 0; i < step_.inputs.size(); ++i)
      if (in(i).layout != out().layout) return bad("its layouts differ");
    op("corolla.Elementwise");
    m_.node.attributes.set("kind", std::string(elementwise_name(e.kind)));
    set_epilogue(m_.node.attributes, e.epilogue);
    return ok();
  }

  Status describe(const Concat& c) {
    RETURN_IF_ERROR(inputs(1, 100000));
    op("Concat");
    m_.node.attributes.set("axis", c.axis);
    return ok();
  }

  Status describe(const Slice& s) {
    RETURN_IF_ERROR(inputs(1, 1));
    const size_t n = in(0).shape.size();
    if (s.starts.size() != n || s.steps.size() != n || out().shape.size() != n)
      return bad("it has " + std::to_string(s.starts.size()) + " starts");
    std::vector<int64_t> ends, axes;
    for (size_t d = 0; d < n; ++d) {
      const int64_t count = out().shape[d], size = in(0).shape[d];
      if (s.starts[d] < 0 || s.starts[d] > size || s.steps[d] < 1 || s.steps[d] > (1 << 30) ||
          count > size || (count > 0 && s.starts[d] + (count - 1) * s.steps[d] >= size))
        return bad("it reads beyond dimension " + std::to_string(d));
      ends.push_back(count == 0 ? s.starts[d] : s.starts[d] + (count - 1) * s.steps[d] + 1);
      axes.push_back(static_cast<int64_t>(d));
    }
    op("Slice");
    for (const auto& list : {s.starts, ends, axes, s.steps}) m_.sources.push_back(numbers(list));
    return ok();
  }

  Status describe(const Transpose& t) {
    RETURN_IF_ERROR(inputs(1, 1));
    op("Transpose");
    m_.node.attributes.set("perm", t.perm);
    return ok();
  }

  Status describe(const Reshape&) {
    RETURN_IF_ERROR(inputs(1, 1));
    if (in(0).bytes != out().bytes || in(0).dtype != out().dtype)
      return bad("it makes " + std::to_string(out().bytes) + " bytes of " +
                 std::to_string(in(0).bytes));
    op("Identity");
    m_.same_shape = false;
    return ok();
  }

  Status describe(const Pad& p) {
    RETURN_IF_ERROR(inputs(1, 1));
    const size_t n = in(0).shape.size();
    if (p.before.size() != n || p.after.size() != n) return bad("its pads do not fit");
    std::vector<int64_t> pads = p.before;
    pads.insert(pads.end(), p.after.begin(), p.after.end());
    for (const int64_t v : pads)
      if (v < 0 || v > (int64_t{1} << 40)) return bad("a pad is " + std::to_string(v));
    op("Pad");
    m_.sources.push_back(numbers(pads));
    m_.sources.push_back({Kind::kConstant, 0, {}, Tensor::scalar(p.value)});
    return ok();
  }

  Status describe(const Resize& r) {
    RETURN_IF_ERROR(inputs(1, 1));
    RETURN_IF_ERROR(rank(0, 4));
    if (out().shape.size() != 4 || out().shape[0] != in(0).shape[0] ||
        out().shape[1] != in(0).shape[1])
      return bad("it resizes other than height and width");
    op("Resize");
    const Source none = {Kind::kConstant, 0, {}, Tensor::of_floats({0}, {})};
    m_.sources.push_back(none);
    if (r.scale_h == 0 && r.scale_w == 0) {
      m_.sources.push_back(none);
      m_.sources.push_back(numbers(out().shape));
    } else {
      m_.sources.push_back(
          {Kind::kConstant,
           0,
           {},
           Tensor::of_floats({4}, std::vector<float>{1, 1, r.scale_h, r.scale_w})});
    }
    constexpr std::string_view kPlaces[] = {"half_pixel", "asymmetric", "align_corners",
                                            "pytorch_half_pixel", "half_pixel_symmetric"};
    constexpr std::string_view kRoundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                               "ceil"};
    Attributes& a = m_.node.attributes;
    a.set("mode", std::string(r.mode == Resize::Mode::kNearest ? "nearest" : "linear"));
    a.set("coordinate_transformation_mode",
          std::string(kPlaces[static_cast<size_t>(r.coordinates)]));
    a.set("nearest_mode", std::string(kRoundings[static_cast<size_t>(r.rounding)]));
    return ok();
  }

  Status describe(const Reduce& r) {
    RETURN_IF_ERROR(inputs(1, 1));
    constexpr std::string_view kNames[] = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"};
    if (r.axes.empty() || !std::is_sorted(r.axes.begin(), r.axes.end()) || r.axes[0] < 0)
      return bad("its axes are " + shape_text(r.axes));
    op(std::string(kNames[static_cast<size_t>(r.kind)]));
    m_.sources.push_back(numbers(r.axes));
    return ok();
  }

  Status describe(const Gather& g) {
    RETURN_IF_ERROR(inputs(1, 1));
    const auto n = static_cast<int64_t>(in(0).shape.size());
    if (g.axis < 0 || g.axis >= n) return bad("its axis is " + std::to_string(g.axis));
    for (const int64_t i : g.indices)
      if (i < 0 || i >= in(0).shape[static_cast<size_t>(g.axis)])
        return bad("index " + std::to_string(i) + " is out of range");
    op("Gather");
    m_.sources.push_back(numbers(g.indices));
    m_.node.attributes.set("axis", g.axis);
    m_.same_shape = false;
    return ok();
  }

  Status describe(const Expand&) {
    RETURN_IF_ERROR(inputs(1, 1));
    op("Expand");
    m_.sources.push_back(numbers(out().shape));
    return ok();
  }

  Status describe(const GroupNorm& n) {
    RETURN_IF_ERROR(inputs(3, 3));
    if (in(0).layout != out().layout) return bad("its layouts differ");
    op("GroupNormalization");
    m_.node.attributes.set("num_groups", n.groups);
    m_.node.attributes.set("epsilon", n.epsilon);
    return ok();
  }

  Status describe(const TopK& t) {
    RETURN_IF_ERROR(inputs(1, 1));
    if (in(0).layout != Layout::kPlain || out().layout != Layout::kPlain)
      return bad("it is of pictures");
    if (t.indices != (out().dtype == DType::kInt64)) return bad("its output is of a wrong type");
    op("TopK");
    m_.sources.push_back(numbers({t.k}));
    m_.node.attributes.set("axis", t.axis);
    m_.node.attributes.set("largest", int64_t{t.largest});
    m_.node.outputs = {0, 1};
    return ok();
  }

  Status describe(const Quantize&) {
    RETURN_IF_ERROR(inputs(1, 1));
    if (!is_int8(out())) return bad("it makes no 8 bits");
    op("Identity");
    return ok();
  }

  Status describe(const Dequantize&) {
    RETURN_IF_ERROR(inputs(1, 1));
    if (!is_int8(in(0))) return bad("it reads no 8 bits");
    op("Identity");
    return ok();
  }

  const Program& program_;
  const Step& step_;
  StepMeaning m_;
};

}  // namespace

Result<StepMeaning> meaning_of(const Program& program, const Step& step) {
  return Describer(program, step).run();
}

}  // namespace corolla::plan
