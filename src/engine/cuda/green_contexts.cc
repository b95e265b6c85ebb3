#include "engine/cuda/green_contexts.h"

#include <cuda.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "engine/cuda/cuda_error.h"

namespace corolla::engine::cuda {
namespace {

// The driver's functions, found at run time: nothing links libcuda.
struct Driver {
  decltype(&cuDeviceGet) device_get;
  decltype(&cuDeviceGetDevResource) resource;
  decltype(&cuDevSmResourceSplitByCount) split;
  decltype(&cuDevResourceGenerateDesc) describe;
  decltype(&cuGreenCtxCreate) create;
  decltype(&cuGreenCtxStreamCreate) stream;
  decltype(&cuGetErrorName) error_name;
};

template <class F>
bool find(const char* name, F& function) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result;
  if (cudaGetDriverEntryPointByVersion(name, &found, 12050, cudaEnableDefault, &result) !=
          cudaSuccess ||
      result != cudaDriverEntryPointSuccess) {
    (void)cudaGetLastError();
    return false;
  }
  function = reinterpret_cast<F>(found);
  return true;
}

Result<Driver> driver() {
  Driver d;
  if (find("cuDeviceGet", d.device_get) && find("cuDeviceGetDevResource", d.resource) &&
      find("cuDevSmResourceSplitByCount", d.split) &&
      find("cuDevResourceGenerateDesc", d.describe) && find("cuGreenCtxCreate", d.create) &&
      find("cuGreenCtxStreamCreate", d.stream) && find("cuGetErrorName", d.error_name))
    return d;
  return Error{Code::kUnsupported,
               "this driver has no green contexts; it needs to be 555 or later"};
}

}  // namespace

Result<std::vector<GreenStream>> green_streams(int device,
                                               const std::vector<int>& multiprocessors) {
  ASSIGN_OR_RETURN(const Driver d, driver());
  const auto check = [&](const char* what, CUresult result) -> Status {
    if (result == CUDA_SUCCESS) return ok();
    const char* name = "?";
    (void)d.error_name(result, &name);
    return Error{Code::kInternal, std::string(what) + ": " + name};
  };
  CUDA_OR_RETURN("cannot make the device's context", cudaFree(nullptr));
  CUdevice handle;
  RETURN_IF_ERROR(check("cannot find the device", d.device_get(&handle, device)));
  CUdevResource left;
  RETURN_IF_ERROR(check("cannot ask for the device's multiprocessors",
                        d.resource(handle, &left, CU_DEV_RESOURCE_TYPE_SM)));
  // The smaller ones first: they are rounded up, and the largest takes what is left as it is where
  // rounding up would pass it (16, 16 and 100 of 132, where splits go by 8).
  std::vector<size_t> order(multiprocessors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return multiprocessors[a] < multiprocessors[b]; });
  std::vector<GreenStream> made(multiprocessors.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const auto wanted = static_cast<unsigned>(multiprocessors[order[i]]);
    CUdevResource part, rest;
    unsigned groups = 1;
    const CUresult result = d.split(&part, &groups, &left, &rest, 0, wanted);
    if (result != CUDA_SUCCESS || groups == 0 || part.sm.smCount < wanted) {
      if (i + 1 < order.size() || left.sm.smCount < wanted)
        return Error{Code::kTooLarge, "green: " + std::to_string(wanted) +
                                          " multiprocessors are wanted, and " +
                                          std::to_string(left.sm.smCount) + " are left after " +
                                          std::to_string(i) + " slices"};
      part = left;
    }
    CUdevResourceDesc description;
    RETURN_IF_ERROR(check("cannot describe a green context", d.describe(&description, &part, 1)));
    CUgreenCtx context;
    RETURN_IF_ERROR(check("cannot make a green context",
                          d.create(&context, description, handle, CU_GREEN_CTX_DEFAULT_STREAM)));
    CUstream stream;
    RETURN_IF_ERROR(check("cannot make a stream of a green context",
                          d.stream(&stream, context, CU_STREAM_NON_BLOCKING, 0)));
    made[order[i]] = {stream, static_cast<int>(part.sm.smCount)};
    left = rest;
  }
  return made;
}

}  // namespace corolla::engine::cuda
