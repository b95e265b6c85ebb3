// 8-bit steps onto launches. Private to lowering*.cc and fusion.cc.
#pragma once
#include <optional>

#include "engine/cuda/kernels/byte_kernels.h"
#include "engine/cuda/lowering_context.h"

namespace corolla::engine::cuda {

// Of a Conv or Gemm of u8 by s8: scale, bias, residual and output of the problem, with all zero
// points in the bias.
Status set_byte_ends(const LoweringContext& at, const plan::Epilogue& epilogue,
                     ConvProblem& problem);

// What no tensor core kernel takes: groups, channels that are no multiple of 16.
Result<std::optional<Launch>> lower_slow_byte_conv(const LoweringContext& at,
                                                   const plan::Conv& conv);
Result<std::optional<Launch>> lower_slow_byte_gemm(const LoweringContext& at,
                                                   const plan::Gemm& gemm);
// Quantize, Dequantize.
Result<std::optional<Launch>> lower_byte_cast(const LoweringContext& at);

// On the device: s8 weights as fp16 whole numbers, and what a product's sums are times, x_scale *
// w_scale[n] of a Gemm step.
Result<const void*> wide_weights(const LoweringContext& at, const plan::PlanTensor& w);
Result<const float*> product_scales(const LoweringContext& at, const plan::Step& gemm,
                                    float x_scale);

}  // namespace corolla::engine::cuda
