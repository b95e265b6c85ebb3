#include "engine/cuda/green_contexts.h"

#include <cuda.h>

#include <string>

#include "base/deal_parts.h"
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
  if (rest.type == CU_DEV_RESOURCE_TYPE_SM && rest.sm.smCount > 0) groups.push_back(rest);
  std::vector<uint32_t> sizes;
  for (const CUdevResource& group : groups) sizes.push_back(group.sm.smCount);
  const std::vector<uint32_t> wanted(multiprocessors.begin(), multiprocessors.end());
  const Deal deal = deal_parts(sizes, wanted);
  if (deal.too_short)
    return Error{Code::kTooLarge,
                 "green: " + std::to_string(wanted[*deal.too_short]) +
                     " multiprocessors are wanted, and " +
                     std::to_string(deal.shares[*deal.too_short].sum) +
                     " are left by the smaller slices, which are rounded up to groups of " +
                     std::to_string(kGroup)};
  std::vector<GreenStream> made;
  for (const DealtParts& share : deal.shares) {
    CUdevResourceDesc description;
    RETURN_IF_ERROR(check(
        "cannot describe a green context",
        d.describe(&description, groups.data() + share.first, static_cast<unsigned>(share.count))));
    CUgreenCtx context;
    RETURN_IF_ERROR(check("cannot make a green context",
                          d.create(&context, description, handle, CU_GREEN_CTX_DEFAULT_STREAM)));
    CUstream streams[2];
    for (CUstream& stream : streams)
      RETURN_IF_ERROR(check("cannot make a stream of a green context",
                            d.stream(&stream, context, CU_STREAM_NON_BLOCKING, 0)));
    made.push_back({streams[0], streams[1], static_cast<int>(share.sum)});
  }
  return made;
}

}  // namespace corolla::engine::cuda
