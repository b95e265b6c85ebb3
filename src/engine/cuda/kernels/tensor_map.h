// Tensor maps as the driver packs them for the tensor memory accelerator, and what kernels that
// copy by them take. sm_90. Thread-safe.
#pragma once
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "engine/cuda/kernels/conv_boxes.h"

namespace corolla::engine::cuda {

struct BoxArguments {
  CUtensorMap x, w, extra_x, extra_w, residual, y;
  ConvProblem problem;
  int tiles = 0;
  int ring = 0;  // stages
  int tail = 0;  // byte in shared memory: bias, barriers
};

// Fills in the maps that `boxes` has; rows of 128 bytes are swizzled. The driver's function is
// found at run time: nothing links libcuda.
cudaError_t encode_boxes(const ConvBoxes& boxes, BoxArguments& arguments);

}  // namespace corolla::engine::cuda
