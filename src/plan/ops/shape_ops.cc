// Operators that change or make shapes and leave the elements as they are.
#include <cmath>
#include <cstring>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

// The values of input `i`, which the output's shape depends on.
Result<std::vector<int64_t>> shape_input(const Call& call, size_t i, const char* what) {
  const Tensor* tensor = call.known(i);
  if (tensor == nullptr)
    return Error{Code::kUnsupported, std::string("its ") + what +
                                         " depends on the data; only shapes that follow from the "
                                         "model and the batch size are supported"};
  if (tensor->shape().size() > 1)
    return bad(std::string("its ") + what + " has shape " + shape_text(tensor->shape()));
  return tensor->ints();
}

Status copy(const Call& call, std::span<Tensor> outputs) {
  const auto from = call.value(0).bytes();
  if (!from.empty()) std::memcpy(outputs[0].writable().data(), from.data(), from.size());
  return ok();
}

Result<std::vector<Type>> same(const Call& call) { return std::vector{call.type(0)}; }

Result<std::vector<Type>> with_shape(const Call& call, Shape shape) {
  ASSIGN_OR_RETURN(const int64_t wanted, element_count(shape));
  if (wanted != product(call.shape(0)))
    return bad("shape " + shape_text(call.shape(0)) + " cannot become " + shape_text(shape));
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Result<std::vector<Type>> infer_reshape(const Call& call) {
  ASSIGN_OR_RETURN(Shape shape, shape_input(call, 1, "shape"));
  const Shape& x = call.shape(0);
  const bool allow_zero = call.attributes().integer("allowzero", 0) != 0;
  int64_t known = 1;
  size_t open = shape.size();
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0 && !allow_zero) {
      if (d >= x.size())
        return bad("shape " + shape_text(shape) + " copies a dimension that is not there");
      shape[d] = x[d];
    }
    if (shape[d] == -1 && open == shape.size())
      open = d;
    else if (shape[d] < 0 || __builtin_mul_overflow(known, shape[d], &known))
      return bad("shape " + shape_text(shape) + " is out of range");
  }
  if (open < shape.size()) {
    if (known == 0 || product(x) % known != 0)
      return bad("shape " + shape_text(x) + " cannot become " + shape_text(shape));
    shape[open] = product(x) / known;
  }
  return with_shape(call, std::move(shape));
}

Result<std::vector<Type>> infer_flatten(const Call& call) {
  const Shape& x = call.shape(0);
  int64_t axis = call.attributes().integer("axis", 1);
  const auto rank = static_cast<int64_t>(x.size());
  if (axis < -rank || axis > rank)
    return bad("axis " + std::to_string(axis) + " of " + shape_text(x));
  if (axis < 0) axis += rank;
  return with_shape(call, {product(std::span(x).first(static_cast<size_t>(axis))),
                           product(std::span(x).subspan(static_cast<size_t>(axis)))});
}

Result<std::vector<Type>> infer_squeeze(const Call& call) {
  const Shape& x = call.shape(0);
  Shape out;
  if (!call.has(1)) {
    std::copy_if(x.begin(), x.end(), std::back_inserter(out), [](int64_t d) { return d != 1; });
    return with_shape(call, std::move(out));
  }
  ASSIGN_OR_RETURN(const std::vector<int64_t> given, shape_input(call, 1, "list of axes"));
  ASSIGN_OR_RETURN(const std::vector<int64_t> axes, normal_axes(given, x.size()));
  for (size_t d = 0; d < x.size(); ++d) {
    if (!std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(d)))
      out.push_back(x[d]);
    else if (x[d] != 1)
      return bad("dimension " + std::to_string(d) + " of " + shape_text(x) + " is not 1");
  }
  return with_shape(call, std::move(out));
}

Result<std::vector<Type>> infer_unsqueeze(const Call& call) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> given, shape_input(call, 1, "list of axes"));
  const Shape& x = call.shape(0);
  ASSIGN_OR_RETURN(const std::vector<int64_t> axes, normal_axes(given, x.size() + given.size()));
  Shape out = x;
  for (const int64_t axis : axes) out.insert(out.begin() + axis, 1);
  return with_shape(call, std::move(out));
}

Result<std::vector<Type>> infer_shape(const Call& call) {
  const auto rank = static_cast<int64_t>(call.shape(0).size());
  const auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t begin = clamp(call.attributes().integer("start", 0));
  const int64_t end = clamp(call.attributes().integer("end", rank));
  return std::vector{Type{DType::kInt64, {std::max<int64_t>(end - begin, 0)}}};
}

Status run_shape(const Call& call, std::span<Tensor> outputs) {
  const auto rank = static_cast<int64_t>(call.shape(0).size());
  const int64_t start = call.attributes().integer("start", 0);
  const int64_t begin = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
  const auto out = outputs[0].writable_as<int64_t>();
  std::copy_n(call.shape(0).begin() + begin, out.size(), out.begin());
  return ok();
}

Result<std::vector<Type>> infer_size(const Call&) { return std::vector{Type{DType::kInt64, {}}}; }

Status run_size(const Call& call, std::span<Tensor> outputs) {
  outputs[0].writable_as<int64_t>()[0] = product(call.shape(0));
  return ok();
}

Result<std::vector<Type>> infer_constant(const Call& call) {
  const Tensor* value = call.attributes().tensor("value");
  if (value == nullptr) return bad("it has no value of a kind that is supported");
  return std::vector{Type{value->dtype(), value->shape()}};
}

Status run_constant(const Call& call, std::span<Tensor> outputs) {
  outputs[0] = *call.attributes().tensor("value");
  return ok();
}

Result<std::vector<Type>> infer_constant_of_shape(const Call& call) {
  ASSIGN_OR_RETURN(Shape shape, shape_input(call, 0, "shape"));
  const Tensor* value = call.attributes().tensor("value");
  if (value != nullptr && value->count() != 1) return bad("its value is no scalar");
  return std::vector{Type{value ? value->dtype() : DType::kFp32, std::move(shape)}};
}

Status run_constant_of_shape(const Call& call, std::span<Tensor> outputs) {
  const Tensor* value = call.attributes().tensor("value");
  const auto out = outputs[0].writable();
  const size_t size = dtype_size(outputs[0].dtype());
  if (value != nullptr)
    for (size_t i = 0; i < out.size(); i += size)
      std::memcpy(out.data() + i, value->bytes().data(), size);
  return ok();
}

Result<std::vector<Type>> infer_expand(const Call& call) {
  ASSIGN_OR_RETURN(const Shape wish, shape_input(call, 1, "shape"));
  ASSIGN_OR_RETURN(Shape shape, broadcast(call.shape(0), wish));
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

// Copies element by element what `strides` reads of the input.
void gather_elements(const Call& call, Tensor& output, std::vector<int64_t> strides) {
  const size_t size = dtype_size(output.dtype());
  const std::byte* from = call.value(0).bytes().data();
  std::byte* to = output.writable().data();
  walk<1>(output.shape(), {std::move(strides)}, [&](int64_t, const std::array<int64_t, 1>& at) {
    std::memcpy(to, from + static_cast<size_t>(at[0]) * size, size);
    to += size;
  });
}

Status run_expand(const Call& call, std::span<Tensor> outputs) {
  gather_elements(call, outputs[0], broadcast_strides(call.shape(0), outputs[0].shape()));
  return ok();
}

Result<std::vector<Type>> infer_tile(const Call& call) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> repeats, shape_input(call, 1, "list of repeats"));
  Shape shape = call.shape(0);
  if (repeats.size() != shape.size())
    return bad("repeats " + shape_text(repeats) + " for " + shape_text(shape));
  for (size_t d = 0; d < shape.size(); ++d)
    if (repeats[d] < 0 || __builtin_mul_overflow(shape[d], repeats[d], &shape[d]))
      return bad("repeats " + shape_text(repeats) + " are out of range");
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Status run_tile(const Call& call, std::span<Tensor> outputs) {
  // As [repeat, dimension] pairs, of which the repeats have stride 0.
  const std::vector<int64_t> repeats = call.value(1).ints(), own = strides_of(call.shape(0));
  Shape pairs;
  std::vector<int64_t> strides;
  for (size_t d = 0; d < repeats.size(); ++d) {
    pairs.insert(pairs.end(), {repeats[d], call.shape(0)[d]});
    strides.insert(strides.end(), {0, own[d]});
  }
  const Shape shape = outputs[0].shape();
  Tensor paired = outputs[0].reshaped(pairs);
  gather_elements(call, paired, std::move(strides));
  outputs[0] = paired.reshaped(shape);
  return ok();
}

Result<int64_t> range_count(const Call& call) {
  for (size_t i = 0; i < 3; ++i) {
    if (call.known(i) == nullptr) return Error{Code::kUnsupported, "its bounds depend on the data"};
    if (call.known(i)->count() != 1) return bad("its bounds must be scalars");
  }
  const double start = call.value(0).doubles()[0], limit = call.value(1).doubles()[0],
               delta = call.value(2).doubles()[0];
  const double count = std::ceil((limit - start) / delta);
  if (!(std::fabs(count) < 1e9)) return bad("it would make " + std::to_string(count) + " elements");
  return std::max<int64_t>(static_cast<int64_t>(count), 0);
}

Result<std::vector<Type>> infer_range(const Call& call) {
  ASSIGN_OR_RETURN(const int64_t count, range_count(call));
  return std::vector{Type{call.dtype(0), {count}}};
}

Status run_range(const Call& call, std::span<Tensor> outputs) {
  const double start = call.value(0).doubles()[0], delta = call.value(2).doubles()[0];
  std::vector<double> values(static_cast<size_t>(outputs[0].count()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<double>(i) * delta;
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"Reshape", 2, 2, infer_reshape, copy},
                       {"Flatten", 1, 1, infer_flatten, copy},
                       {"Squeeze", 1, 2, infer_squeeze, copy},
                       {"Unsqueeze", 2, 2, infer_unsqueeze, copy},
                       {"Identity", 1, 1, same, copy},
                       {"Shape", 1, 1, infer_shape, run_shape},
                       {"Size", 1, 1, infer_size, run_size},
                       {"Constant", 0, 0, infer_constant, run_constant},
                       {"ConstantOfShape", 1, 1, infer_constant_of_shape, run_constant_of_shape},
                       {"Expand", 2, 2, infer_expand, run_expand},
                       {"Tile", 2, 2, infer_tile, run_tile},
                       {"Range", 3, 3, infer_range, run_range}};

}  // namespace

std::span<const Op> shape_ops() { return kOps; }

}  // namespace corolla::plan
