// Simple kernels for what is not worth tensor cores, or not yet: one thread an output. fp16 or bf16
// (`element`) in and out, fp32 between.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

// A convolution in groups, NHWC. w: [outputs][kernel_h][kernel_w][channels / groups].
struct GroupedConvProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  const void* w = nullptr;
  const float* bias = nullptr;
  const void* residual = nullptr;
  void* y = nullptr;
  int images = 0, height = 0, width = 0, channels = 0, x_stored = 0;
  int out_h = 0, out_w = 0, outputs = 0, y_stored = 0;
  int kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int pad_h = 0, pad_w = 0, groups = 1;
  Act act = Act::kNone;
  float act_a = 0, act_b = 0;
};
// Eight channels a thread where it is depthwise (groups == channels == outputs).
cudaError_t launch_grouped_conv(const GroupedConvProblem& problem, const Launching& launching);

inline constexpr int kGeneralRank = 6;

// What an elementwise step reads: `element`, fp32, or u8, which means scale * (stored - zero).
struct Operand {
  enum class Kind : int { kElement, kFloat, kByte } kind = Kind::kElement;
  const void* data = nullptr;  // or null: there is none
  float scale = 1;
  int zero = 0;
};

// y[i] = act(f(a[i], b[i]) + residual[i]); strides of 0 broadcast. In plan::Elementwise::Kind's
// order.
struct ElementwiseProblem {
  Element element = Element::kHalf;
  int kind = 0;
  Operand a, b, residual;
  void* y = nullptr;
  bool y_float = false;  // fp32
  bool y_bytes = false;  // u8 = y * y_scale + y_zero, rounded
  float y_scale = 1, y_zero = 0;
  int rank = 0;
  int64_t count = 0;
  int dims[kGeneralRank] = {};
  int64_t a_stride[kGeneralRank] = {}, b_stride[kGeneralRank] = {}, r_stride[kGeneralRank] = {},
          y_stride[kGeneralRank] = {};
  int channel_dim = -1, real_channels = 0;  // past these y is zero
  Act act = Act::kNone;
  float act_a = 0, act_b = 0;
};
cudaError_t launch_elementwise(const ElementwiseProblem& problem, const Launching& launching);

// y[i] = alpha * sum_k a[i, k] * b[i, k] (+ bias), over [batch..., m, n].
struct MatmulProblem {
  Element element = Element::kHalf;
  const void* a = nullptr;
  const void* b = nullptr;
  const float* bias = nullptr;     // [n], or null
  const void* residual = nullptr;  // as y, or null
  void* y = nullptr;
  int batches = 0, m = 0, n = 0, k = 0;
  // Element strides; a batch number is taken apart by `dims` (outermost first).
  int rank = 0;
  int dims[kGeneralRank] = {};
  int64_t a_batch[kGeneralRank] = {}, b_batch[kGeneralRank] = {};
  int64_t a_row = 0, b_k = 0, b_n = 0;
  float alpha = 1;
  Act act = Act::kNone;
  float act_a = 0, act_b = 0;
};
cudaError_t launch_matmul(const MatmulProblem& problem, const Launching& launching);

struct LayerNormProblem {
  Element element = Element::kHalf;
  bool x_float = false;  // fp32
  const void* x = nullptr;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  void* y = nullptr;
  int64_t rows = 0;
  int columns = 0;
  float epsilon = 1e-5f;
};
cudaError_t launch_layer_norm(const LayerNormProblem& problem, const Launching& launching);

// Over some dimensions. In plan::Reduce::Kind's order: mean, sum, max, min.
struct ReduceProblem {
  Element element = Element::kHalf;
  int kind = 0;
  const void* x = nullptr;
  void* y = nullptr;
  int kept = 0, reduced = 0;  // dimensions
  int64_t count = 0, each = 1;
  int kept_dims[kGeneralRank] = {}, reduced_dims[kGeneralRank] = {};
  int64_t x_kept[kGeneralRank] = {}, y_kept[kGeneralRank] = {}, x_reduced[kGeneralRank] = {};
  int channel_dim = -1, real_channels = 0;
};
cudaError_t launch_reduce(const ReduceProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
