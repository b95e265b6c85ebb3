#include "engine/cuda/generic_lowering.h"

#include "engine/cuda/kernels/copy_kernels.h"

namespace corolla::engine::cuda {
namespace {

using plan::Layout;
using plan::PlanTensor;
using plan::StepOp;

std::optional<Cell> cell(DType dtype) {
  switch (dtype) {
    case DType::kFp16:
      return Cell::kHalf;
    case DType::kFp32:
      return Cell::kFloat;
    case DType::kUint8:
    case DType::kBool:
      return Cell::kByte;
    case DType::kInt32:
      return Cell::kInt32;
    case DType::kInt64:
      return Cell::kInt64;
    default:
      return std::nullopt;
  }
}

// Strides of a tensor's logical dimensions, in elements.
std::vector<int64_t> strides(const PlanTensor& t) {
  if (t.layout == Layout::kNhwc) {
    const int64_t c = plan::stored_channels(t.shape[1]);
    return {t.shape[2] * t.shape[3] * c, 1, t.shape[3] * c, c};
  }
  std::vector<int64_t> made(t.shape.size());
  int64_t step = 1;
  for (size_t d = t.shape.size(); d-- > 0;) {
    made[d] = step;
    step *= t.shape[d];
  }
  return made;
}

// What a copy fills of y: its shape, and with it the padding channels.
plan::Shape stored_shape(const PlanTensor& t) {
  plan::Shape shape = t.shape;
  if (t.layout == Layout::kNhwc) shape[1] = plan::stored_channels(shape[1]);
  return shape;
}

// y's own shape, x of zero strides: to be filled in.
std::optional<CopyProblem> copy_to(const LoweringContext& at, const PlanTensor& x,
                                   const PlanTensor& y) {
  const auto x_cell = cell(x.dtype), y_cell = cell(y.dtype);
  const plan::Shape shape = stored_shape(y);
  if (!x_cell || !y_cell || shape.size() > kCopyRank) return std::nullopt;
  CopyProblem p;
  p.x = at.address(x);
  p.y = at.address(y);
  p.x_cell = *x_cell;
  p.y_cell = *y_cell;
  p.rank = static_cast<int>(shape.size());
  p.count = 1;
  const std::vector<int64_t> y_stride = strides(y);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] >= int64_t{1} << 31) return std::nullopt;
    p.dims[d] = static_cast<int>(shape[d]);
    p.inside_to[d] = static_cast<int>(y.shape[d]);
    p.y_stride[d] = y_stride[d];
    p.count *= shape[d];
  }
  return p;
}

Launch copying(const CopyProblem& p, const PlanTensor& x, const PlanTensor& y) {
  Launch launch;
  launch.kernel = "copy";
  launch.bytes = static_cast<double>(x.bytes + y.bytes);
  launch.run = [p](const Launching& l) { return launch_copy(p, l); };
  return launch;
}

// The same elements in another type or layout.
std::optional<Launch> lower_cast(const LoweringContext& at) {
  const PlanTensor &x = at.input(0), &y = at.output();
  auto p = copy_to(at, x, y);
  if (!p || x.shape != y.shape) return std::nullopt;
  const auto from = strides(x);
  std::copy(from.begin(), from.end(), p->x_stride);
  return copying(*p, x, y);
}

}  // namespace

Result<std::optional<Launch>> lower_generic(const LoweringContext& at) {
  switch (at.step.op()) {
    case StepOp::kImport:
    case StepOp::kExport:
      return lower_cast(at);
    default:
      return std::optional<Launch>();
  }
}

}  // namespace corolla::engine::cuda
