// A libcuda.so.1 with the few driver calls that Corolla's slices use, and the SM tables of real
// GPUs. For tests on machines without one.
//
// COROLLA_FAKE_CUDA lists the devices: "H100", "A100-40GB,H200"; unset: one H100. "none": a driver
// that finds no device. CUDA_MPS_ACTIVE_THREAD_PERCENTAGE lowers the SM count that is reported, as
// under MPS; CUDA_MPS_PIPE_DIRECTORY makes the process known to the fake control daemon there.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct Gpu {
  const char* kind;
  const char* name;
  unsigned sms, major, minor;
  uint64_t memory;
  unsigned least, step;  // of a green context's SMs
  unsigned grouped;      // SMs that a split finds groups in, as read back from the device
};
constexpr Gpu kGpus[] = {
    {"A100-40GB", "NVIDIA A100-SXM4-40GB", 108, 8, 0, 42298834944, 4, 2, 108},
    {"A100-80GB", "NVIDIA A100-SXM4-80GB", 108, 8, 0, 85059305472, 4, 2, 108},
    {"H100", "NVIDIA H100 80GB HBM3", 132, 9, 0, 84942979072, 8, 8, 120},
    {"H200", "NVIDIA H200", 132, 9, 0, 150121545728, 8, 8, 120},
    {"T4", "Tesla T4", 40, 7, 5, 15642329088, 2, 2, 40},
    {"P100", "Tesla P100-PCIE-16GB", 56, 6, 0, 17059545088, 2, 2, 56},
};

const std::vector<const Gpu*>& devices() {
  static const std::vector<const Gpu*> all = [] {
    const char* said = std::getenv("COROLLA_FAKE_CUDA");
    std::string list = said ? said : "H100";
    std::vector<const Gpu*> found;
    for (size_t at = 0; at <= list.size();) {
      const size_t comma = std::min(list.find(',', at), list.size());
      for (const Gpu& gpu : kGpus)
        if (list.substr(at, comma - at) == gpu.kind) found.push_back(&gpu);
      at = comma + 1;
    }
    return found;
  }();
  return all;
}

struct Resource {
  int type;
  unsigned char padding[92];
  uint32_t sm_count;
  uint32_t least, step, grouped;  // grouped 0: what a split has left, which cannot be split again
};
constexpr int kSm = 1, kInvalidValue = 1, kNoDevice = 100, kInvalidDevice = 101,
              kInvalidResourceType = 914, kInvalidResourceConfiguration = 915;

bool known(int device) { return device >= 0 && device < static_cast<int>(devices().size()); }

unsigned under_mps(unsigned sms) {
  const char* percent = std::getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
  if (!percent) return sms;
  const unsigned share = static_cast<unsigned>(sms * std::atof(percent) / 100) / 2 * 2;
  return share < 2 ? 2 : share;
}

}  // namespace

extern "C" {

int cuInit(unsigned flags) {
  if (flags != 0) return kInvalidValue;
  if (const char* pipes = std::getenv("CUDA_MPS_PIPE_DIRECTORY")) {
    const std::string path = std::string(pipes) + "/clients/" + std::to_string(::getpid());
    if (std::FILE* file = std::fopen(path.c_str(), "w")) std::fclose(file);
  }
  return devices().empty() ? kNoDevice : 0;
}

int cuDeviceGetCount(int* count) {
  *count = static_cast<int>(devices().size());
  return 0;
}

int cuDeviceGet(int* device, int ordinal) {
  if (!known(ordinal)) return kInvalidDevice;
  *device = ordinal;
  return 0;
}

int cuDeviceGetName(char* name, int size, int device) {
  if (!known(device)) return kInvalidDevice;
  std::snprintf(name, static_cast<size_t>(size), "%s",
                devices()[static_cast<size_t>(device)]->name);
  return 0;
}

int cuDeviceGetUuid_v2(void* into, int device) {
  auto* uuid = static_cast<unsigned char*>(into);
  if (!known(device)) return kInvalidDevice;
  for (int i = 0; i < 16; ++i) uuid[i] = static_cast<unsigned char>(0xf0 + device - 17 * i);
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (!known(device)) return kInvalidDevice;
  const Gpu& gpu = *devices()[static_cast<size_t>(device)];
  switch (attribute) {
    case 16:
      *value = static_cast<int>(under_mps(gpu.sms));
      return 0;
    case 75:
      *value = static_cast<int>(gpu.major);
      return 0;
    case 76:
      *value = static_cast<int>(gpu.minor);
      return 0;
  }
  return kInvalidValue;
}

int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  if (!known(device)) return kInvalidDevice;
  *bytes = devices()[static_cast<size_t>(device)]->memory;
  return 0;
}

int cuDriverGetVersion(int* version) {
  *version = 12080;
  return 0;
}

int cuGetErrorName(int error, const char** name) {
  *name = error == kNoDevice                       ? "CUDA_ERROR_NO_DEVICE"
          : error == kInvalidDevice                ? "CUDA_ERROR_INVALID_DEVICE"
          : error == kInvalidResourceType          ? "CUDA_ERROR_INVALID_RESOURCE_TYPE"
          : error == kInvalidResourceConfiguration ? "CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION"
                                                   : "CUDA_ERROR_INVALID_VALUE";
  return 0;
}

int cuDeviceGetDevResource(int device, void* into, int type) {
  auto* resource = static_cast<Resource*>(into);
  if (!known(device)) return kInvalidDevice;
  if (type != kSm) return kInvalidResourceType;
  const Gpu& gpu = *devices()[static_cast<size_t>(device)];
  *resource = {kSm,       {},       under_mps(gpu.sms),
               gpu.least, gpu.step, std::min(gpu.grouped, under_mps(gpu.sms))};
  return 0;
}

int cuDevSmResourceSplitByCount(void* result_into, unsigned* groups, const void* from,
                                void* remaining_into, unsigned flags, unsigned least) {
  auto* result = static_cast<Resource*>(result_into);
  const auto* input = static_cast<const Resource*>(from);
  auto* remaining = static_cast<Resource*>(remaining_into);
  if (flags != 0 || !groups || !input || input->type != kSm || least == 0) return kInvalidValue;
  unsigned size = least < input->least ? input->least : least;
  size = (size + input->step - 1) / input->step * input->step;
  if (input->grouped == 0) return kInvalidResourceConfiguration;
  const unsigned fit = input->grouped / size;
  if (!result) {
    *groups = fit;
    return 0;
  }
  if (*groups == 0) return kInvalidValue;
  if (*groups > fit) *groups = fit;
  if (*groups == 0) return kInvalidResourceType;
  for (unsigned i = 0; i < *groups; ++i) {
    result[i] = *input;
    result[i].sm_count = size;
  }
  if (remaining) {
    *remaining = *input;
    remaining->sm_count = input->sm_count - *groups * size;
    remaining->grouped = 0;
  }
  return 0;
}

}  // extern "C"
