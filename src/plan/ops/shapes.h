// Arithmetic on shapes that several families of operators share. Pure functions.
#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "plan/tensor.h"

namespace corolla::plan {

inline Error bad(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

// Of a checked shape: no overflow is possible any more.
inline int64_t product(std::span<const int64_t> dims) {
  int64_t n = 1;
  for (const int64_t d : dims) n *= d;
  return n;
}

// Elements between neighbours of each dimension, row-major.
std::vector<int64_t> strides_of(std::span<const int64_t> shape);

// -rank <= axis < rank made 0 <= axis < rank; else an error with both numbers.
Result<int64_t> normal_axis(int64_t axis, size_t rank);
// Several, sorted; two equal ones are an error.
Result<std::vector<int64_t>> normal_axes(std::span<const int64_t> axes, size_t rank);

// numpy's broadcast of two shapes.
Result<Shape> broadcast(std::span<const int64_t> a, std::span<const int64_t> b);
// Strides to read a tensor of `shape` as if it had the shape `as`: 0 where it is repeated.
std::vector<int64_t> broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> as);

// Walks a shape in row-major order with one offset a set of strides: at each element calls
// f(index, offsets), where offsets[k] is the sum of coordinate * strides[k].
template <size_t kSets, class F>
void walk(std::span<const int64_t> shape, const std::array<std::vector<int64_t>, kSets>& strides,
          F f) {
  const int64_t count = product(shape);
  std::array<int64_t, kSets> offsets{};
  std::vector<int64_t> at(shape.size());
  for (int64_t i = 0; i < count; ++i) {
    f(i, offsets);
    for (size_t d = shape.size(); d-- > 0;) {
      for (size_t k = 0; k < kSets; ++k) offsets[k] += strides[k][d];
      if (++at[d] < shape[d]) break;
      at[d] = 0;
      for (size_t k = 0; k < kSets; ++k) offsets[k] -= strides[k][d] * shape[d];
    }
  }
}

}  // namespace corolla::plan
