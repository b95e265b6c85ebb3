// A libnvidia-ml.so.1 without a GPU: the symbols, structures and failure codes of the real one,
// over the tables of fake_tables.h. Programs find it by LD_LIBRARY_PATH, and know no difference.
//
// Environment, read at each call:
//   FAKE_NVML_STATE          the file that holds the devices (required)
//   FAKE_NVML_DEVICES        which devices a new file gets: "a100-40gb,h100-80gb*" (*: MIG on)
//   FAKE_NVML_LOG            a file to which every changing call appends a line
//   FAKE_NVML_FAIL=n         the n-th changing call since nvmlInit fails ...
//   FAKE_NVML_FAIL_CODE=c    ... with this code (999)
//   FAKE_NVML_FAIL_ALL=1     ... and so do all after it
//   FAKE_NVML_KILL=n         SIGKILL after the n-th changing call took effect
//   FAKE_NVML_NO_PERMISSION  privileged calls are refused, as for any user but root
//   FAKE_NVML_RESET          a change of MIG mode stays pending, with this activation status
//   FAKE_NVML_PROCESSES      "MIG-uuid=pid,GPU-uuid=pid": who pretends to run where
//   FAKE_NVML_SCAN           processes whose CUDA_VISIBLE_DEVICES names a MIG UUID run on it
//   FAKE_NVML_INIT           nvmlInit fails with this code
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fake_state.h"
#include "fake_tables.h"
#include "slice/nvml_abi.h"

#define FAKE_EXPORT __attribute__((visibility("default")))

namespace {

using namespace corolla::slice::nvml_abi;
using fake::Compute;
using fake::Device;
using fake::Instance;
using fake::LockedState;
using fake::Model;
using fake::Profile;

int users = 0;           // nvmlInit less nvmlShutdown
unsigned mutations = 0;  // of this process, since the first nvmlInit

const char* setting(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}
unsigned number(const char* name) {
  const char* value = setting(name);
  return value ? static_cast<unsigned>(std::atoi(value)) : 0;
}

// Handles are numbers in disguise: kind, device, instance id + 1, compute instance id + 1.
enum Kind : uintptr_t { kDevice = 1, kInstance = 2, kCompute = 3 };
template <class Handle>
Handle make_handle(Kind kind, unsigned device, unsigned instance = ~0u, unsigned compute = ~0u) {
  return reinterpret_cast<Handle>(kind << 48 | uintptr_t{device} << 32 |
                                  uintptr_t{(instance + 1) & 0xffff} << 16 |
                                  uintptr_t{(compute + 1) & 0xffff});
}
struct Where {
  Kind kind;
  unsigned device, instance, compute;  // ids; ~0u: none
  bool mig() const { return instance != ~0u; }
};
template <class Handle>
Where where(Handle handle) {
  const uintptr_t bits = reinterpret_cast<uintptr_t>(handle);
  return {static_cast<Kind>(bits >> 48), static_cast<unsigned>(bits >> 32 & 0xffff),
          static_cast<unsigned>(bits >> 16 & 0xffff) - 1, static_cast<unsigned>(bits & 0xffff) - 1};
}

const Model* model_of(const Device& device) {
  for (const Model& model : fake::models())
    if (std::strcmp(model.key, device.model) == 0) return &model;
  std::fprintf(stderr, "fake NVML: no model '%s'\n", device.model);
  std::abort();
}
const Profile* profile_by_id(const Model& model, unsigned id) {
  for (const Profile& profile : model.profiles)
    if (profile.id == id) return &profile;
  return nullptr;
}
Instance* find_instance(Device& device, unsigned id) {
  for (Instance& instance : device.instances)
    if (instance.used && instance.id == id) return &instance;
  return nullptr;
}
Compute* find_compute(Instance& instance, unsigned id) {
  for (Compute& compute : instance.compute)
    if (compute.used && compute.id == id) return &compute;
  return nullptr;
}

std::string gpu_uuid(unsigned device) {
  char text[96];
  std::snprintf(text, sizeof text, "GPU-fa4e0000-0000-4000-8000-%012x", device);
  return text;
}
std::string mig_uuid(unsigned device, unsigned serial) {
  char text[96];
  std::snprintf(text, sizeof text, "MIG-fa4e%04x-0000-5000-8000-%012x", device, serial);
  return text;
}

bool refused() { return setting("FAKE_NVML_NO_PERMISSION") || ::geteuid() != 0; }

// Called by each changing call when all its arguments are right: whether it is told to fail.
int before_change(const std::string& what) {
  ++mutations;
  if (const char* log = setting("FAKE_NVML_LOG")) {
    const int file = ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    const std::string line = what + "\n";
    if (file < 0 || ::write(file, line.data(), line.size()) < 0) std::abort();
    ::close(file);
  }
  const unsigned fail = number("FAKE_NVML_FAIL");
  if (fail != 0 && (mutations == fail || (mutations > fail && setting("FAKE_NVML_FAIL_ALL"))))
    return setting("FAKE_NVML_FAIL_CODE") ? static_cast<int>(number("FAKE_NVML_FAIL_CODE"))
                                          : kUnknown;
  return kSuccess;
}
// Called when it took effect and the state is on disk.
void after_change() {
  if (number("FAKE_NVML_KILL") == mutations && mutations != 0) ::kill(::getpid(), SIGKILL);
}

std::vector<unsigned> pids_on(const std::string& uuid) {
  std::vector<unsigned> pids;
  if (const char* list = setting("FAKE_NVML_PROCESSES")) {
    std::string_view rest = list;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view one = rest.substr(0, comma);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      const size_t equals = one.find('=');
      if (equals != std::string_view::npos && one.substr(0, equals) == uuid)
        pids.push_back(
            static_cast<unsigned>(std::atoi(std::string(one.substr(equals + 1)).c_str())));
    }
  }
  if (setting("FAKE_NVML_SCAN")) {
    DIR* proc = ::opendir("/proc");
    while (const dirent* entry = proc ? ::readdir(proc) : nullptr) {
      const int pid = std::atoi(entry->d_name);
      if (pid <= 0) continue;
      std::ifstream file("/proc/" + std::string(entry->d_name) + "/environ", std::ios::binary);
      std::string environment(std::istreambuf_iterator<char>(file), {});
      environment.insert(0, 1, '\0');
      if (environment.find(std::string(1, '\0') + "CUDA_VISIBLE_DEVICES=" + uuid) !=
          std::string::npos)
        pids.push_back(static_cast<unsigned>(pid));
    }
    if (proc) ::closedir(proc);
  }
  return pids;
}

int put_text(const std::string& text, char* out, unsigned length) {
  if (!out) return kInvalidArgument;
  if (text.size() + 1 > length) return kInsufficientSize;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return kSuccess;
}

// A MIG device by its handle: nullptr if it is none, or gone.
Compute* mig_device(Device& device, const Where& at, Instance** instance) {
  *instance = at.mig() ? find_instance(device, at.instance) : nullptr;
  return *instance ? find_compute(**instance, at.compute) : nullptr;
}

unsigned occupied_memory(const Model& model, const Device& device) {
  unsigned mask = 0;
  for (const Instance& instance : device.instances)
    if (instance.used)
      mask |= ((1u << profile_by_id(model, instance.profile)->memory_slices) - 1) << instance.start;
  return mask;
}

// What is left of compute slices and engines, and of the profile's own count, admits one more.
bool admits(const Model& model, const Device& device, const Profile& wanted) {
  unsigned slices = wanted.slices, decoders = wanted.decoders, jpegs = wanted.jpegs,
           ofas = wanted.ofas, same = 1;
  for (const Instance& instance : device.instances) {
    if (!instance.used) continue;
    const Profile& profile = *profile_by_id(model, instance.profile);
    slices += profile.slices;
    decoders += profile.decoders;
    jpegs += profile.jpegs;
    ofas += profile.ofas;
    same += profile.id == wanted.id;
  }
  const Profile& whole = *profile_by_id(model, 0);
  return slices <= model.slices && decoders <= whole.decoders && jpegs <= whole.jpegs &&
         ofas <= whole.ofas && same <= wanted.instances;
}

int create_instance(nvmlDevice_t handle, unsigned profile_id,
                    const nvmlGpuInstancePlacement_t* placement, nvmlGpuInstance_t* out) {
  const Where at = where(handle);
  unsigned id = 0;
  {
    LockedState state;
    if (at.kind != kDevice || at.mig() || at.device >= state->devices || !out)
      return kInvalidArgument;
    Device& device = state->device[at.device];
    const Model& model = *model_of(device);
    if (model.profiles.empty() || !device.mig) return kNotSupported;
    if (refused()) return kNoPermission;
    const Profile* profile = profile_by_id(model, profile_id);
    if (!profile) return kInvalidArgument;
    std::vector<unsigned> starts = profile->starts;
    if (placement) {
      if (placement->size != profile->memory_slices ||
          std::find(starts.begin(), starts.end(), placement->start) == starts.end())
        return kInvalidArgument;
      starts = {placement->start};
    }
    const unsigned mask = (1u << profile->memory_slices) - 1;
    const unsigned taken = occupied_memory(model, device);
    const auto start = std::find_if(starts.begin(), starts.end(),
                                    [&](unsigned s) { return (taken & mask << s) == 0; });
    if (const int told =
            before_change("create_gpu_instance " + std::to_string(at.device) + " " + profile->name +
                          "@" + std::to_string(start == starts.end() ? ~0u : *start));
        told != kSuccess)
      return told;
    if (start == starts.end() || !admits(model, device, *profile)) return kInsufficientResources;
    while (find_instance(device, ++id)) {
    }
    Instance* const slot = std::find_if(std::begin(device.instances), std::end(device.instances),
                                        [](const Instance& one) { return !one.used; });
    *slot = {true, id, profile_id, *start, {}};
    state.changed();
  }
  after_change();
  *out = make_handle<nvmlGpuInstance_t>(kInstance, at.device, id);
  return kSuccess;
}

int create_compute(nvmlGpuInstance_t handle, unsigned profile_id, nvmlComputeInstance_t* out) {
  const Where at = where(handle);
  unsigned id = 0;
  {
    LockedState state;
    if (at.kind != kInstance || at.device >= state->devices || !out) return kInvalidArgument;
    Device& device = state->device[at.device];
    Instance* const instance = find_instance(device, at.instance);
    if (!instance) return kInvalidArgument;
    if (refused()) return kNoPermission;
    const unsigned whole = profile_by_id(*model_of(device), instance->profile)->slices;
    const unsigned slices = fake::compute_slices_of(profile_id);
    const std::vector<unsigned> starts = fake::compute_starts(whole, slices);
    if (slices == 0 || starts.empty()) return kNotSupported;
    if (const int told =
            before_change("create_compute_instance " + std::to_string(at.device) + " " +
                          std::to_string(instance->id) + " " + std::to_string(slices) + "c");
        told != kSuccess)
      return told;
    unsigned taken = 0;
    for (const Compute& compute : instance->compute)
      if (compute.used) taken |= ((1u << compute.slices) - 1) << compute.start;
    const auto start = std::find_if(starts.begin(), starts.end(), [&](unsigned s) {
      return (taken & ((1u << slices) - 1) << s) == 0;
    });
    if (start == starts.end()) return kInsufficientResources;
    while (find_compute(*instance, id)) ++id;
    Compute* const slot = std::find_if(std::begin(instance->compute), std::end(instance->compute),
                                       [](const Compute& one) { return !one.used; });
    *slot = {true, id, slices, *start, ++state->serial};
    state.changed();
  }
  after_change();
  *out = make_handle<nvmlComputeInstance_t>(kCompute, at.device, at.instance, id);
  return kSuccess;
}

}  // namespace

extern "C" {

FAKE_EXPORT nvmlReturn_t nvmlInit_v2() {
  if (const unsigned code = number("FAKE_NVML_INIT")) return static_cast<int>(code);
  if (users++ == 0) mutations = 0;
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlShutdown() {
  if (users == 0) return kUninitialized;
  --users;
  return kSuccess;
}

FAKE_EXPORT const char* nvmlErrorString(nvmlReturn_t code) {
  switch (code) {
    case kSuccess:
      return "The operation was successful";
    case kUninitialized:
      return "Uninitialized";
    case kInvalidArgument:
      return "Invalid Argument";
    case kNotSupported:
      return "Not Supported";
    case kNoPermission:
      return "Insufficient Permissions";
    case kNotFound:
      return "Not Found";
    case kInsufficientSize:
      return "Insufficient Size";
    case kDriverNotLoaded:
      return "Driver Not Loaded";
    case kGpuIsLost:
      return "GPU is lost";
    case kResetRequired:
      return "GPU requires reset";
    case kVersionMismatch:
      return "Driver/library version mismatch";
    case kInUse:
      return "In use by another client";
    case kInsufficientResources:
      return "Insufficient Resources";
    default:
      return "Unknown Error";
  }
}

FAKE_EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return put_text("580.00.00", version, length);
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned* count) {
  if (!count) return kInvalidArgument;
  LockedState state;
  *count = state->devices;
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t* device) {
  if (users == 0) return kUninitialized;
  LockedState state;
  if (!device || index >= state->devices) return kInvalidArgument;
  *device = make_handle<nvmlDevice_t>(kDevice, index);
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t handle, char* name, unsigned length) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.device >= state->devices) return kInvalidArgument;
  Device& device = state->device[at.device];
  const Model& model = *model_of(device);
  std::string text = model.name;
  if (at.mig()) {
    Instance* instance = nullptr;
    const Compute* compute = mig_device(device, at, &instance);
    if (!compute) return kNotFound;
    const Profile& profile = *profile_by_id(model, instance->profile);
    text += " MIG ";
    if (compute->slices != profile.slices) text += std::to_string(compute->slices) + "c.";
    text += profile.name;
  }
  return put_text(text, name, length);
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t handle, char* uuid, unsigned length) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.device >= state->devices) return kInvalidArgument;
  if (!at.mig()) return put_text(gpu_uuid(at.device), uuid, length);
  Instance* instance = nullptr;
  const Compute* compute = mig_device(state->device[at.device], at, &instance);
  if (!compute) return kNotFound;
  return put_text(mig_uuid(at.device, compute->serial), uuid, length);
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t handle, nvmlPciInfo_t* pci) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !pci)
    return kInvalidArgument;
  *pci = {};
  pci->bus = 0x10 + at.device;
  pci->pciDeviceId = model_of(state->device[at.device])->pci_device_id;
  pci->pciSubSystemId = 0x16C110DE;
  std::snprintf(pci->busId, sizeof pci->busId, "00000000:%02X:00.0", pci->bus);
  std::snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "0000:%02X:00.0", pci->bus);
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t handle, nvmlMemory_t* memory) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.device >= state->devices || !memory) return kInvalidArgument;
  Device& device = state->device[at.device];
  const Model& model = *model_of(device);
  unsigned long long mib = model.memory_mib;
  if (at.mig()) {
    Instance* instance = nullptr;
    if (!mig_device(device, at, &instance)) return kNotFound;
    mib = profile_by_id(model, instance->profile)->memory_mib;
  }
  *memory = {mib << 20, mib << 20, 0};
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t handle,
                                                                 unsigned* count,
                                                                 nvmlProcessInfo_t* infos) {
  const Where at = where(handle);
  std::string uuid = gpu_uuid(at.device);
  {
    LockedState state;
    if (at.kind != kDevice || at.device >= state->devices || !count) return kInvalidArgument;
    if (at.mig()) {
      Instance* instance = nullptr;
      const Compute* compute = mig_device(state->device[at.device], at, &instance);
      if (!compute) return kNotFound;
      uuid = mig_uuid(at.device, compute->serial);
    }
  }
  const std::vector<unsigned> pids = pids_on(uuid);
  const unsigned room = *count;
  *count = static_cast<unsigned>(pids.size());
  if (room < pids.size()) return kInsufficientSize;
  for (size_t i = 0; i < pids.size(); ++i) {
    if (!infos) return kInvalidArgument;
    infos[i] = {pids[i], 1 << 20, at.instance, at.compute};
  }
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t, unsigned* count,
                                                                    nvmlProcessInfo_t*) {
  if (!count) return kInvalidArgument;
  *count = 0;
  return kSuccess;
}

#ifndef FAKE_NVML_OLD_DRIVER

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t handle, unsigned* current,
                                              unsigned* pending) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !current || !pending)
    return kInvalidArgument;
  const Device& device = state->device[at.device];
  if (model_of(device)->profiles.empty()) return kNotSupported;
  *current = device.mig;
  *pending = device.pending;
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t handle, unsigned mode,
                                              nvmlReturn_t* activation) {
  const Where at = where(handle);
  {
    LockedState state;
    if (at.kind != kDevice || at.mig() || at.device >= state->devices || mode > 1 || !activation)
      return kInvalidArgument;
    Device& device = state->device[at.device];
    if (model_of(device)->profiles.empty()) return kNotSupported;
    if (refused()) return kNoPermission;
    if (const int told = before_change("set_mig_mode " + std::to_string(at.device) + " " +
                                       (mode ? "on" : "off"));
        told != kSuccess)
      return told;
    for (const Instance& instance : device.instances)
      if (instance.used && mode == 0) return kInUse;
    device.pending = mode == 1;
    *activation = kSuccess;
    if (!pids_on(gpu_uuid(at.device)).empty()) *activation = kInUse;
    if (const unsigned code = number("FAKE_NVML_RESET")) *activation = static_cast<int>(code);
    if (*activation == kSuccess) device.mig = device.pending;
    state.changed();
  }
  after_change();
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t handle, unsigned* count) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !count)
    return kInvalidArgument;
  const Device& device = state->device[at.device];
  *count = device.mig ? model_of(device)->slices : 0;
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t handle, unsigned index,
                                                             nvmlDevice_t* mig) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !mig)
    return kInvalidArgument;
  Device& device = state->device[at.device];
  if (!device.mig) return kNotFound;
  unsigned seen = 0;
  for (Instance& instance : device.instances) {
    if (!instance.used) continue;
    for (Compute& compute : instance.compute) {
      if (!compute.used || seen++ != index) continue;
      *mig = make_handle<nvmlDevice_t>(kDevice, at.device, instance.id, compute.id);
      return kSuccess;
    }
  }
  return kNotFound;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t handle, unsigned* id) {
  const Where at = where(handle);
  if (!at.mig() || !id) return kInvalidArgument;
  *id = at.instance;
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t handle, unsigned* id) {
  const Where at = where(handle);
  if (!at.mig() || !id) return kInvalidArgument;
  *id = at.compute;
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t handle,
                                                    nvmlDeviceAttributes_t* attributes) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.device >= state->devices || !attributes) return kInvalidArgument;
  if (!at.mig()) return kNotSupported;
  Device& device = state->device[at.device];
  Instance* instance = nullptr;
  const Compute* compute = mig_device(device, at, &instance);
  if (!compute) return kNotFound;
  const Profile& profile = *profile_by_id(*model_of(device), instance->profile);
  *attributes = {profile.sm * compute->slices / profile.slices,
                 profile.copy,
                 profile.decoders,
                 0,
                 profile.jpegs,
                 profile.ofas,
                 profile.slices,
                 compute->slices,
                 profile.memory_mib};
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(
    nvmlDevice_t handle, unsigned index, nvmlGpuInstanceProfileInfo_v2_t* info) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !info || index >= 0x11)
    return kInvalidArgument;
  if (info->version != kProfileInfoVersion2) return kArgumentVersionMismatch;
  for (const Profile& profile : model_of(state->device[at.device])->profiles) {
    if (profile.index != index) continue;
    *info = {kProfileInfoVersion2,
             profile.id,
             0,
             profile.slices,
             profile.instances,
             profile.sm,
             profile.copy,
             profile.decoders,
             0,
             profile.jpegs,
             profile.ofas,
             profile.memory_mib,
             {}};
    std::snprintf(info->name, sizeof info->name, "MIG %s", profile.name);
    return kSuccess;
  }
  return kNotSupported;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(
    nvmlDevice_t handle, unsigned profile_id, nvmlGpuInstancePlacement_t* placements,
    unsigned* count) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !count)
    return kInvalidArgument;
  const Model& model = *model_of(state->device[at.device]);
  if (model.profiles.empty()) return kNotSupported;
  if (refused()) return kNoPermission;
  const Profile* profile = profile_by_id(model, profile_id);
  if (!profile) return kNotSupported;
  if (placements && *count < profile->starts.size()) return kInsufficientSize;
  *count = static_cast<unsigned>(profile->starts.size());
  for (size_t i = 0; placements && i < profile->starts.size(); ++i)
    placements[i] = {profile->starts[i], profile->memory_slices};
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t handle,
                                                                   unsigned profile_id,
                                                                   unsigned* count) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !count)
    return kInvalidArgument;
  Device device = state->device[at.device];  // a copy to fill
  const Model& model = *model_of(device);
  if (model.profiles.empty()) return kNotSupported;
  if (refused()) return kNoPermission;
  const Profile* profile = profile_by_id(model, profile_id);
  if (!profile) return kInvalidArgument;
  *count = 0;
  for (const unsigned start : profile->starts) {
    if (occupied_memory(model, device) & ((1u << profile->memory_slices) - 1) << start) continue;
    if (!admits(model, device, *profile)) break;
    Instance* const slot = std::find_if(std::begin(device.instances), std::end(device.instances),
                                        [](const Instance& one) { return !one.used; });
    *slot = {true, 100 + start, profile_id, start, {}};
    ++*count;
  }
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t handle, unsigned profile_id,
                                                     nvmlGpuInstance_t* out) {
  return create_instance(handle, profile_id, nullptr, out);
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(
    nvmlDevice_t handle, unsigned profile_id, const nvmlGpuInstancePlacement_t* placement,
    nvmlGpuInstance_t* out) {
  if (!placement) return kInvalidArgument;
  return create_instance(handle, profile_id, placement, out);
}

FAKE_EXPORT nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t handle) {
  const Where at = where(handle);
  {
    LockedState state;
    if (at.kind != kInstance || at.device >= state->devices) return kInvalidArgument;
    Instance* const instance = find_instance(state->device[at.device], at.instance);
    if (!instance) return kInvalidArgument;
    if (refused()) return kNoPermission;
    if (const int told = before_change("destroy_gpu_instance " + std::to_string(at.device) + " " +
                                       std::to_string(at.instance));
        told != kSuccess)
      return told;
    for (const Compute& compute : instance->compute)
      if (compute.used) return kInUse;
    *instance = {};
    state.changed();
  }
  after_change();
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t handle, unsigned profile_id,
                                                   nvmlGpuInstance_t* out, unsigned* count) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !out || !count)
    return kInvalidArgument;
  Device& device = state->device[at.device];
  if (model_of(device)->profiles.empty()) return kNotSupported;
  if (refused()) return kNoPermission;
  *count = 0;
  for (const Instance& instance : device.instances)
    if (instance.used && instance.profile == profile_id)
      out[(*count)++] = make_handle<nvmlGpuInstance_t>(kInstance, at.device, instance.id);
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t handle, unsigned id,
                                                      nvmlGpuInstance_t* out) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kDevice || at.mig() || at.device >= state->devices || !out)
    return kInvalidArgument;
  if (refused()) return kNoPermission;
  if (!find_instance(state->device[at.device], id)) return kNotFound;
  *out = make_handle<nvmlGpuInstance_t>(kInstance, at.device, id);
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t handle,
                                                nvmlGpuInstanceInfo_t* info) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kInstance || at.device >= state->devices || !info) return kInvalidArgument;
  Device& device = state->device[at.device];
  const Instance* instance = find_instance(device, at.instance);
  if (!instance) return kInvalidArgument;
  *info = {make_handle<nvmlDevice_t>(kDevice, at.device),
           instance->id,
           instance->profile,
           {instance->start, profile_by_id(*model_of(device), instance->profile)->memory_slices}};
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(
    nvmlGpuInstance_t handle, unsigned index, unsigned engine,
    nvmlComputeInstanceProfileInfo_t* info) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kInstance || at.device >= state->devices || !info || index >= kComputeProfiles ||
      engine != kEngineShared)
    return kInvalidArgument;
  Device& device = state->device[at.device];
  const Instance* instance = find_instance(device, at.instance);
  if (!instance) return kInvalidArgument;
  const Profile& profile = *profile_by_id(*model_of(device), instance->profile);
  const unsigned slices = fake::compute_slices_of(index);
  const std::vector<unsigned> starts = fake::compute_starts(profile.slices, slices);
  if (slices == 0 || starts.empty()) return kNotSupported;
  *info = {index,
           slices,
           static_cast<unsigned>(starts.size()),
           profile.sm * slices / profile.slices,
           profile.copy,
           profile.decoders,
           0,
           profile.jpegs,
           profile.ofas};
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t handle,
                                                              unsigned profile_id,
                                                              nvmlComputeInstance_t* out) {
  return create_compute(handle, profile_id, out);
}

FAKE_EXPORT nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t handle) {
  const Where at = where(handle);
  {
    LockedState state;
    if (at.kind != kCompute || at.device >= state->devices) return kInvalidArgument;
    Instance* instance = nullptr;
    Compute* const compute = mig_device(state->device[at.device], at, &instance);
    if (!compute) return kInvalidArgument;
    if (refused()) return kNoPermission;
    if (const int told =
            before_change("destroy_compute_instance " + std::to_string(at.device) + " " +
                          std::to_string(at.instance) + " " + std::to_string(at.compute));
        told != kSuccess)
      return told;
    if (!pids_on(mig_uuid(at.device, compute->serial)).empty()) return kInUse;
    *compute = {};
    state.changed();
  }
  after_change();
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t handle,
                                                            unsigned profile_id,
                                                            nvmlComputeInstance_t* out,
                                                            unsigned* count) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kInstance || at.device >= state->devices || !out || !count)
    return kInvalidArgument;
  const Instance* instance = find_instance(state->device[at.device], at.instance);
  if (!instance) return kInvalidArgument;
  if (refused()) return kNoPermission;
  *count = 0;
  for (const Compute& compute : instance->compute)
    if (compute.used && compute.slices == fake::compute_slices_of(profile_id))
      out[(*count)++] =
          make_handle<nvmlComputeInstance_t>(kCompute, at.device, instance->id, compute.id);
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t handle,
                                                               unsigned id,
                                                               nvmlComputeInstance_t* out) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kInstance || at.device >= state->devices || !out) return kInvalidArgument;
  Instance* const instance = find_instance(state->device[at.device], at.instance);
  if (!instance) return kInvalidArgument;
  if (!find_compute(*instance, id)) return kNotFound;
  *out = make_handle<nvmlComputeInstance_t>(kCompute, at.device, at.instance, id);
  return kSuccess;
}

FAKE_EXPORT nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t handle,
                                                       nvmlComputeInstanceInfo_t* info) {
  const Where at = where(handle);
  LockedState state;
  if (at.kind != kCompute || at.device >= state->devices || !info) return kInvalidArgument;
  Instance* instance = nullptr;
  const Compute* compute = mig_device(state->device[at.device], at, &instance);
  if (!compute) return kInvalidArgument;
  unsigned profile = 0;
  while (fake::compute_slices_of(profile) != compute->slices) ++profile;
  *info = {make_handle<nvmlDevice_t>(kDevice, at.device),
           make_handle<nvmlGpuInstance_t>(kInstance, at.device, at.instance),
           compute->id,
           profile,
           {compute->start, compute->slices}};
  return kSuccess;
}

#endif  // FAKE_NVML_OLD_DRIVER

}  // extern "C"
