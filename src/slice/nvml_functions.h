// The functions of NVIDIA's management library that are called, found in the library when it is
// opened. For nvml_library.cc alone.
#pragma once
#include <string>

#include "base/result.h"
#include "slice/nvml_abi.h"

namespace corolla::slice {

// A driver that lacks one of these is too old.
struct NvmlFunctions {
  nvmlReturn_t (*nvmlInit_v2)();
  nvmlReturn_t (*nvmlShutdown)();
  const char* (*nvmlErrorString)(nvmlReturn_t);
  nvmlReturn_t (*nvmlSystemGetDriverVersion)(char*, unsigned);
  nvmlReturn_t (*nvmlDeviceGetCount_v2)(unsigned*);
  nvmlReturn_t (*nvmlDeviceGetHandleByIndex_v2)(unsigned, nvmlDevice_t*);
  nvmlReturn_t (*nvmlDeviceGetName)(nvmlDevice_t, char*, unsigned);
  nvmlReturn_t (*nvmlDeviceGetUUID)(nvmlDevice_t, char*, unsigned);
  nvmlReturn_t (*nvmlDeviceGetPciInfo_v3)(nvmlDevice_t, nvmlPciInfo_t*);
  nvmlReturn_t (*nvmlDeviceGetMemoryInfo)(nvmlDevice_t, nvmlMemory_t*);
  nvmlReturn_t (*nvmlDeviceGetComputeRunningProcesses_v3)(nvmlDevice_t, unsigned*,
                                                          nvmlProcessInfo_t*);
  nvmlReturn_t (*nvmlDeviceGetMPSComputeRunningProcesses_v3)(nvmlDevice_t, unsigned*,
                                                             nvmlProcessInfo_t*);
  nvmlReturn_t (*nvmlDeviceGetMigMode)(nvmlDevice_t, unsigned*, unsigned*);
  nvmlReturn_t (*nvmlDeviceSetMigMode)(nvmlDevice_t, unsigned, nvmlReturn_t*);
  nvmlReturn_t (*nvmlDeviceGetMaxMigDeviceCount)(nvmlDevice_t, unsigned*);
  nvmlReturn_t (*nvmlDeviceGetMigDeviceHandleByIndex)(nvmlDevice_t, unsigned, nvmlDevice_t*);
  nvmlReturn_t (*nvmlDeviceGetGpuInstanceId)(nvmlDevice_t, unsigned*);
  nvmlReturn_t (*nvmlDeviceGetComputeInstanceId)(nvmlDevice_t, unsigned*);
  nvmlReturn_t (*nvmlDeviceGetAttributes_v2)(nvmlDevice_t, nvmlDeviceAttributes_t*);
  nvmlReturn_t (*nvmlDeviceGetGpuInstanceProfileInfoV)(nvmlDevice_t, unsigned,
                                                       nvmlGpuInstanceProfileInfo_v2_t*);
  nvmlReturn_t (*nvmlDeviceGetGpuInstancePossiblePlacements_v2)(nvmlDevice_t, unsigned,
                                                                nvmlGpuInstancePlacement_t*,
                                                                unsigned*);
  nvmlReturn_t (*nvmlDeviceGetGpuInstanceRemainingCapacity)(nvmlDevice_t, unsigned, unsigned*);
  nvmlReturn_t (*nvmlDeviceCreateGpuInstanceWithPlacement)(nvmlDevice_t, unsigned,
                                                           const nvmlGpuInstancePlacement_t*,
                                                           nvmlGpuInstance_t*);
  nvmlReturn_t (*nvmlGpuInstanceDestroy)(nvmlGpuInstance_t);
  nvmlReturn_t (*nvmlDeviceGetGpuInstances)(nvmlDevice_t, unsigned, nvmlGpuInstance_t*, unsigned*);
  nvmlReturn_t (*nvmlDeviceGetGpuInstanceById)(nvmlDevice_t, unsigned, nvmlGpuInstance_t*);
  nvmlReturn_t (*nvmlGpuInstanceGetInfo)(nvmlGpuInstance_t, nvmlGpuInstanceInfo_t*);
  nvmlReturn_t (*nvmlGpuInstanceGetComputeInstanceProfileInfo)(nvmlGpuInstance_t, unsigned,
                                                               unsigned,
                                                               nvmlComputeInstanceProfileInfo_t*);
  nvmlReturn_t (*nvmlGpuInstanceCreateComputeInstance)(nvmlGpuInstance_t, unsigned,
                                                       nvmlComputeInstance_t*);
  nvmlReturn_t (*nvmlComputeInstanceDestroy)(nvmlComputeInstance_t);
  nvmlReturn_t (*nvmlGpuInstanceGetComputeInstances)(nvmlGpuInstance_t, unsigned,
                                                     nvmlComputeInstance_t*, unsigned*);
  nvmlReturn_t (*nvmlGpuInstanceGetComputeInstanceById)(nvmlGpuInstance_t, unsigned,
                                                        nvmlComputeInstance_t*);
  nvmlReturn_t (*nvmlComputeInstanceGetInfo_v2)(nvmlComputeInstance_t, nvmlComputeInstanceInfo_t*);
};

// An open library, initialised, until close().
struct OpenNvml {
  void* library = nullptr;
  NvmlFunctions functions = {};
  void close();
};

// Errors: see open_nvml in nvml_library.h.
Result<OpenNvml> load_nvml(const std::string& library);

}  // namespace corolla::slice
