// The operators that passes make: see op.h.
#include "plan/ops/activation.h"
#include "plan/ops/convolve.h"
#include "plan/ops/matmul.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

// activation(v + residual), stored.
void finish(const Call& call, std::vector<float>& values, Tensor& output) {
  const Epilogue epilogue = epilogue_of(call.attributes());
  if (call.has(3)) {
    const std::vector<float> residual = call.value(3).floats();
    for (size_t i = 0; i < values.size(); ++i) values[i] += residual[i];
  }
  for (float& v : values) v = activate(epilogue.activation, epilogue.alpha, epilogue.beta, v);
  store(output.dtype(), values, output.writable().data());
}

Status check_residual(const Call& call, const Shape& shape) {
  if (call.has(3) && call.shape(3) != shape)
    return bad("its residual is " + shape_text(call.shape(3)) + " and its output " +
               shape_text(shape));
  return ok();
}

Result<std::vector<Type>> infer_conv(const Call& call) {
  ASSIGN_OR_RETURN(Type type, conv_type(call));
  RETURN_IF_ERROR(check_residual(call, type.shape));
  return std::vector{std::move(type)};
}

Status run_conv(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(std::vector<float> values, convolve(call));
  finish(call, values, outputs[0]);
  return ok();
}

Result<std::vector<Type>> infer_gemm(const Call& call) {
  const Shape& x = call.shape(0);
  const Shape& w = call.shape(1);
  if (x.empty() || w.size() != 2 || x.back() != w[1] || call.shape(2) != Shape{w[0]})
    return bad("x " + shape_text(x) + ", w " + shape_text(w) + " and b " +
               shape_text(call.shape(2)) + " do not go together");
  Shape shape = x;
  shape.back() = w[0];
  RETURN_IF_ERROR(check_residual(call, shape));
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Status run_gemm(const Call& call, std::span<Tensor> outputs) {
  const Shape& w = call.shape(1);
  const Tensor turned =
      Tensor::of_floats({w[1], w[0]}, transposed(call.value(1).floats(), w[0], w[1]));
  std::vector<float> values = matmul(call.value(0), turned);
  const std::vector<float> bias = call.value(2).floats();
  for (size_t i = 0; i < values.size(); ++i) values[i] += bias[i % bias.size()];
  finish(call, values, outputs[0]);
  return ok();
}

Result<std::vector<Type>> infer_elementwise(const Call& call) {
  Shape shape = call.shape(0);
  for (size_t i = 1; i < call.inputs(); ++i) {
    ASSIGN_OR_RETURN(shape, broadcast(shape, call.shape(i)));
  }
  if (!elementwise_from_name(call.attributes().text("kind", ""))) return bad("it has no kind");
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

std::vector<float> spread(const Tensor& tensor, const Shape& shape) {
  std::vector<float> own = tensor.floats();
  if (tensor.shape() == shape) return own;
  std::vector<float> out(static_cast<size_t>(product(shape)));
  walk<1>(shape, {broadcast_strides(tensor.shape(), shape)},
          [&](int64_t i, const std::array<int64_t, 1>& at) {
            out[static_cast<size_t>(i)] = own[static_cast<size_t>(at[0])];
          });
  return out;
}

Status run_elementwise(const Call& call, std::span<Tensor> outputs) {
  const auto kind = *elementwise_from_name(call.attributes().text("kind", ""));
  const Epilogue epilogue = epilogue_of(call.attributes());
  std::vector<std::vector<float>> in;
  for (size_t i = 0; i < call.inputs(); ++i)
    in.push_back(spread(call.value(i), outputs[0].shape()));
  if (in.size() != elementwise_inputs(kind))
    return bad("it has " + std::to_string(in.size()) + " inputs");
  std::vector<float>& values = in[0];
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = activate(
        epilogue.activation, epilogue.alpha, epilogue.beta,
        elementwise(kind, values[i], in.size() > 1 ? in[1][i] : 0, in.size() > 2 ? in[2][i] : 0));
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  return ok();
}

Result<std::vector<Type>> infer_relayout(const Call& call) { return std::vector{call.type(0)}; }

Status run_relayout(const Call& call, std::span<Tensor> outputs) {
  outputs[0] = call.value(0);
  return ok();
}

constexpr Op kOps[] = {{"corolla.Conv", 3, 4, infer_conv, run_conv},
                       {"corolla.Gemm", 3, 4, infer_gemm, run_gemm},
                       {"corolla.Elementwise", 1, 3, infer_elementwise, run_elementwise},
                       {"corolla.Relayout", 1, 1, infer_relayout, run_relayout}};

}  // namespace

std::span<const Op> fused_ops() { return kOps; }

}  // namespace corolla::plan
