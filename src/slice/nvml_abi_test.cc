// Our declarations of NVML's interface against the public header, where that is installed.
#include "slice/nvml_abi.h"

#include <gtest/gtest.h>

#if __has_include(<nvml.h>)
namespace real {
#include <nvml.h>
}  // namespace real
#endif

namespace corolla::slice {
namespace {

using namespace nvml_abi;

// Sizes on 64-bit Linux, as the driver checks them by its version words.
TEST(NvmlAbi, StructuresHaveTheDriversSizes) {
  EXPECT_EQ(sizeof(nvmlGpuInstanceProfileInfo_v2_t), 152u);
  EXPECT_EQ(kProfileInfoVersion2, 152u | 2u << 24);
  EXPECT_EQ(sizeof(nvmlPciInfo_t), 68u);
  EXPECT_EQ(sizeof(nvmlProcessInfo_t), 24u);
  EXPECT_EQ(sizeof(nvmlDeviceAttributes_t), 40u);
  EXPECT_EQ(sizeof(nvmlGpuInstanceInfo_t), 24u);
  EXPECT_EQ(sizeof(nvmlComputeInstanceInfo_t), 32u);
  EXPECT_EQ(sizeof(nvmlComputeInstanceProfileInfo_t), 36u);
}

TEST(NvmlAbi, IsThatOfThePublicHeader) {
#if __has_include(<nvml.h>)
#define SAME_SIZE(type) static_assert(sizeof(::type) == sizeof(real::type))
#define SAME_PLACE(type, field) \
  static_assert(__builtin_offsetof(::type, field) == __builtin_offsetof(real::type, field))
  SAME_SIZE(nvmlGpuInstanceProfileInfo_v2_t);
  SAME_PLACE(nvmlGpuInstanceProfileInfo_v2_t, instanceCount);
  SAME_PLACE(nvmlGpuInstanceProfileInfo_v2_t, ofaCount);
  SAME_PLACE(nvmlGpuInstanceProfileInfo_v2_t, memorySizeMB);
  SAME_PLACE(nvmlGpuInstanceProfileInfo_v2_t, name);
  SAME_SIZE(nvmlPciInfo_t);
  SAME_PLACE(nvmlPciInfo_t, pciDeviceId);
  SAME_SIZE(nvmlMemory_t);
  SAME_SIZE(nvmlProcessInfo_t);
  SAME_PLACE(nvmlProcessInfo_t, computeInstanceId);
  SAME_SIZE(nvmlDeviceAttributes_t);
  SAME_PLACE(nvmlDeviceAttributes_t, computeInstanceSliceCount);
  SAME_SIZE(nvmlGpuInstancePlacement_t);
  SAME_SIZE(nvmlGpuInstanceInfo_t);
  SAME_PLACE(nvmlGpuInstanceInfo_t, placement);
  SAME_SIZE(nvmlComputeInstanceProfileInfo_t);
  SAME_SIZE(nvmlComputeInstanceInfo_t);
  SAME_PLACE(nvmlComputeInstanceInfo_t, placement);
  static_assert(kInUse == real::NVML_ERROR_IN_USE);
  static_assert(kInsufficientResources == real::NVML_ERROR_INSUFFICIENT_RESOURCES);
  static_assert(kResetRequired == real::NVML_ERROR_RESET_REQUIRED);
  static_assert(kNoPermission == real::NVML_ERROR_NO_PERMISSION);
  static_assert(kArgumentVersionMismatch == real::NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  static_assert(kInvalidState == real::NVML_ERROR_INVALID_STATE);
  static_assert(kComputeProfiles == NVML_COMPUTE_INSTANCE_PROFILE_COUNT);
#else
  GTEST_SKIP() << "nvml.h is not installed";
#endif
}

}  // namespace
}  // namespace corolla::slice
