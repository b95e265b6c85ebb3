// The slow and obvious convolution that kernels are checked against, on the GPU: one thread an
// output.
#pragma once
#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"

namespace corolla::bench {

// y (fp32 [m][n]) from the same problem, before it is rounded; fp32 sums in the order of k, of
// bytes s32.
cudaError_t reference_conv(const engine::cuda::ConvProblem& problem, float* y, cudaStream_t stream);

}  // namespace corolla::bench
