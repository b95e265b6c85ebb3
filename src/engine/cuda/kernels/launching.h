// How kernels are launched: on which stream, and whether each may start while the one before it
// ends. Thread-safe, as CUDA's own functions are.
#pragma once
#include <cuda_runtime_api.h>

namespace corolla::engine::cuda {

struct Launching {
  cudaStream_t stream = nullptr;
  bool overlap = false;  // programmatic dependent launch (sm_90 and later)
};

// `cluster` blocks along z form a cluster; 1: none.
inline cudaError_t launch(const void* kernel, dim3 grid, int threads, int shared_bytes, int cluster,
                          void** arguments, const Launching& launching) {
  cudaLaunchAttribute attributes[2] = {};
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = launching.stream;
  config.attrs = attributes;
  if (cluster > 1) {
    attributes[config.numAttrs].id = cudaLaunchAttributeClusterDimension;
    attributes[config.numAttrs++].val.clusterDim = {1, 1, static_cast<unsigned>(cluster)};
  }
  if (launching.overlap) {
    attributes[config.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[config.numAttrs++].val.programmaticStreamSerializationAllowed = 1;
  }
  return cudaLaunchKernelExC(&config, kernel, arguments);
}

template <class Argument>
cudaError_t launch(const void* kernel, dim3 grid, int threads, Argument argument,
                   const Launching& launching) {
  void* arguments[] = {&argument};
  return launch(kernel, grid, threads, 0, 1, arguments, launching);
}

}  // namespace corolla::engine::cuda
