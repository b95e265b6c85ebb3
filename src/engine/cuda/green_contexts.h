// Slices inside one process: streams whose kernels run on multiprocessors of their own, cut from
// the device in one go, so that they do not overlap.
#pragma once
#include <cuda_runtime_api.h>

#include <vector>

#include "base/result.h"

namespace corolla::engine::cuda {

struct GreenStream {
  cudaStream_t stream = nullptr, other = nullptr;  // two of the same multiprocessors
  int multiprocessors = 0;  // that it got: rounded up to what the device can part
};

// One stream for each entry of `multiprocessors`. Contexts live as long as the process.
// kUnsupported: the driver has no green contexts; kTooLarge: the device has not so many.
Result<std::vector<GreenStream>> green_streams(int device, const std::vector<int>& multiprocessors);

}  // namespace corolla::engine::cuda
