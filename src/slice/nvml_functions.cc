#include "slice/nvml_functions.h"

#include <dlfcn.h>

#include <cstring>

namespace corolla::slice {

void OpenNvml::close() {
  functions.nvmlShutdown();
  ::dlclose(library);
}

Result<OpenNvml> load_nvml(const std::string& library) {
  OpenNvml open;
  open.library = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!open.library) {
    const char* why = ::dlerror();
    return Error{Code::kUnavailable, std::string("there is no NVIDIA driver on this machine (") +
                                         (why ? why : library.c_str()) + ")"};
  }
  std::string missing;
  const auto find = [&](auto& function, const char* name) {
    void* symbol = ::dlsym(open.library, name);
    if (!symbol) missing += (missing.empty() ? "" : ", ") + std::string(name);
    std::memcpy(&function, &symbol, sizeof symbol);
  };
#define COROLLA_NVML(name) find(open.functions.name, #name)
  COROLLA_NVML(nvmlInit_v2);
  COROLLA_NVML(nvmlShutdown);
  COROLLA_NVML(nvmlErrorString);
  COROLLA_NVML(nvmlSystemGetDriverVersion);
  COROLLA_NVML(nvmlDeviceGetCount_v2);
  COROLLA_NVML(nvmlDeviceGetHandleByIndex_v2);
  COROLLA_NVML(nvmlDeviceGetName);
  COROLLA_NVML(nvmlDeviceGetUUID);
  COROLLA_NVML(nvmlDeviceGetPciInfo_v3);
  COROLLA_NVML(nvmlDeviceGetMemoryInfo);
  COROLLA_NVML(nvmlDeviceGetComputeRunningProcesses_v3);
  COROLLA_NVML(nvmlDeviceGetMPSComputeRunningProcesses_v3);
  COROLLA_NVML(nvmlDeviceGetMigMode);
  COROLLA_NVML(nvmlDeviceSetMigMode);
  COROLLA_NVML(nvmlDeviceGetMaxMigDeviceCount);
  COROLLA_NVML(nvmlDeviceGetMigDeviceHandleByIndex);
  COROLLA_NVML(nvmlDeviceGetGpuInstanceId);
  COROLLA_NVML(nvmlDeviceGetComputeInstanceId);
  COROLLA_NVML(nvmlDeviceGetAttributes_v2);
  COROLLA_NVML(nvmlDeviceGetGpuInstanceProfileInfoV);
  COROLLA_NVML(nvmlDeviceGetGpuInstancePossiblePlacements_v2);
  COROLLA_NVML(nvmlDeviceGetGpuInstanceRemainingCapacity);
  COROLLA_NVML(nvmlDeviceCreateGpuInstanceWithPlacement);
  COROLLA_NVML(nvmlGpuInstanceDestroy);
  COROLLA_NVML(nvmlDeviceGetGpuInstances);
  COROLLA_NVML(nvmlDeviceGetGpuInstanceById);
  COROLLA_NVML(nvmlGpuInstanceGetInfo);
  COROLLA_NVML(nvmlGpuInstanceGetComputeInstanceProfileInfo);
  COROLLA_NVML(nvmlGpuInstanceCreateComputeInstance);
  COROLLA_NVML(nvmlComputeInstanceDestroy);
  COROLLA_NVML(nvmlGpuInstanceGetComputeInstances);
  COROLLA_NVML(nvmlGpuInstanceGetComputeInstanceById);
  COROLLA_NVML(nvmlComputeInstanceGetInfo_v2);
#undef COROLLA_NVML
  if (!missing.empty()) {
    ::dlclose(open.library);
    return Error{Code::kUnsupported,
                 "the NVIDIA driver is too old: its " + library + " lacks " + missing};
  }
  if (const nvmlReturn_t answer = open.functions.nvmlInit_v2(); answer != nvml_abi::kSuccess) {
    const char* text = open.functions.nvmlErrorString(answer);
    Error error{answer == nvml_abi::kNoPermission ? Code::kPermission : Code::kUnavailable,
                std::string("the NVIDIA driver cannot be used: ") + (text ? text : "unknown")};
    ::dlclose(open.library);
    return error;
  }
  return open;
}

}  // namespace corolla::slice
