#include "engine/cuda/green_contexts.h"

#include <cuda.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "engine/cuda/cuda_error.h"
#include "engine/cuda/driver_function.h"

namespace corolla::engine::cuda {
namespace {

constexpr int kGroup = 8;  // multiprocessors: the smallest part of an sm_90

struct Driver {
  decltype(&cuDeviceGet) device_get;
  decltype(&cuDeviceGetDevResource) resource;
  decltype(&cuDevSmResourceSplitByCount) split;
  decltype(&cuDevResourceGenerateDesc) describe;
  decltype(&cuGreenCtxCreate) create;
  decltype(&cuGreenCtxStreamCreate) stream;
  decltype(&cuGetErrorName) error_name;
};

Result<Driver> driver() {
  Driver d;
  if (find_driver_function("cuDeviceGet", d.device_get) &&
      find_driver_function("cuDeviceGetDevResource", d.resource) &&
      find_driver_function("cuDevSmResourceSplitByCount", d.split) &&
      find_driver_function("cuDevResourceGenerateDesc", d.describe) &&
      find_driver_function("cuGreenCtxCreate", d.create) &&
      find_driver_function("cuGreenCtxStreamCreate", d.stream) &&
      find_driver_function("cuGetErrorName", d.error_name))
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
  CUdevResource all;
  RETURN_IF_ERROR(check("cannot ask for the device's multiprocessors",
                        d.resource(handle, &all, CU_DEV_RESOURCE_TYPE_SM)));
  // One split into the smallest groups there are, of which a slice takes as many as it needs: parts
  // of one split do not overlap, and what is left of one cannot be split again.
  const auto least = static_cast<unsigned>(kGroup);
  unsigned count = 0;
  RETURN_IF_ERROR(check("cannot split the device's multiprocessors",
                        d.split(nullptr, &count, &all, nullptr, 0, least)));
  std::vector<CUdevResource> groups(count);
  CUdevResource rest;
  RETURN_IF_ERROR(check("cannot split the device's multiprocessors",
                        d.split(groups.data(), &count, &all, &rest, 0, least)));
  // The smaller slices first: they are rounded up, and the largest takes what is left as it is
  // where rounding up would pass it (16, 16 and 100 of 132, where groups are of 8).
  if (rest.type == CU_DEV_RESOURCE_TYPE_SM && rest.sm.smCount > 0) groups.push_back(rest);
  std::vector<size_t> order(multiprocessors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return multiprocessors[a] < multiprocessors[b]; });
  std::vector<GreenStream> made(multiprocessors.size());
  size_t next = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto wanted = static_cast<unsigned>(multiprocessors[order[i]]);
    unsigned got = 0;
    size_t taken = 0;
    while (got < wanted && next + taken < groups.size()) got += groups[next + taken++].sm.smCount;
    if (got < wanted)
      return Error{Code::kTooLarge, "green: " + std::to_string(wanted) +
                                        " multiprocessors are wanted, and " + std::to_string(got) +
                                        " are left after " + std::to_string(i) +
                                        " slices; the smaller ones are rounded up to groups of " +
                                        std::to_string(kGroup)};
    CUdevResourceDesc description;
    RETURN_IF_ERROR(
        check("cannot describe a green context",
              d.describe(&description, groups.data() + next, static_cast<unsigned>(taken))));
    next += taken;
    CUgreenCtx context;
    RETURN_IF_ERROR(check("cannot make a green context",
                          d.create(&context, description, handle, CU_GREEN_CTX_DEFAULT_STREAM)));
    CUstream stream;
    RETURN_IF_ERROR(check("cannot make a stream of a green context",
                          d.stream(&stream, context, CU_STREAM_NON_BLOCKING, 0)));
    made[order[i]] = {stream, static_cast<int>(got)};
  }
  return made;
}

}  // namespace corolla::engine::cuda
