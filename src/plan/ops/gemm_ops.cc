// MatMul and Gemm.
#include "plan/ops/matmul.h"
#include "plan/ops/multiply.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {

Result<Shape> matmul_shape(const Shape& a, const Shape& b) {
  if (a.empty() || b.empty()) return bad("a matrix product of a scalar");
  Shape left = a, right = b;
  if (a.size() == 1) left.insert(left.begin(), 1);
  if (b.size() == 1) right.push_back(1);
  if (left.back() != right[right.size() - 2])
    return bad("shapes " + shape_text(a) + " and " + shape_text(b) +
               " do not go together in a matrix product");
  const Shape outer_left(left.begin(), left.end() - 2), outer_right(right.begin(), right.end() - 2);
  ASSIGN_OR_RETURN(Shape out, broadcast(outer_left, outer_right));
  if (a.size() > 1) out.push_back(left[left.size() - 2]);
  if (b.size() > 1) out.push_back(right.back());
  return out;
}

std::vector<float> matmul(const Tensor& a, const Tensor& b) {
  Shape left = a.shape(), right = b.shape();
  if (left.size() == 1) left.insert(left.begin(), 1);
  if (right.size() == 1) right.push_back(1);
  const int64_t m = left[left.size() - 2], k = left.back(), n = right.back();
  const Shape outer_left(left.begin(), left.end() - 2), outer_right(right.begin(), right.end() - 2);
  const Shape outer = *broadcast(outer_left, outer_right);
  const std::vector<float> va = a.floats(), vb = b.floats();
  std::vector<float> out(static_cast<size_t>(product(outer) * m * n));
  walk<2>(outer, {broadcast_strides(outer_left, outer), broadcast_strides(outer_right, outer)},
          [&](int64_t i, const std::array<int64_t, 2>& at) {
            const float* from_a = va.data() + at[0] * m * k;
            float* to = out.data() + i * m * n;
            in_pieces(m, m * n * k, [&](int64_t begin, int64_t end) {
              multiply(end - begin, n, k, from_a + begin * k, vb.data() + at[1] * k * n,
                       to + begin * n);
            });
          });
  return out;
}

std::vector<float> transposed(const std::vector<float>& matrix, int64_t m, int64_t n) {
  std::vector<float> out(matrix.size());
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j)
      out[static_cast<size_t>(j * m + i)] = matrix[static_cast<size_t>(i * n + j)];
  return out;
}

namespace {

Result<std::vector<Type>> infer_matmul(const Call& call) {
  if (call.dtype(0) != call.dtype(1)) return bad("its inputs are of two types");
  ASSIGN_OR_RETURN(Shape shape, matmul_shape(call.shape(0), call.shape(1)));
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Status run_matmul(const Call& call, std::span<Tensor> outputs) {
  if (is_float(call.dtype(0))) {
    store(outputs[0].dtype(), matmul(call.value(0), call.value(1)), outputs[0].writable().data());
    return ok();
  }
  return bad("it is offered for floats, and these are " + std::string(dtype_name(call.dtype(0))));
}

struct Sizes {
  int64_t m, n, k;
};

Result<Sizes> gemm_sizes(const Call& call) {
  const Shape& a = call.shape(0);
  const Shape& b = call.shape(1);
  if (a.size() != 2 || b.size() != 2)
    return bad("it needs two matrices, not " + shape_text(a) + " and " + shape_text(b));
  const bool ta = call.attributes().integer("transA", 0) != 0;
  const bool tb = call.attributes().integer("transB", 0) != 0;
  const Sizes s{a[ta ? 1 : 0], b[tb ? 0 : 1], a[ta ? 0 : 1]};
  if (b[tb ? 1 : 0] != s.k)
    return bad("matrices " + shape_text(a) + (ta ? " (transposed)" : "") + " and " + shape_text(b) +
               (tb ? " (transposed)" : "") + " do not go together");
  return s;
}

Result<std::vector<Type>> infer_gemm(const Call& call) {
  ASSIGN_OR_RETURN(const Sizes s, gemm_sizes(call));
  const Shape out = {s.m, s.n};
  if (call.has(2)) {
    const auto both = broadcast(call.shape(2), out);
    if (!both.ok() || *both != out)
      return bad("its bias " + shape_text(call.shape(2)) + " does not fit " + shape_text(out));
  }
  return std::vector{Type{call.dtype(0), out}};
}

Status run_gemm(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(const Sizes s, gemm_sizes(call));
  const float alpha = call.attributes().number("alpha", 1),
              beta = call.attributes().number("beta", 1);
  std::vector<float> a = call.value(0).floats(), b = call.value(1).floats();
  if (call.attributes().integer("transA", 0) != 0) a = transposed(a, s.k, s.m);
  if (call.attributes().integer("transB", 0) != 0) b = transposed(b, s.n, s.k);
  std::vector<float> out(static_cast<size_t>(s.m * s.n));
  multiply(s.m, s.n, s.k, a.data(), b.data(), out.data());
  for (float& v : out) v *= alpha;
  if (call.has(2)) {
    const std::vector<float> c = call.value(2).floats();
    walk<1>(outputs[0].shape(), {broadcast_strides(call.shape(2), outputs[0].shape())},
            [&](int64_t i, const std::array<int64_t, 1>& at) {
              out[static_cast<size_t>(i)] += beta * c[static_cast<size_t>(at[0])];
            });
  }
  store(outputs[0].dtype(), out, outputs[0].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"MatMul", 2, 2, infer_matmul, run_matmul},
                       {"Gemm", 2, 3, infer_gemm, run_gemm}};

}  // namespace

std::span<const Op> gemm_ops() { return kOps; }

}  // namespace corolla::plan
