// CUDA's errors as ours. Stateless.
#pragma once
#include <cuda_runtime_api.h>

#include <string>

#include "base/result.h"

namespace corolla::engine::cuda {

// A sentence: what was tried, CUDA's name and text of the error. Out of memory names the bytes that
// are free; an error that only a new process mends is said to be one. Clears the error where it can
// be cleared.
Error cuda_error(const std::string& what, cudaError_t error);

// True for errors after which every call of this process fails: faults of a kernel, a lost device.
bool sticky(cudaError_t error);

#define CUDA_OR_RETURN(what, call)                                              \
  do {                                                                          \
    if (const cudaError_t corolla_cuda_ = (call); corolla_cuda_ != cudaSuccess) \
      return ::corolla::engine::cuda::cuda_error((what), corolla_cuda_);        \
  } while (0)

}  // namespace corolla::engine::cuda
