// A function of the CUDA driver by name, found at run time: nothing links libcuda.
#pragma once
#include <cuda_runtime_api.h>

namespace corolla::engine::cuda {

// False when this driver has none of that name, as of CUDA version `version` (12050).
template <class Function>
bool find_driver_function(const char* name, Function& function, unsigned version = 12050) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result;
  if (cudaGetDriverEntryPointByVersion(name, &found, version, cudaEnableDefault, &result) !=
          cudaSuccess ||
      result != cudaDriverEntryPointSuccess) {
    (void)cudaGetLastError();
    return false;
  }
  function = reinterpret_cast<Function>(found);
  return true;
}

}  // namespace corolla::engine::cuda
