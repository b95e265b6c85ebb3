#include "plan/ops/shapes.h"

namespace corolla::plan {

std::vector<int64_t> strides_of(std::span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= shape[d];
  }
  return strides;
}

Result<int64_t> normal_axis(int64_t axis, size_t rank) {
  const auto n = static_cast<int64_t>(rank);
  if (axis < -n || axis >= n)
    return bad("axis " + std::to_string(axis) + " of a tensor with " + std::to_string(rank) +
               " dimensions");
  return axis < 0 ? axis + n : axis;
}

Result<std::vector<int64_t>> normal_axes(std::span<const int64_t> axes, size_t rank) {
  std::vector<int64_t> out;
  for (const int64_t axis : axes) {
    ASSIGN_OR_RETURN(const int64_t a, normal_axis(axis, rank));
    out.push_back(a);
  }
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end())
    return bad("axes " + shape_text(axes) + " name one twice");
  return out;
}

Result<Shape> broadcast(std::span<const int64_t> a, std::span<const int64_t> b) {
  Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      return bad("shapes " + shape_text(a) + " and " + shape_text(b) + " do not go together");
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

std::vector<int64_t> broadcast_strides(std::span<const int64_t> shape,
                                       std::span<const int64_t> as) {
  const std::vector<int64_t> own = strides_of(shape);
  std::vector<int64_t> out(as.size(), 0);
  for (size_t i = 0; i < shape.size() && i < as.size(); ++i)
    if (shape[shape.size() - 1 - i] != 1) out[as.size() - 1 - i] = own[shape.size() - 1 - i];
  return out;
}

}  // namespace corolla::plan
