#include "engine/cuda/cuda_error.h"

namespace corolla::engine::cuda {

bool sticky(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorDevicesUnavailable:
    case cudaErrorMpsClientTerminated:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

Error cuda_error(const std::string& what, cudaError_t error) {
  (void)cudaGetLastError();
  std::string text = what + ": " + cudaGetErrorName(error) + ", " + cudaGetErrorString(error);
  if (error == cudaErrorMemoryAllocation) {
    size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) == cudaSuccess)
      text += "; " + std::to_string(free >> 20) + " MiB of the device's " +
              std::to_string(total >> 20) +
              " MiB are free: give the slice more memory, or serve smaller batches";
    (void)cudaGetLastError();
    return Error{Code::kTooLarge, text};
  }
  if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver)
    text += "; is there an NVIDIA driver, and does CUDA_VISIBLE_DEVICES name a device?";
  if (error == cudaErrorNoKernelImageForDevice)
    text += "; the kernels are built for sm_80 and later";
  if (sticky(error)) text += "; only a new process mends this";
  return Error{Code::kInternal, text};
}

}  // namespace corolla::engine::cuda
