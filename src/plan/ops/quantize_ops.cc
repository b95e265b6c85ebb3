// QuantizeLinear and DequantizeLinear: a tensor, an axis (one scale a channel) or blocks along an
// axis.
//
//   q = clamp(round half to even(x / scale) + zero),   x = (q - zero) * scale
#include <cmath>
#include <limits>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

Status check_scale(const Call& call) {
  const Shape& x = call.shape(0);
  const Shape& scale = call.shape(1);
  if (!is_float(call.dtype(1))) return bad("its scale is no float");
  if (call.has(2) && call.shape(2) != scale)
    return bad("scale " + shape_text(scale) + " and zero point " + shape_text(call.shape(2)) +
               " differ in shape");
  if (product(scale) == 1 && scale.size() <= 1) return ok();
  ASSIGN_OR_RETURN(const int64_t axis, normal_axis(call.attributes().integer("axis", 1), x.size()));
  const auto a = static_cast<size_t>(axis);
  const int64_t block = call.attributes().integer("block_size", 0);
  if (block > 0) {
    Shape blocks = x;
    blocks[a] = (x[a] + block - 1) / block;
    if (scale != blocks)
      return bad("scale " + shape_text(scale) + " for blocks " + shape_text(blocks));
    return ok();
  }
  if (scale != Shape{x[a]})
    return bad("scale " + shape_text(scale) + " for axis " + std::to_string(axis) + " of " +
               shape_text(x));
  return ok();
}

// Which scale belongs to element i.
class ScaleIndex {
 public:
  explicit ScaleIndex(const Call& call) {
    const Shape& x = call.shape(0);
    if (product(call.shape(1)) == 1 && call.shape(1).size() <= 1) return;
    const auto a =
        static_cast<size_t>(*normal_axis(call.attributes().integer("axis", 1), x.size()));
    inner_ = product(std::span(x).subspan(a + 1));
    size_ = x[a];
    block_ = call.attributes().integer("block_size", 0);
    blocks_ = block_ > 0 ? (size_ + block_ - 1) / block_ : 0;
  }
  size_t operator()(size_t element) const {
    const auto i = static_cast<int64_t>(element);
    if (size_ == 0) return 0;
    const int64_t along = i / inner_ % size_;
    if (block_ == 0) return static_cast<size_t>(along);
    return static_cast<size_t>((i / inner_ / size_ * blocks_ + along / block_) * inner_ +
                               i % inner_);
  }

 private:
  int64_t inner_ = 1, size_ = 0, block_ = 0, blocks_ = 0;
};

bool is_quantised(DType dtype) {
  return dtype == DType::kInt8 || dtype == DType::kUint8 || dtype == DType::kInt16 ||
         dtype == DType::kUint16;
}

Result<std::vector<Type>> infer_quantize(const Call& call) {
  RETURN_IF_ERROR(check_scale(call));
  const int64_t wish = call.attributes().integer("output_dtype", 0);  // ours, made by the reader
  const DType dtype = call.has(2) ? call.dtype(2)
                      : wish > 0  ? static_cast<DType>(wish)
                                  : DType::kUint8;
  if (!is_quantised(dtype))
    return Error{Code::kUnsupported,
                 "it makes " + std::string(dtype_name(dtype)) + "; 8 and 16 bits are supported"};
  return std::vector{Type{dtype, call.shape(0)}};
}

Status run_quantize(const Call& call, std::span<Tensor> outputs) {
  const std::vector<float> scale = call.value(1).floats();
  const std::vector<double> zero =
      call.has(2) ? call.value(2).doubles() : std::vector<double>(scale.size(), 0);
  const ScaleIndex index(call);
  const std::vector<float> x = call.value(0).floats();
  std::vector<double> q(x.size());
  // In float, as ONNX Runtime and OpenVINO do it: a half must be one for both.
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t s = index(i);
    q[i] = static_cast<double>(std::nearbyint(x[i] / scale[s])) + zero[s];
  }
  store(outputs[0].dtype(), q, outputs[0].writable().data());
  return ok();
}

Result<std::vector<Type>> infer_dequantize(const Call& call) {
  RETURN_IF_ERROR(check_scale(call));
  if (!is_quantised(call.dtype(0)) && call.dtype(0) != DType::kInt32)
    return Error{Code::kUnsupported, "it reads " + std::string(dtype_name(call.dtype(0))) +
                                         "; 8, 16 and 32 bits are supported"};
  return std::vector{Type{call.dtype(1), call.shape(0)}};
}

Status run_dequantize(const Call& call, std::span<Tensor> outputs) {
  const std::vector<double> scale = call.value(1).doubles();
  const std::vector<double> zero =
      call.has(2) ? call.value(2).doubles() : std::vector<double>(scale.size(), 0);
  const ScaleIndex index(call);
  std::vector<double> x = call.value(0).doubles();
  for (size_t i = 0; i < x.size(); ++i) x[i] = (x[i] - zero[index(i)]) * scale[index(i)];
  store(outputs[0].dtype(), x, outputs[0].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"QuantizeLinear", 2, 3, infer_quantize, run_quantize},
                       {"DequantizeLinear", 2, 3, infer_dequantize, run_dequantize}};

}  // namespace

std::span<const Op> quantize_ops() { return kOps; }

}  // namespace corolla::plan
