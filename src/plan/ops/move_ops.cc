// Operators that put elements elsewhere: Transpose, Concat, Split, Slice, Pad, DepthToSpace,
// SpaceToDepth. Bytes are copied, whatever their type.
#include <cstring>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

// output[i] = input[offset + sum of i * strides].
void pick(const Tensor& input, Tensor& output, int64_t offset, std::vector<int64_t> strides) {
  const size_t size = dtype_size(output.dtype());
  const std::byte* from = input.bytes().data() + offset * static_cast<int64_t>(size);
  std::byte* to = output.writable().data();
  walk<1>(output.shape(), {std::move(strides)}, [&](int64_t, const std::array<int64_t, 1>& at) {
    std::memcpy(to, from + at[0] * static_cast<int64_t>(size), size);
    to += size;
  });
}

Result<std::vector<int64_t>> permutation(const Call& call) {
  const auto rank = static_cast<int64_t>(call.shape(0).size());
  std::vector<int64_t> perm(call.shape(0).size());
  for (int64_t d = 0; d < rank; ++d) perm[static_cast<size_t>(d)] = rank - 1 - d;
  perm = call.attributes().integers("perm", perm);
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool good = sorted.size() == call.shape(0).size();
  for (size_t d = 0; d < sorted.size() && good; ++d) good = sorted[d] == static_cast<int64_t>(d);
  if (!good)
    return bad("perm " + shape_text(perm) + " does not permute the dimensions of " +
               shape_text(call.shape(0)));
  return perm;
}

Result<std::vector<Type>> infer_transpose(const Call& call) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> perm, permutation(call));
  Shape shape;
  for (const int64_t d : perm) shape.push_back(call.shape(0)[static_cast<size_t>(d)]);
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Status run_transpose(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> perm, permutation(call));
  const std::vector<int64_t> own = strides_of(call.shape(0));
  std::vector<int64_t> strides;
  for (const int64_t d : perm) strides.push_back(own[static_cast<size_t>(d)]);
  pick(call.value(0), outputs[0], 0, std::move(strides));
  return ok();
}

Result<std::vector<Type>> infer_concat(const Call& call) {
  Shape shape = call.shape(0);
  ASSIGN_OR_RETURN(const int64_t axis,
                   normal_axis(call.attributes().integer("axis", 1), shape.size()));
  const auto a = static_cast<size_t>(axis);
  for (size_t i = 1; i < call.inputs(); ++i) {
    if (!call.has(i) || call.dtype(i) != call.dtype(0))
      return bad("input " + std::to_string(i) + " is missing or of another type");
    Shape other = call.shape(i);
    if (other.size() == shape.size() && !__builtin_add_overflow(shape[a], other[a], &shape[a])) {
      other[a] = shape[a];
      if (other == shape) continue;
    }
    return bad("shapes " + shape_text(call.shape(0)) + " and " + shape_text(call.shape(i)) +
               " cannot be put together along axis " + std::to_string(axis));
  }
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Status run_concat(const Call& call, std::span<Tensor> outputs) {
  const auto a =
      static_cast<size_t>(*normal_axis(call.attributes().integer("axis", 1), call.shape(0).size()));
  const int64_t outer = product(std::span(call.shape(0)).first(a));
  std::byte* to = outputs[0].writable().data();
  for (int64_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < call.inputs(); ++i) {
      const auto bytes = call.value(i).bytes();
      const size_t run = bytes.size() / static_cast<size_t>(outer);
      if (run > 0) std::memcpy(to, bytes.data() + static_cast<size_t>(o) * run, run);
      to += run;
    }
  return ok();
}

// How long each part is. Equal parts but the last, where no lengths are given.
Result<std::vector<int64_t>> split_lengths(const Call& call, int64_t size) {
  const auto parts = static_cast<int64_t>(call.node().outputs.size());
  if (call.has(1)) {
    if (call.known(1) == nullptr)
      return Error{Code::kUnsupported, "its lengths depend on the data"};
    std::vector<int64_t> lengths = call.value(1).ints();
    int64_t sum = 0;
    for (const int64_t n : lengths)
      if (n < 0 || __builtin_add_overflow(sum, n, &sum)) return bad("its lengths are out of range");
    if (sum != size || static_cast<int64_t>(lengths.size()) != parts)
      return bad("lengths " + shape_text(lengths) + " for " + std::to_string(size) +
                 " elements in " + std::to_string(parts) + " parts");
    return lengths;
  }
  const int64_t declared = call.attributes().integer("num_outputs", parts);
  if (declared != parts || parts == 0) return bad("num_outputs is " + std::to_string(declared));
  const int64_t length = (size + parts - 1) / parts;
  std::vector<int64_t> lengths(static_cast<size_t>(parts), length);
  lengths.back() = size - length * (parts - 1);
  if (lengths.back() < 0)
    return bad(std::to_string(size) + " elements in " + std::to_string(parts) + " parts");
  return lengths;
}

Result<std::vector<Type>> infer_split(const Call& call) {
  Shape shape = call.shape(0);
  ASSIGN_OR_RETURN(const int64_t axis,
                   normal_axis(call.attributes().integer("axis", 0), shape.size()));
  const auto a = static_cast<size_t>(axis);
  ASSIGN_OR_RETURN(const std::vector<int64_t> lengths, split_lengths(call, shape[a]));
  std::vector<Type> types;
  for (const int64_t n : lengths) {
    shape[a] = n;
    types.push_back({call.dtype(0), shape});
  }
  return types;
}

Status run_split(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  const auto a = static_cast<size_t>(*normal_axis(call.attributes().integer("axis", 0), x.size()));
  const std::vector<int64_t> strides = strides_of(x);
  int64_t begin = 0;
  for (Tensor& output : outputs) {
    pick(call.value(0), output, begin * strides[a], strides);
    begin += output.shape()[a];
  }
  return ok();
}

struct SliceRange {
  Shape begin, step, count;  // one entry a dimension
};

Result<SliceRange> slice_range(const Call& call) {
  const Shape& x = call.shape(0);
  SliceRange range{Shape(x.size(), 0), Shape(x.size(), 1), x};
  std::vector<int64_t> given[4];  // starts, ends, axes, steps
  for (size_t i = 0; i < 4; ++i) {
    if (!call.has(i + 1)) continue;
    if (call.known(i + 1) == nullptr)
      return Error{Code::kUnsupported, "its bounds depend on the data"};
    given[i] = call.value(i + 1).ints();
  }
  const size_t n = given[0].size();
  if (!call.has(3))
    for (size_t i = 0; i < n; ++i) given[2].push_back(static_cast<int64_t>(i));
  if (!call.has(4)) given[3].assign(n, 1);
  if (given[1].size() != n || given[2].size() != n || given[3].size() != n)
    return bad("its starts, ends, axes and steps are not equally many");
  RETURN_IF_ERROR(normal_axes(given[2], x.size()));
  for (size_t i = 0; i < n; ++i) {
    const auto d = static_cast<size_t>(*normal_axis(given[2][i], x.size()));
    const int64_t size = x[d], step = given[3][i];
    if (step == 0 || step == INT64_MIN) return bad("a step is " + std::to_string(step));
    const auto place = [&](int64_t v, int64_t low, int64_t high) {
      return std::clamp(v < 0 ? v + size : v, low, high);
    };
    const int64_t begin = step > 0 ? place(given[0][i], 0, size) : place(given[0][i], -1, size - 1);
    const int64_t end = step > 0 ? place(given[1][i], 0, size) : place(given[1][i], -1, size - 1);
    const int64_t length = step > 0 ? end - begin : begin - end;
    const int64_t stride = step > 0 ? step : -step;
    range.begin[d] = begin;
    range.step[d] = step;
    range.count[d] = length <= 0 ? 0 : (length - 1) / stride + 1;
  }
  return range;
}

Result<std::vector<Type>> infer_slice(const Call& call) {
  ASSIGN_OR_RETURN(const SliceRange range, slice_range(call));
  return std::vector{Type{call.dtype(0), range.count}};
}

Status run_slice(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(const SliceRange range, slice_range(call));
  if (outputs[0].count() == 0) return ok();
  std::vector<int64_t> strides = strides_of(call.shape(0));
  int64_t offset = 0;
  for (size_t d = 0; d < strides.size(); ++d) {
    offset += range.begin[d] * strides[d];
    // A step that is never taken may be too large to multiply.
    strides[d] = range.count[d] > 1 ? strides[d] * range.step[d] : 0;
  }
  pick(call.value(0), outputs[0], offset, std::move(strides));
  return ok();
}

struct PadRange {
  Shape before, after;
};

Result<PadRange> pad_range(const Call& call) {
  const Shape& x = call.shape(0);
  if (call.known(1) == nullptr) return Error{Code::kUnsupported, "its pads depend on the data"};
  const std::vector<int64_t> pads = call.value(1).ints();
  std::vector<int64_t> axes;
  if (call.has(3)) {
    if (call.known(3) == nullptr) return Error{Code::kUnsupported, "its axes depend on the data"};
    axes = call.value(3).ints();
  } else {
    for (size_t d = 0; d < x.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  }
  RETURN_IF_ERROR(normal_axes(axes, x.size()));
  if (pads.size() != 2 * axes.size())
    return bad(std::to_string(pads.size()) + " pads for " + std::to_string(axes.size()) + " axes");
  PadRange range{Shape(x.size(), 0), Shape(x.size(), 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto d = static_cast<size_t>(*normal_axis(axes[i], x.size()));
    range.before[d] = pads[i];
    range.after[d] = pads[i + axes.size()];
    constexpr int64_t kMost = int64_t{1} << 40;
    if (std::max(std::abs(pads[i] / 2), std::abs(pads[i + axes.size()] / 2)) > kMost)
      return bad("its pads are out of range");
  }
  return range;
}

Result<std::vector<Type>> infer_pad(const Call& call) {
  ASSIGN_OR_RETURN(const PadRange range, pad_range(call));
  Shape shape = call.shape(0);
  const std::string mode = call.attributes().text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    return bad("mode '" + mode + "' is unknown");
  for (size_t d = 0; d < shape.size(); ++d) {
    if (mode != "constant" && shape[d] == 0 && range.before[d] + range.after[d] > 0)
      return bad("there is nothing in " + shape_text(shape) + " to pad with");
    shape[d] += range.before[d] + range.after[d];
    if (shape[d] < 0) return bad("it cuts off more than there is of " + shape_text(call.shape(0)));
  }
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

// Where place x of a dimension of `size` comes from; -1: the constant.
int64_t pad_source(std::string_view mode, int64_t x, int64_t size) {
  if (x >= 0 && x < size) return x;
  if (mode == "constant") return -1;
  if (mode == "edge") return std::clamp<int64_t>(x, 0, size - 1);
  const int64_t period = mode == "wrap" ? size : std::max<int64_t>(2 * (size - 1), 1);
  x = ((x % period) + period) % period;
  return x < size ? x : period - x;
}

Status run_pad(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(const PadRange range, pad_range(call));
  const std::string mode = call.attributes().text("mode", "constant");
  const size_t size = dtype_size(outputs[0].dtype());
  std::vector<std::byte> filler(size);
  if (call.has(2)) {
    if (call.value(2).count() != 1 || call.dtype(2) != call.dtype(0))
      return bad("its constant must be one element of the input's type");
    std::memcpy(filler.data(), call.value(2).bytes().data(), size);
  }
  const Shape& x = call.shape(0);
  const Shape& y = outputs[0].shape();
  const std::vector<int64_t> own = strides_of(x);
  std::byte* to = outputs[0].writable().data();
  const std::byte* from = call.value(0).bytes().data();
  for (int64_t i = 0, count = outputs[0].count(); i < count; ++i, to += size) {
    int64_t rest = i, at = 0;
    bool inside = true;
    for (size_t d = y.size(); d-- > 0; rest /= y[d]) {
      const int64_t source = pad_source(mode, rest % y[d] - range.before[d], x[d]);
      inside = inside && source >= 0;
      at += source * own[d];
    }
    std::memcpy(to, inside ? from + at * static_cast<int64_t>(size) : filler.data(), size);
  }
  return ok();
}

Result<std::vector<Type>> infer_blocks(const Call& call) {
  const Shape& x = call.shape(0);
  const int64_t b = call.attributes().integer("blocksize", 0);
  if (x.size() != 4 || b < 1 || b > (1 << 15))
    return bad("blocksize " + std::to_string(b) + " for " + shape_text(x));
  const bool to_space = call.node().op == "DepthToSpace";
  if (to_space ? x[1] % (b * b) != 0 : x[2] % b != 0 || x[3] % b != 0)
    return bad("blocksize " + std::to_string(b) + " does not divide " + shape_text(x));
  if (to_space) return std::vector{Type{call.dtype(0), {x[0], x[1] / (b * b), x[2] * b, x[3] * b}}};
  return std::vector{Type{call.dtype(0), {x[0], x[1] * b * b, x[2] / b, x[3] / b}}};
}

Status run_blocks(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  const int64_t b = call.attributes().integer("blocksize", 1);
  Shape six;
  std::vector<int64_t> perm;
  if (call.node().op == "SpaceToDepth") {
    six = {x[0], x[1], x[2] / b, b, x[3] / b, b};
    perm = {0, 3, 5, 1, 2, 4};
  } else if (call.attributes().text("mode", "DCR") == "CRD") {
    six = {x[0], x[1] / (b * b), b, b, x[2], x[3]};
    perm = {0, 1, 4, 2, 5, 3};
  } else {
    six = {x[0], b, b, x[1] / (b * b), x[2], x[3]};
    perm = {0, 3, 4, 1, 5, 2};
  }
  const std::vector<int64_t> own = strides_of(six);
  Shape turned;
  std::vector<int64_t> strides;
  for (const int64_t d : perm) {
    turned.push_back(six[static_cast<size_t>(d)]);
    strides.push_back(own[static_cast<size_t>(d)]);
  }
  const Shape shape = outputs[0].shape();
  Tensor as_six = outputs[0].reshaped(turned);
  pick(call.value(0), as_six, 0, std::move(strides));
  outputs[0] = as_six.reshaped(shape);
  return ok();
}

constexpr Op kOps[] = {{"Transpose", 1, 1, infer_transpose, run_transpose},
                       {"Concat", 1, 10000, infer_concat, run_concat},
                       {"Split", 1, 2, infer_split, run_split},
                       {"Slice", 3, 5, infer_slice, run_slice},
                       {"Pad", 2, 4, infer_pad, run_pad},
                       {"DepthToSpace", 1, 1, infer_blocks, run_blocks},
                       {"SpaceToDepth", 1, 1, infer_blocks, run_blocks}};

}  // namespace

std::span<const Op> move_ops() { return kOps; }

}  // namespace corolla::plan
