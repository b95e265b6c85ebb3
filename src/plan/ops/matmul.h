// Matrix products in fp32: what MatMul, Gemm and corolla.Gemm share.
#pragma once
#include <vector>

#include "plan/ops/op.h"

namespace corolla::plan {

// numpy's matmul of two shapes.
Result<Shape> matmul_shape(const Shape& a, const Shape& b);
// REQUIRES: matmul_shape() is ok.
std::vector<float> matmul(const Tensor& a, const Tensor& b);
// [m, n] -> [n, m].
std::vector<float> transposed(const std::vector<float>& matrix, int64_t m, int64_t n);

}  // namespace corolla::plan
