// TopK, group normalisation and Resize: fp16 or bf16 in and out, fp32 between. Right, and not fast.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

// Row r is x[r / inner * n * inner + r % inner + i * inner], i < n. The k first in falling (rising)
// order, equal ones by their places; NaN comes last.
struct TopKProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  void* y = nullptr;  // elements, or int64 places
  int64_t rows = 0, inner = 1;
  int n = 0, k = 0;
  bool largest = true, indices = false;
};
cudaError_t launch_top_k(const TopKProblem& problem, const Launching& launching);

// y = (x - mean) / sqrt(variance + epsilon) * gamma[c] + beta[c], mean and variance of one image's
// channels / groups channels.
struct GroupNormProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  void* y = nullptr;
  int images = 0, channels = 0, stored = 0, groups = 1;  // stored: with those that pad, made zero
  int64_t pixels = 0;
  int64_t image = 0, channel = 1, pixel = 0;  // element strides, of x and y
  float epsilon = 1e-5f;
};
cudaError_t launch_group_norm(const GroupNormProblem& problem, const Launching& launching);

// Where one output place of a dimension reads: two places and their weights.
struct ResizeTap {
  int32_t at[2] = {0, 0};
  float weight[2] = {1, 0};  // a weight of 0 is not read
};

// NHWC. rows: out_h taps, columns: out_w, in device memory.
struct ResizeProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  void* y = nullptr;
  const ResizeTap* rows = nullptr;
  const ResizeTap* columns = nullptr;
  int images = 0, height = 0, width = 0, out_h = 0, out_w = 0, stored = 0;
};
cudaError_t launch_resize(const ResizeProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
