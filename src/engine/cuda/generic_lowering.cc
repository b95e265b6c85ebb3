#include "engine/cuda/generic_lowering.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/cuda/kernels/copy_kernels.h"
#include "engine/cuda/kernels/general_kernels.h"
#include "engine/cuda/kernels/search_kernels.h"
#include "engine/cuda/resize_taps.h"
#include "plan/ops/activation.h"

namespace corolla::engine::cuda {
namespace {

using plan::Layout;
using plan::PlanTensor;
using plan::StepOp;

using Maybe = Result<std::optional<Launch>>;
const std::optional<Launch> kNone;

std::optional<Cell> cell(DType dtype) {
  switch (dtype) {
    case DType::kFp16:
      return Cell::kHalf;
    case DType::kBf16:
      return Cell::kBfloat;
    case DType::kFp32:
      return Cell::kFloat;
    case DType::kFp64:
      return Cell::kDouble;
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

// Dimensions in the order in which they lie in memory, outermost first: neighbouring threads then
// write neighbouring elements.
std::vector<size_t> memory_order(const PlanTensor& t) {
  if (t.layout == Layout::kNhwc) return {0, 2, 3, 1};
  std::vector<size_t> order(t.shape.size());
  for (size_t d = 0; d < order.size(); ++d) order[d] = d;
  return order;
}

// What is written of a tensor: its shape, and with it the padding channels.
plan::Shape stored_shape(const PlanTensor& t) {
  plan::Shape shape = t.shape;
  if (t.layout == Layout::kNhwc) shape[1] = plan::stored_channels(shape[1]);
  return shape;
}

Launch launching(const char* kernel, const LoweringContext& at,
                 std::function<cudaError_t(const Launching&)> run) {
  Launch launch;
  launch.kernel = kernel;
  for (const int32_t i : at.step.inputs) launch.bytes += static_cast<double>(at.tensor(i).bytes);
  launch.bytes += static_cast<double>(at.output().bytes);
  launch.run = std::move(run);
  return launch;
}

// A copy into part of y: logical dimension d of the part is x's, at y's `offset`.
struct Part {
  plan::Shape shape;                            // iterated, logical
  std::vector<int64_t> inside_from, inside_to;  // of shape: elsewhere `fill`
  std::vector<int64_t> x_stride;
  int64_t x_offset = 0, y_offset = 0;
  float fill = 0;
  const int* index = nullptr;
  int indexed = -1;
};

std::optional<Launch> copying(const LoweringContext& at, const PlanTensor& x, const PlanTensor& y,
                              const Part& part) {
  const auto x_cell = cell(x.dtype), y_cell = cell(y.dtype);
  if (!x_cell || !y_cell || part.shape.size() > kCopyRank) return std::nullopt;
  CopyProblem p;
  const auto size = [](DType dtype) { return static_cast<int64_t>(dtype_size(dtype)); };
  p.x = at.address(x) + part.x_offset * size(x.dtype);
  p.y = at.address(y) + part.y_offset * size(y.dtype);
  p.x_cell = *x_cell;
  p.y_cell = *y_cell;
  p.rank = static_cast<int>(part.shape.size());
  p.count = 1;
  p.fill = part.fill;
  p.index = part.index;
  const std::vector<int64_t> y_stride = strides(y);
  const std::vector<size_t> order = memory_order(y);
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t d = order[i];
    if (part.shape[d] >= int64_t{1} << 31) return std::nullopt;
    p.dims[i] = static_cast<int>(part.shape[d]);
    p.inside_from[i] = static_cast<int>(part.inside_from[d]);
    p.inside_to[i] = static_cast<int>(part.inside_to[d]);
    p.x_stride[i] = part.x_stride[d];
    p.y_stride[i] = y_stride[d];
    p.count *= part.shape[d];
    if (static_cast<int>(d) == part.indexed) p.indexed = static_cast<int>(i);
  }
  return launching("copy", at, [p](const Launching& l) { return launch_copy(p, l); });
}

// All of y, one element of x for each that is not padding.
Part whole(const PlanTensor& y) {
  Part part;
  part.shape = stored_shape(y);
  part.inside_from.assign(part.shape.size(), 0);
  part.inside_to = y.shape;
  part.x_stride.assign(part.shape.size(), 0);
  return part;
}

std::optional<Launch> lower_cast(const LoweringContext& at) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (x.shape != y.shape) return std::nullopt;
  Part part = whole(y);
  part.x_stride = strides(x);
  return copying(at, x, y, part);
}

// Dense on both sides: the same bytes.
std::optional<Launch> lower_reshape(const LoweringContext& at) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (x.bytes != y.bytes || x.dtype != y.dtype) return std::nullopt;
  CopyProblem p;
  p.x = at.address(x);
  p.y = at.address(y);
  const auto c = cell(x.dtype);
  if (!c) return std::nullopt;
  p.x_cell = p.y_cell = *c;
  p.count = x.bytes / static_cast<int64_t>(dtype_size(x.dtype));
  if (p.count >= int64_t{1} << 31) return std::nullopt;
  p.rank = 1;
  p.dims[0] = p.inside_to[0] = static_cast<int>(p.count);
  p.x_stride[0] = p.y_stride[0] = 1;
  return launching("copy", at, [p](const Launching& l) { return launch_copy(p, l); });
}

std::optional<Launch> lower_transpose(const LoweringContext& at, const plan::Transpose& transpose) {
  const PlanTensor &x = at.input(0), &y = at.output();
  Part part = whole(y);
  const auto from = strides(x);
  for (size_t d = 0; d < part.x_stride.size(); ++d)
    part.x_stride[d] = from[static_cast<size_t>(transpose.perm[d])];
  return copying(at, x, y, part);
}

std::optional<Launch> lower_slice(const LoweringContext& at, const plan::Slice& slice) {
  const PlanTensor &x = at.input(0), &y = at.output();
  Part part = whole(y);
  const auto from = strides(x);
  for (size_t d = 0; d < from.size(); ++d) {
    part.x_stride[d] = from[d] * slice.steps[d];
    part.x_offset += from[d] * slice.starts[d];
  }
  return copying(at, x, y, part);
}

std::optional<Launch> lower_pad(const LoweringContext& at, const plan::Pad& pad) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (y.layout == Layout::kNhwc && pad.value != 0 && y.shape[1] % 8 != 0) return std::nullopt;
  Part part = whole(y);
  part.x_stride = strides(x);
  part.fill = pad.value;
  for (size_t d = 0; d < part.x_stride.size(); ++d) {
    part.inside_from[d] = pad.before[d];
    part.inside_to[d] = pad.before[d] + x.shape[d];
    part.x_offset -= part.x_stride[d] * pad.before[d];
  }
  return copying(at, x, y, part);
}

std::optional<Launch> lower_expand(const LoweringContext& at) {
  const PlanTensor &x = at.input(0), &y = at.output();
  Part part = whole(y);
  const auto from = strides(x);
  const size_t added = y.shape.size() - x.shape.size();
  for (size_t d = 0; d < from.size(); ++d) part.x_stride[d + added] = x.shape[d] == 1 ? 0 : from[d];
  return copying(at, x, y, part);
}

Maybe lower_gather(const LoweringContext& at, const plan::Gather& gather) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (x.layout != Layout::kPlain || y.layout != Layout::kPlain) return kNone;
  const auto axis = static_cast<size_t>(gather.axis);
  std::vector<std::byte> bytes(gather.indices.size() * 4);
  std::string key = "indices";
  for (size_t i = 0; i < gather.indices.size(); ++i) {
    const auto index = static_cast<int32_t>(gather.indices[i]);
    std::memcpy(bytes.data() + i * 4, &index, 4);
    key += " " + std::to_string(index);
  }
  ASSIGN_OR_RETURN(std::byte * index, at.derived.get(key, [&] { return bytes; }));
  // y as if it still had the axis, of one element where it lacks it.
  PlanTensor seen = y;
  seen.shape = x.shape;
  seen.shape[axis] = static_cast<int64_t>(gather.indices.size());
  Part part = whole(seen);
  part.x_stride = strides(x);
  part.index = reinterpret_cast<const int*>(index);
  part.indexed = static_cast<int>(axis);
  return copying(at, x, seen, part);
}

// One copy an input; together they are one launch.
std::optional<Launch> lower_concat(const LoweringContext& at, const plan::Concat& concat) {
  const PlanTensor& y = at.output();
  const auto axis = static_cast<size_t>(concat.axis);
  const auto to = strides(y);
  std::vector<Launch> copies;
  int64_t offset = 0;
  for (size_t i = 0; i < at.step.inputs.size(); ++i) {
    const PlanTensor& x = at.input(i);
    Part part = whole(x);
    part.shape = x.shape;
    // The last one also writes the channels that pad y.
    if (i + 1 == at.step.inputs.size() && y.layout == Layout::kNhwc) {
      const int64_t padding = plan::stored_channels(y.shape[1]) - y.shape[1];
      part.shape[1] += padding;
    }
    part.x_stride = strides(x);
    part.y_offset = to[axis] * offset;
    auto copy = copying(at, x, y, part);
    if (!copy) return std::nullopt;
    copies.push_back(*std::move(copy));
    offset += x.shape[axis];
  }
  return launching("concat", at, [copies](const Launching& l) {
    for (const Launch& copy : copies)
      if (const cudaError_t error = copy.run(l); error != cudaSuccess) return error;
    return cudaSuccess;
  });
}

std::optional<Launch> lower_grouped_conv(const LoweringContext& at, const plan::Conv& conv) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (!at.is_number(x) || !at.is_number(y)) return std::nullopt;
  GroupedConvProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.w = at.address(at.input(1));
  p.bias = reinterpret_cast<const float*>(at.address(at.input(2)));
  if (conv.epilogue.residual) p.residual = at.address(at.input(3));
  p.y = at.address(y);
  set_conv_sizes(at, conv, p);
  p.act = static_cast<Act>(conv.epilogue.activation);
  p.act_a = conv.epilogue.alpha;
  p.act_b = conv.epilogue.beta;
  Launch launch = launching(p.groups == p.channels ? "depthwise" : "grouped_conv", at,
                            [p](const Launching& l) { return launch_grouped_conv(p, l); });
  const int in_group = p.channels / p.groups;
  launch.flops =
      2.0 * p.images * p.out_h * p.out_w * p.outputs * p.kernel_h * p.kernel_w * in_group;
  return launch;
}

std::optional<Launch> lower_elementwise(const LoweringContext& at, const plan::Elementwise& op) {
  using Kind = plan::Elementwise::Kind;
  const PlanTensor& y = at.output();
  const plan::Shape shape = stored_shape(y);
  const bool bytes = y.dtype == DType::kUint8;
  const bool wide = y.dtype == DType::kFp32;
  if (!(at.is_number(y) || wide || bytes) || shape.size() > kGeneralRank) return std::nullopt;
  const bool multiply_add = op.kind == Kind::kMulAdd;
  const bool two = plan::elementwise_inputs(op.kind) >= 2;
  ElementwiseProblem p;
  p.element = at.element();
  p.kind = static_cast<int>(multiply_add ? Kind::kMul : op.kind);
  p.y = at.address(y);
  p.y_float = wide;
  p.y_bytes = bytes;
  p.y_scale = 1 / y.scale;
  p.y_zero = static_cast<float>(y.zero);
  p.rank = static_cast<int>(shape.size());
  p.count = 1;
  p.act = static_cast<Act>(op.epilogue.activation);
  p.act_a = op.epilogue.alpha;
  p.act_b = op.epilogue.beta;
  const auto order = memory_order(y);
  const auto y_stride = strides(y);
  for (size_t i = 0; i < order.size(); ++i) {
    p.dims[i] = static_cast<int>(shape[order[i]]);
    p.y_stride[i] = y_stride[order[i]];
    p.count *= shape[order[i]];
    if (y.layout == Layout::kNhwc && order[i] == 1) {
      p.channel_dim = static_cast<int>(i);
      p.real_channels = static_cast<int>(y.shape[1]);
    }
  }
  const auto broadcast = [&](const PlanTensor& x, int64_t(&to)[kGeneralRank]) {
    const auto from = strides(x);
    const size_t added = y.shape.size() - x.shape.size();
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] < added) continue;
      const size_t d = order[i] - added;
      to[i] = x.shape[d] == 1 ? 0 : from[d];
    }
  };
  const auto set = [&](const PlanTensor& x, Operand& to, int64_t(&stride)[kGeneralRank]) {
    if (x.dtype == DType::kFp32)
      to.kind = Operand::Kind::kFloat;
    else if (x.dtype == DType::kUint8)
      to.kind = Operand::Kind::kByte;
    else if (!at.is_number(x))
      return false;
    to.data = at.address(x);
    to.scale = x.scale;
    to.zero = x.zero;
    broadcast(x, stride);
    return true;
  };
  size_t next = 0;
  if (!set(at.input(next++), p.a, p.a_stride)) return std::nullopt;
  if (two && !set(at.input(next++), p.b, p.b_stride)) return std::nullopt;
  if (multiply_add && op.epilogue.residual) return std::nullopt;
  if ((multiply_add || op.epilogue.residual) && !set(at.input(next), p.residual, p.r_stride))
    return std::nullopt;
  return launching("elementwise", at, [p](const Launching& l) { return launch_elementwise(p, l); });
}

std::optional<Launch> lower_matmul(const LoweringContext& at, const plan::Matmul& matmul) {
  const PlanTensor &a = at.input(0), &b = at.input(1), &y = at.output();
  const size_t rank = y.shape.size();
  if (!at.is_number(a) || !at.is_number(b) || !at.is_number(y) || rank < 2 || rank > kGeneralRank ||
      a.shape.size() < 2 || b.shape.size() < 2 || a.layout != Layout::kPlain ||
      b.layout != Layout::kPlain)
    return std::nullopt;
  MatmulProblem p;
  p.element = at.element();
  p.a = at.address(a);
  p.b = at.address(b);
  p.y = at.address(y);
  p.m = static_cast<int>(y.shape[rank - 2]);
  p.n = static_cast<int>(y.shape[rank - 1]);
  p.k = static_cast<int>(a.shape.back());
  p.alpha = matmul.alpha;
  p.a_row = a.shape.back();
  p.b_k = matmul.transpose_b ? 1 : b.shape.back();
  p.b_n = matmul.transpose_b ? b.shape.back() : 1;
  p.rank = static_cast<int>(rank - 2);
  int64_t batches = 1;
  const auto batch_strides = [&](const PlanTensor& x, int64_t(&to)[kGeneralRank]) {
    const auto from = strides(x);
    const size_t added = rank - x.shape.size();
    for (size_t d = added; d + 2 < rank; ++d) to[d] = x.shape[d - added] == 1 ? 0 : from[d - added];
  };
  for (size_t d = 0; d + 2 < rank; ++d) {
    p.dims[d] = static_cast<int>(y.shape[d]);
    batches *= y.shape[d];
  }
  if (batches > 65535) return std::nullopt;
  p.batches = static_cast<int>(batches);
  batch_strides(a, p.a_batch);
  batch_strides(b, p.b_batch);
  Launch launch = launching("matmul", at, [p](const Launching& l) { return launch_matmul(p, l); });
  launch.flops = 2.0 * p.batches * p.m * p.n * p.k;
  return launch;
}

// A matrix product whose K no tensor core kernel takes.
std::optional<Launch> lower_small_gemm(const LoweringContext& at, const plan::Gemm& gemm) {
  if (!at.is_number(at.input(0)) || !at.is_number(at.input(1)) || !at.is_number(at.output()))
    return std::nullopt;
  MatmulProblem p;
  p.element = at.element();
  p.a = at.address(at.input(0));
  p.b = at.address(at.input(1));
  p.bias = reinterpret_cast<const float*>(at.address(at.input(2)));
  if (gemm.epilogue.residual) p.residual = at.address(at.input(3));
  p.y = at.address(at.output());
  p.batches = 1;
  p.m = static_cast<int>(gemm.m);
  p.n = static_cast<int>(gemm.n);
  p.k = static_cast<int>(gemm.k);
  p.a_row = p.b_n = gemm.k;
  p.b_k = 1;
  p.act = static_cast<Act>(gemm.epilogue.activation);
  p.act_a = gemm.epilogue.alpha;
  p.act_b = gemm.epilogue.beta;
  return launching("small_gemm", at, [p](const Launching& l) { return launch_matmul(p, l); });
}

std::optional<Launch> lower_layer_norm(const LoweringContext& at, const plan::LayerNorm& norm) {
  const PlanTensor& x = at.input(0);
  const bool wide = x.dtype == DType::kFp32;
  if (!(at.is_number(x) || wide) || !at.is_number(at.output()) || x.layout != Layout::kPlain)
    return std::nullopt;
  LayerNormProblem p;
  p.element = at.element();
  p.x_float = wide;
  p.x = at.address(x);
  p.gamma = reinterpret_cast<const float*>(at.address(at.input(1)));
  p.beta = reinterpret_cast<const float*>(at.address(at.input(2)));
  p.y = at.address(at.output());
  p.columns = static_cast<int>(x.shape.back());
  p.rows = x.bytes / (wide ? 4 : 2) / x.shape.back();
  p.epsilon = norm.epsilon;
  return launching("layer_norm", at, [p](const Launching& l) { return launch_layer_norm(p, l); });
}

std::optional<Launch> lower_reduce(const LoweringContext& at, const plan::Reduce& reduce) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (!at.is_number(x) || !at.is_number(y) || x.shape.size() > kGeneralRank ||
      x.shape.size() != y.shape.size())
    return std::nullopt;
  ReduceProblem p;
  p.element = at.element();
  p.kind = static_cast<int>(reduce.kind);
  p.x = at.address(x);
  p.y = at.address(y);
  p.count = 1;
  const auto x_stride = strides(x), y_stride = strides(y);
  const plan::Shape shape = stored_shape(y);
  for (const size_t d : memory_order(y)) {
    const bool gone = std::find(reduce.axes.begin(), reduce.axes.end(), static_cast<int64_t>(d)) !=
                      reduce.axes.end();
    if (gone) {
      p.reduced_dims[p.reduced] = static_cast<int>(x.shape[d]);
      p.x_reduced[p.reduced++] = x_stride[d];
      p.each *= x.shape[d];
    }
    // Also of a reduced one: y may have channels that pad.
    if (gone && shape[d] == 1) continue;
    if (y.layout == Layout::kNhwc && d == 1) {
      p.channel_dim = p.kept;
      p.real_channels = static_cast<int>(y.shape[1]);
    }
    p.kept_dims[p.kept] = static_cast<int>(shape[d]);
    p.x_kept[p.kept] = gone ? 0 : x_stride[d];
    p.y_kept[p.kept++] = y_stride[d];
    p.count *= shape[d];
  }
  return launching("reduce", at, [p](const Launching& l) { return launch_reduce(p, l); });
}

std::optional<Launch> lower_group_norm(const LoweringContext& at, const plan::GroupNorm& norm) {
  const PlanTensor& x = at.input(0);
  if (!at.is_number(x) || !at.is_number(at.output())) return std::nullopt;
  GroupNormProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.gamma = reinterpret_cast<const float*>(at.address(at.input(1)));
  p.beta = reinterpret_cast<const float*>(at.address(at.input(2)));
  p.y = at.address(at.output());
  p.images = static_cast<int>(x.shape[0]);
  p.channels = p.stored = static_cast<int>(x.shape[1]);
  p.groups = static_cast<int>(norm.groups);
  p.epsilon = norm.epsilon;
  p.pixels = 1;
  for (size_t d = 2; d < x.shape.size(); ++d) p.pixels *= x.shape[d];
  if (x.layout == Layout::kNhwc) {
    p.stored = static_cast<int>(plan::stored_channels(x.shape[1]));
    p.channel = 1;
    p.pixel = p.stored;
  } else {
    p.channel = p.pixels;
    p.pixel = 1;
  }
  p.image = p.stored * p.pixels;
  return launching("group_norm", at, [p](const Launching& l) { return launch_group_norm(p, l); });
}

std::optional<Launch> lower_top_k(const LoweringContext& at, const plan::TopK& top) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (!at.is_number(x) || !(top.indices || at.is_number(y))) return std::nullopt;
  const auto axis = static_cast<size_t>(top.axis);
  TopKProblem p;
  p.element = at.element();
  p.x = at.address(x);
  p.y = at.address(y);
  if (x.shape[axis] >= int64_t{1} << 31) return std::nullopt;
  p.n = static_cast<int>(x.shape[axis]);
  p.k = static_cast<int>(top.k);
  for (size_t d = axis + 1; d < x.shape.size(); ++d) p.inner *= x.shape[d];
  p.rows = x.bytes / 2 / p.n;
  p.largest = top.largest;
  p.indices = top.indices;
  return launching("top_k", at, [p](const Launching& l) { return launch_top_k(p, l); });
}

Maybe lower_resize(const LoweringContext& at, const plan::Resize& resize) {
  const PlanTensor &x = at.input(0), &y = at.output();
  if (!at.is_number(x) || !at.is_number(y) || x.layout != Layout::kNhwc ||
      y.layout != Layout::kNhwc)
    return kNone;
  ResizeProblem p;
  p.element = at.element();
  const auto taps = [&](size_t d, float scale) -> Result<const ResizeTap*> {
    const std::string key = "resize " + std::to_string(static_cast<int>(resize.mode)) + " " +
                            std::to_string(static_cast<int>(resize.coordinates)) + " " +
                            std::to_string(static_cast<int>(resize.rounding)) + " " +
                            std::to_string(std::bit_cast<uint32_t>(scale)) + " " +
                            std::to_string(x.shape[d]) + " " + std::to_string(y.shape[d]);
    ASSIGN_OR_RETURN(std::byte * made, at.derived.get(key, [&] {
      const auto all = resize_taps(resize, scale, x.shape[d], y.shape[d]);
      const auto bytes = std::as_bytes(std::span(all));
      return std::vector<std::byte>(bytes.begin(), bytes.end());
    }));
    return reinterpret_cast<const ResizeTap*>(made);
  };
  ASSIGN_OR_RETURN(p.rows, taps(2, resize.scale_h));
  ASSIGN_OR_RETURN(p.columns, taps(3, resize.scale_w));
  p.x = at.address(x);
  p.y = at.address(y);
  p.images = static_cast<int>(x.shape[0]);
  p.height = static_cast<int>(x.shape[2]);
  p.width = static_cast<int>(x.shape[3]);
  p.out_h = static_cast<int>(y.shape[2]);
  p.out_w = static_cast<int>(y.shape[3]);
  p.stored = static_cast<int>(plan::stored_channels(x.shape[1]));
  return std::optional(
      launching("resize", at, [p](const Launching& l) { return launch_resize(p, l); }));
}

}  // namespace

Result<std::optional<Launch>> lower_generic(const LoweringContext& at) {
  const auto& operation = at.step.operation;
  switch (at.step.op()) {
    case StepOp::kImport:
      if (at.output().dtype == DType::kUint8) return lower_elementwise(at, {});  // quantises
      return lower_cast(at);
    case StepOp::kExport:
      return lower_cast(at);
    case StepOp::kConv:
      return lower_grouped_conv(at, std::get<plan::Conv>(operation));
    case StepOp::kGemm:
      return lower_small_gemm(at, std::get<plan::Gemm>(operation));
    case StepOp::kMatmul:
      return lower_matmul(at, std::get<plan::Matmul>(operation));
    case StepOp::kLayerNorm:
      return lower_layer_norm(at, std::get<plan::LayerNorm>(operation));
    case StepOp::kElementwise:
      return lower_elementwise(at, std::get<plan::Elementwise>(operation));
    case StepOp::kConcat:
      return lower_concat(at, std::get<plan::Concat>(operation));
    case StepOp::kSlice:
      return lower_slice(at, std::get<plan::Slice>(operation));
    case StepOp::kTranspose:
      return lower_transpose(at, std::get<plan::Transpose>(operation));
    case StepOp::kReshape:
      return lower_reshape(at);
    case StepOp::kPad:
      return lower_pad(at, std::get<plan::Pad>(operation));
    case StepOp::kReduce:
      return lower_reduce(at, std::get<plan::Reduce>(operation));
    case StepOp::kGather:
      return lower_gather(at, std::get<plan::Gather>(operation));
    case StepOp::kExpand:
      return lower_expand(at);
    case StepOp::kGroupNorm:
      return lower_group_norm(at, std::get<plan::GroupNorm>(operation));
    case StepOp::kTopK:
      return lower_top_k(at, std::get<plan::TopK>(operation));
    case StepOp::kResize:
      return lower_resize(at, std::get<plan::Resize>(operation));
    default:
      return kNone;
  }
}

}  // namespace corolla::engine::cuda
