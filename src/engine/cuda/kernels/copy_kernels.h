// Copies between strided views with a change of type: slices, transposes, concatenations, padding,
// changes of layout, casts, broadcasts.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

inline constexpr int kCopyRank = 8;

enum class Cell : int { kHalf, kBfloat, kFloat, kByte, kInt32, kInt64, kDouble };

// For every index i of `dims`: y[sum i_d * y_stride_d] = x[sum i_d * x_stride_d] where every
// inside_from_d <= i_d < inside_to_d, else `fill`. Cells of one kind are copied bit by bit, others
// go through a float.
struct CopyProblem {
  const void* x = nullptr;
  void* y = nullptr;
  Cell x_cell = Cell::kHalf, y_cell = Cell::kHalf;
  int rank = 0;
  int64_t count = 0;  // product of dims
  int dims[kCopyRank] = {};
  int64_t x_stride[kCopyRank] = {}, y_stride[kCopyRank] = {};
  int inside_from[kCopyRank] = {}, inside_to[kCopyRank] = {};
  // Where not null: along dimension `indexed`, x is read at index[i] instead of i.
  const int* index = nullptr;
  int indexed = -1;
  float fill = 0;
};
cudaError_t launch_copy(const CopyProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
