// BatchNormalization (inference), LayerNormalization, InstanceNormalization, GroupNormalization,
// Softmax and LogSoftmax.
#include <cmath>
#include <limits>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

Result<std::vector<Type>> infer_batch_norm(const Call& call) {
  const Shape& x = call.shape(0);
  if (call.attributes().integer("training_mode", 0) != 0)
    return Error{Code::kUnsupported, "training_mode is set; export the model for inference"};
  if (x.size() < 2) return bad("it needs [N, C, ...], not " + shape_text(x));
  for (size_t i = 1; i < 5; ++i)
    if (call.shape(i) != Shape{x[1]})
      return bad("input " + std::to_string(i) + " is " + shape_text(call.shape(i)) + " for " +
                 std::to_string(x[1]) + " channels");
  return std::vector{call.type(0)};
}

Status run_batch_norm(const Call& call, std::span<Tensor> outputs) {
  const double epsilon = call.attributes().number("epsilon", 1e-5f);
  std::vector<double> x = call.value(0).doubles();
  const std::vector<double> scale = call.value(1).doubles(), bias = call.value(2).doubles(),
                            mean = call.value(3).doubles(), variance = call.value(4).doubles();
  const auto channels = static_cast<size_t>(call.shape(0)[1]);
  const auto size = static_cast<size_t>(product(std::span(call.shape(0)).subspan(2)));
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i / size % channels;
    x[i] = (x[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * scale[c] + bias[c];
  }
  store(outputs[0].dtype(), x, outputs[0].writable().data());
  return ok();
}

// Brings each run of `size` numbers to mean 0 and variance 1; returns mean and 1/deviation of each.
std::vector<std::pair<double, double>> normalise(std::vector<double>& x, size_t size,
                                                 double epsilon) {
  std::vector<std::pair<double, double>> found;
  for (size_t begin = 0; size > 0 && begin < x.size(); begin += size) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < size; ++i) sum += x[begin + i];
    const double mean = sum / static_cast<double>(size);
    for (size_t i = 0; i < size; ++i) squares += (x[begin + i] - mean) * (x[begin + i] - mean);
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(size) + epsilon);
    for (size_t i = 0; i < size; ++i) x[begin + i] = (x[begin + i] - mean) * inverse;
    found.emplace_back(mean, inverse);
  }
  return found;
}

Result<std::vector<Type>> infer_layer_norm(const Call& call) {
  const Shape& x = call.shape(0);
  ASSIGN_OR_RETURN(const int64_t axis,
                   normal_axis(call.attributes().integer("axis", -1), x.size()));
  const Shape inner(x.begin() + axis, x.end());
  for (size_t i = 1; i < call.inputs(); ++i) {
    const auto both = call.has(i) ? broadcast(call.shape(i), inner) : Result<Shape>(inner);
    if (!both.ok() || *both != inner)
      return bad("its scale or bias " + shape_text(call.shape(i)) + " does not fit " +
                 shape_text(inner));
  }
  Shape outer = x;
  std::fill(outer.begin() + axis, outer.end(), 1);
  const DType of_sums =
      call.attributes().integer("stash_type", 1) == 1 ? DType::kFp32 : call.dtype(0);
  return std::vector{call.type(0), Type{of_sums, outer}, Type{of_sums, outer}};
}

Status run_layer_norm(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  ASSIGN_OR_RETURN(const int64_t axis,
                   normal_axis(call.attributes().integer("axis", -1), x.size()));
  std::vector<double> values = call.value(0).doubles();
  const auto size = static_cast<size_t>(product(std::span(x).subspan(static_cast<size_t>(axis))));
  const auto sums = normalise(values, size, call.attributes().number("epsilon", 1e-5f));
  const std::vector<double> scale = call.value(1).doubles();
  const std::vector<double> bias = call.has(2) ? call.value(2).doubles() : std::vector<double>();
  const auto inner_shape = std::span(x).subspan(static_cast<size_t>(axis));
  const auto scale_strides = broadcast_strides(call.shape(1), inner_shape);
  const auto bias_strides = broadcast_strides(call.has(2) ? call.shape(2) : Shape{}, inner_shape);
  for (size_t begin = 0; size > 0 && begin < values.size(); begin += size)
    walk<2>(inner_shape, {scale_strides, bias_strides},
            [&](int64_t i, const std::array<int64_t, 2>& at) {
              double& v = values[begin + static_cast<size_t>(i)];
              v = v * scale[static_cast<size_t>(at[0])] +
                  (bias.empty() ? 0 : bias[static_cast<size_t>(at[1])]);
            });
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  std::vector<double> mean, inverse;
  for (const auto& [m, i] : sums) {
    mean.push_back(m);
    inverse.push_back(i);
  }
  store(outputs[1].dtype(), mean, outputs[1].writable().data());
  store(outputs[2].dtype(), inverse, outputs[2].writable().data());
  return ok();
}

int64_t groups_of(const Call& call) {
  return call.node().op == "InstanceNormalization" ? call.shape(0)[1]
                                                   : call.attributes().integer("num_groups", 1);
}

Result<std::vector<Type>> infer_group_norm(const Call& call) {
  const Shape& x = call.shape(0);
  if (x.size() < 3) return bad("it needs [N, C, spatial...], not " + shape_text(x));
  const int64_t groups = groups_of(call);
  if (groups < 1 || x[1] % groups != 0)
    return bad(std::to_string(x[1]) + " channels in " + std::to_string(groups) + " groups");
  if (call.shape(1) != Shape{x[1]} || call.shape(2) != Shape{x[1]})
    return bad("scale " + shape_text(call.shape(1)) + " and bias " + shape_text(call.shape(2)) +
               " for " + std::to_string(x[1]) + " channels");
  return std::vector{call.type(0)};
}

Status run_group_norm(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  std::vector<double> values = call.value(0).doubles();
  const auto channels = static_cast<size_t>(x[1]);
  const auto plane = static_cast<size_t>(product(std::span(x).subspan(2)));
  normalise(values, channels / static_cast<size_t>(groups_of(call)) * plane,
            call.attributes().number("epsilon", 1e-5f));
  const std::vector<double> scale = call.value(1).doubles(), bias = call.value(2).doubles();
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = values[i] * scale[i / plane % channels] + bias[i / plane % channels];
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  return ok();
}

Result<std::vector<Type>> infer_softmax(const Call& call) {
  if (!call.shape(0).empty())
    RETURN_IF_ERROR(normal_axis(call.attributes().integer("axis", -1), call.shape(0).size()));
  return std::vector{call.type(0)};
}

Status run_softmax(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  const int64_t axis =
      x.empty() ? 0 : *normal_axis(call.attributes().integer("axis", -1), x.size());
  // "flatten" is opset 12 and older: all dimensions from the axis on count as one.
  const bool flatten = call.attributes().integer("flatten", 0) != 0;
  const auto from = static_cast<size_t>(axis);
  const int64_t size = x.empty() ? 1 : flatten ? product(std::span(x).subspan(from)) : x[from];
  const int64_t inner = x.empty() || flatten ? 1 : product(std::span(x).subspan(from + 1));
  const bool log = call.node().op == "LogSoftmax";
  std::vector<double> values = call.value(0).doubles();
  for (size_t begin = 0; begin < values.size(); begin += static_cast<size_t>(size * inner))
    for (int64_t i = 0; i < inner; ++i) {
      double* v = values.data() + begin + i;
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t k = 0; k < size; ++k) most = std::max(most, v[k * inner]);
      for (int64_t k = 0; k < size; ++k) sum += std::exp(v[k * inner] - most);
      for (int64_t k = 0; k < size; ++k)
        v[k * inner] =
            log ? v[k * inner] - most - std::log(sum) : std::exp(v[k * inner] - most) / sum;
    }
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"BatchNormalization", 5, 5, infer_batch_norm, run_batch_norm},
                       {"LayerNormalization", 2, 3, infer_layer_norm, run_layer_norm},
                       {"InstanceNormalization", 3, 3, infer_group_norm, run_group_norm},
                       {"GroupNormalization", 3, 3, infer_group_norm, run_group_norm},
                       {"Softmax", 1, 1, infer_softmax, run_softmax},
                       {"LogSoftmax", 1, 1, infer_softmax, run_softmax}};

}  // namespace

std::span<const Op> norm_ops() { return kOps; }

}  // namespace corolla::plan
