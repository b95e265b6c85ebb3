#include "slice/nvml_library.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "slice/mig_planner.h"
#include "slice/nvml_abi.h"
#include "slice/nvml_functions.h"

namespace corolla::slice {
namespace {

using namespace nvml_abi;

std::string read_name(uint32_t pid) {
  std::string name;
  std::ifstream command("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::getline(command, name, '\0');
  if (const size_t slash = name.rfind('/'); slash != std::string::npos) name.erase(0, slash + 1);
  if (name.empty()) {
    std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
    std::getline(comm, name);
  }
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return name.substr(0, 64);
}

Code code_of(nvmlReturn_t answer) {
  switch (answer) {
    case kInvalidArgument:
      return Code::kInvalidArgument;
    case kNotSupported:
    case kFunctionNotFound:
    case kArgumentVersionMismatch:
      return Code::kUnsupported;
    case kNoPermission:
      return Code::kPermission;
    case kNotFound:
      return Code::kNotFound;
    case kInUse:
      return Code::kBusy;
    case kDriverNotLoaded:
    case kTimeout:
    case kGpuIsLost:
    case kResetRequired:
    case kVersionMismatch:
    case kInsufficientResources:
    case kNotReady:
    case kInvalidState:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

class NvmlLibrary final : public Nvml {
 public:
  explicit NvmlLibrary(const OpenNvml& open) : open_(open), nvml_(open_.functions) {}
  ~NvmlLibrary() override { open_.close(); }
  NvmlLibrary(const NvmlLibrary&) = delete;
  NvmlLibrary& operator=(const NvmlLibrary&) = delete;

  std::string driver_version() override {
    char version[kVersionBytes] = {};
    return nvml_.nvmlSystemGetDriverVersion(version, sizeof version) == kSuccess ? version
                                                                                 : "unknown";
  }

  Result<uint32_t> device_count() override {
    unsigned count = 0;
    RETURN_IF_ERROR(check(nvml_.nvmlDeviceGetCount_v2(&count), "nvmlDeviceGetCount"));
    return uint32_t{count};
  }

  Result<Gpu> gpu(uint32_t device) override {
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    Gpu gpu;
    gpu.index = device;
    const std::string on = " of GPU " + std::to_string(device);
    char name[kNameBytes] = {}, uuid[kUuidBytes] = {};
    RETURN_IF_ERROR(
        check(nvml_.nvmlDeviceGetName(handle, name, sizeof name), "nvmlDeviceGetName" + on));
    RETURN_IF_ERROR(
        check(nvml_.nvmlDeviceGetUUID(handle, uuid, sizeof uuid), "nvmlDeviceGetUUID" + on));
    gpu.name = name;
    gpu.uuid = uuid;
    nvmlPciInfo_t pci = {};
    RETURN_IF_ERROR(
        check(nvml_.nvmlDeviceGetPciInfo_v3(handle, &pci), "nvmlDeviceGetPciInfo" + on));
    gpu.pci_device_id = pci.pciDeviceId;
    gpu.pci_subsystem_id = pci.pciSubSystemId;
    nvmlMemory_t memory = {};
    // Some integrated devices have no memory of their own.
    if (nvml_.nvmlDeviceGetMemoryInfo(handle, &memory) == kSuccess) gpu.memory_bytes = memory.total;
    unsigned current = 0, pending = 0;
    const nvmlReturn_t mode = nvml_.nvmlDeviceGetMigMode(handle, &current, &pending);
    if (mode == kNotSupported) return gpu;
    RETURN_IF_ERROR(check(mode, "nvmlDeviceGetMigMode" + on));
    gpu.mig_capable = true;
    gpu.mig_on = current == 1;
    gpu.mig_pending = pending == 1;
    return gpu;
  }

  Result<std::vector<Process>> processes(uint32_t device) override {
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    return processes_on(handle);
  }

  Result<ProfileTable> profiles(uint32_t device) override {
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    ASSIGN_OR_RETURN(const Gpu gpu, this->gpu(device));
    ProfileTable table;
    table.device = gpu.name;
    if (!gpu.mig_capable) return table;
    const std::string on = " of GPU " + std::to_string(device);
    for (unsigned index = 0; index < kMostProfiles; ++index) {
      nvmlGpuInstanceProfileInfo_v2_t info = {};
      info.version = kProfileInfoVersion2;
      const nvmlReturn_t answer = nvml_.nvmlDeviceGetGpuInstanceProfileInfoV(handle, index, &info);
      if (answer == kInvalidArgument) break;  // past the last that the driver knows
      if (answer == kNotSupported) continue;
      RETURN_IF_ERROR(check(answer, "nvmlDeviceGetGpuInstanceProfileInfoV" + on));
      MigProfile profile;
      profile.id = info.id;
      profile.name = std::string(info.name, ::strnlen(info.name, sizeof info.name));
      if (profile.name.starts_with("MIG ")) profile.name.erase(0, 4);
      profile.slices = info.sliceCount;
      profile.instances = info.instanceCount;
      profile.sm_count = info.multiprocessorCount;
      profile.decoders = info.decoderCount;
      profile.encoders = info.encoderCount;
      profile.jpegs = info.jpegCount;
      profile.ofas = info.ofaCount;
      profile.memory_mib = info.memorySizeMB;
      unsigned count = 0;
      nvmlReturn_t told =
          nvml_.nvmlDeviceGetGpuInstancePossiblePlacements_v2(handle, info.id, nullptr, &count);
      std::vector<nvmlGpuInstancePlacement_t> placements(count);
      if (told == kSuccess && count > 0)
        told = nvml_.nvmlDeviceGetGpuInstancePossiblePlacements_v2(handle, info.id,
                                                                   placements.data(), &count);
      if (told != kNoPermission)
        RETURN_IF_ERROR(check(told, "nvmlDeviceGetGpuInstancePossiblePlacements" + on));
      else
        count = 0;
      for (unsigned i = 0; i < count && i < placements.size(); ++i)
        profile.placements.push_back({placements[i].start, placements[i].size});
      std::sort(profile.placements.begin(), profile.placements.end());
      table.profiles.push_back(std::move(profile));
    }
    return table;
  }

  Result<uint32_t> room_for(uint32_t device, uint32_t profile_id) override {
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    unsigned count = 0;
    RETURN_IF_ERROR(
        check(nvml_.nvmlDeviceGetGpuInstanceRemainingCapacity(handle, profile_id, &count),
              "nvmlDeviceGetGpuInstanceRemainingCapacity of GPU " + std::to_string(device)));
    return uint32_t{count};
  }

  Result<std::vector<MigDevice>> mig_devices(uint32_t device) override {
    ASSIGN_OR_RETURN(const Gpu gpu, this->gpu(device));
    std::vector<MigDevice> devices;
    if (!gpu.mig_on) return devices;
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    ASSIGN_OR_RETURN(const ProfileTable table, profiles(device));
    const std::string on = " of GPU " + std::to_string(device);
    unsigned most = 0;
    RETURN_IF_ERROR(check(nvml_.nvmlDeviceGetMaxMigDeviceCount(handle, &most),
                          "nvmlDeviceGetMaxMigDeviceCount" + on));
    for (unsigned i = 0; i < most; ++i) {
      nvmlDevice_t mig = nullptr;
      const nvmlReturn_t found = nvml_.nvmlDeviceGetMigDeviceHandleByIndex(handle, i, &mig);
      if (found == kNotFound) continue;
      RETURN_IF_ERROR(check(found, "nvmlDeviceGetMigDeviceHandleByIndex" + on));
      MigDevice one;
      char uuid[kUuidBytes] = {}, name[kNameBytes] = {};
      nvmlDeviceAttributes_t attributes = {};
      unsigned instance = 0, compute = 0;
      nvmlReturn_t told = nvml_.nvmlDeviceGetUUID(mig, uuid, sizeof uuid);
      if (told == kSuccess) told = nvml_.nvmlDeviceGetGpuInstanceId(mig, &instance);
      if (told == kSuccess) told = nvml_.nvmlDeviceGetComputeInstanceId(mig, &compute);
      if (told == kSuccess) told = nvml_.nvmlDeviceGetAttributes_v2(mig, &attributes);
      if (told == kSuccess) told = nvml_.nvmlDeviceGetName(mig, name, sizeof name);
      if (told == kNotFound) continue;  // went while it was looked at
      RETURN_IF_ERROR(check(told, "asking about MIG device " + std::to_string(i) + on));
      one.uuid = uuid;
      one.gpu_instance = instance;
      one.compute_instance = compute;
      one.slices = attributes.computeInstanceSliceCount;
      one.sm_count = static_cast<uint32_t>(attributes.multiprocessorCount);
      one.memory_mib = attributes.memorySizeMB;
      one.profile = profile_of(handle, table, instance, attributes, name);
      ASSIGN_OR_RETURN(one.processes, processes_on(mig));
      devices.push_back(std::move(one));
    }
    std::sort(devices.begin(), devices.end(), [](const MigDevice& a, const MigDevice& b) {
      return std::pair(a.gpu_instance, a.compute_instance) <
             std::pair(b.gpu_instance, b.compute_instance);
    });
    return devices;
  }

  Result<std::vector<GpuInstance>> instances(uint32_t device) override {
    std::vector<GpuInstance> instances;
    ASSIGN_OR_RETURN(const Gpu gpu, this->gpu(device));
    if (!gpu.mig_on) return instances;
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    ASSIGN_OR_RETURN(const ProfileTable table, profiles(device));
    ASSIGN_OR_RETURN(const std::vector<MigDevice> devices, mig_devices(device));
    const std::string on = " of GPU " + std::to_string(device);
    for (const MigProfile& profile : table.profiles) {
      std::vector<nvmlGpuInstance_t> handles(std::max(profile.instances, kMostInstances));
      unsigned count = static_cast<unsigned>(handles.size());
      RETURN_IF_ERROR(
          check(nvml_.nvmlDeviceGetGpuInstances(handle, profile.id, handles.data(), &count),
                "nvmlDeviceGetGpuInstances" + on));
      for (unsigned i = 0; i < count && i < handles.size(); ++i) {
        nvmlGpuInstanceInfo_t info = {};
        RETURN_IF_ERROR(
            check(nvml_.nvmlGpuInstanceGetInfo(handles[i], &info), "nvmlGpuInstanceGetInfo" + on));
        GpuInstance instance{
            info.id, info.profileId, {info.placement.start, info.placement.size}, {}};
        ASSIGN_OR_RETURN(instance.devices, compute_instances(handles[i], profile, info.id, on));
        for (MigDevice& one : instance.devices)
          for (const MigDevice& known : devices)
            if (known.gpu_instance == info.id && known.compute_instance == one.compute_instance)
              one = known;
        instances.push_back(std::move(instance));
      }
    }
    std::sort(instances.begin(), instances.end(),
              [](const GpuInstance& a, const GpuInstance& b) { return a.extent < b.extent; });
    return instances;
  }

  Status set_mig_mode(uint32_t device, bool on) override {
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    nvmlReturn_t activation = kSuccess;
    RETURN_IF_ERROR(check(nvml_.nvmlDeviceSetMigMode(handle, on ? 1 : 0, &activation),
                          std::string("nvmlDeviceSetMigMode ") + (on ? "on" : "off") + " of GPU " +
                              std::to_string(device)));
    if (activation == kSuccess) return ok();
    return Error{Code::kUnavailable,
                 "MIG mode of GPU " + std::to_string(device) + " is now pending " +
                     (on ? "on" : "off") +
                     " and comes with the GPU's next reset (the driver says: " + said(activation) +
                     "); stop whatever uses the GPU, run 'nvidia-smi --gpu-reset -i " +
                     std::to_string(device) + "' or reboot, and repeat the command"};
  }

  Result<uint32_t> create_gpu_instance(uint32_t device, uint32_t profile_id,
                                       Extent extent) override {
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    const nvmlGpuInstancePlacement_t placement{extent.start, extent.size};
    const std::string what = "a GPU instance of profile " + std::to_string(profile_id) + " at " +
                             std::to_string(extent.start) + " of GPU " + std::to_string(device);
    nvmlGpuInstance_t made = nullptr;
    RETURN_IF_ERROR(
        check(nvml_.nvmlDeviceCreateGpuInstanceWithPlacement(handle, profile_id, &placement, &made),
              "making " + what + " (nvmlDeviceCreateGpuInstanceWithPlacement)"));
    nvmlGpuInstanceInfo_t info = {};
    RETURN_IF_ERROR(check(nvml_.nvmlGpuInstanceGetInfo(made, &info), "asking about " + what));
    return uint32_t{info.id};
  }

  Status destroy_gpu_instance(uint32_t device, uint32_t gpu_instance) override {
    ASSIGN_OR_RETURN(const nvmlGpuInstance_t instance, instance_of(device, gpu_instance));
    return check(nvml_.nvmlGpuInstanceDestroy(instance),
                 "removing GPU instance " + std::to_string(gpu_instance) + " of GPU " +
                     std::to_string(device) + " (nvmlGpuInstanceDestroy)");
  }

  Result<uint32_t> create_compute_instance(uint32_t device, uint32_t gpu_instance,
                                           uint32_t slices) override {
    ASSIGN_OR_RETURN(const nvmlGpuInstance_t instance, instance_of(device, gpu_instance));
    const std::string what = "a compute instance of " + std::to_string(slices) +
                             " slices in GPU instance " + std::to_string(gpu_instance) +
                             " of GPU " + std::to_string(device);
    for (unsigned index = 0; index < kComputeProfiles; ++index) {
      nvmlComputeInstanceProfileInfo_t profile = {};
      const nvmlReturn_t known = nvml_.nvmlGpuInstanceGetComputeInstanceProfileInfo(
          instance, index, kEngineShared, &profile);
      if (known == kNotSupported || known == kInvalidArgument) continue;
      RETURN_IF_ERROR(check(
          known, "nvmlGpuInstanceGetComputeInstanceProfileInfo of GPU " + std::to_string(device)));
      if (profile.sliceCount != slices) continue;
      nvmlComputeInstance_t made = nullptr;
      RETURN_IF_ERROR(check(nvml_.nvmlGpuInstanceCreateComputeInstance(instance, profile.id, &made),
                            "making " + what + " (nvmlGpuInstanceCreateComputeInstance)"));
      nvmlComputeInstanceInfo_t info = {};
      RETURN_IF_ERROR(
          check(nvml_.nvmlComputeInstanceGetInfo_v2(made, &info), "asking about " + what));
      return uint32_t{info.id};
    }
    return Error{Code::kInvalidArgument, "the driver offers no such thing as " + what};
  }

  Status destroy_compute_instance(uint32_t device, uint32_t gpu_instance,
                                  uint32_t compute_instance) override {
    ASSIGN_OR_RETURN(const nvmlGpuInstance_t instance, instance_of(device, gpu_instance));
    const std::string what = "compute instance " + std::to_string(compute_instance) +
                             " of GPU instance " + std::to_string(gpu_instance) + " of GPU " +
                             std::to_string(device);
    nvmlComputeInstance_t compute = nullptr;
    RETURN_IF_ERROR(
        check(nvml_.nvmlGpuInstanceGetComputeInstanceById(instance, compute_instance, &compute),
              "finding " + what));
    return check(nvml_.nvmlComputeInstanceDestroy(compute),
                 "removing " + what + " (nvmlComputeInstanceDestroy)");
  }

 private:
  static constexpr unsigned kMostProfiles = 64;
  static constexpr uint32_t kMostInstances = 16;

  std::string said(nvmlReturn_t answer) const {
    const char* text = nvml_.nvmlErrorString(answer);
    return text ? text : "error " + std::to_string(answer);
  }

  Status check(nvmlReturn_t answer, const std::string& what) const {
    if (answer == kSuccess) return ok();
    return Error{code_of(answer), what + ": " + said(answer)};
  }

  Result<nvmlDevice_t> handle_of(uint32_t device) const {
    nvmlDevice_t handle = nullptr;
    const nvmlReturn_t answer = nvml_.nvmlDeviceGetHandleByIndex_v2(device, &handle);
    if (answer == kInvalidArgument || answer == kNotFound) {
      unsigned count = 0;
      nvml_.nvmlDeviceGetCount_v2(&count);
      return Error{Code::kNotFound, "there is no GPU " + std::to_string(device) +
                                        "; this machine has " + std::to_string(count)};
    }
    RETURN_IF_ERROR(check(answer, "nvmlDeviceGetHandleByIndex of GPU " + std::to_string(device)));
    return handle;
  }

  Result<nvmlGpuInstance_t> instance_of(uint32_t device, uint32_t gpu_instance) const {
    ASSIGN_OR_RETURN(const nvmlDevice_t handle, handle_of(device));
    nvmlGpuInstance_t instance = nullptr;
    RETURN_IF_ERROR(check(nvml_.nvmlDeviceGetGpuInstanceById(handle, gpu_instance, &instance),
                          "finding GPU instance " + std::to_string(gpu_instance) + " of GPU " +
                              std::to_string(device)));
    return instance;
  }

  // The table's name where the driver lets us find it, else the device's own, which ends in it.
  std::string profile_of(nvmlDevice_t handle, const ProfileTable& table, unsigned instance,
                         const nvmlDeviceAttributes_t& attributes, std::string_view name) const {
    nvmlGpuInstance_t parent = nullptr;
    nvmlGpuInstanceInfo_t info = {};
    if (nvml_.nvmlDeviceGetGpuInstanceById(handle, instance, &parent) == kSuccess &&
        nvml_.nvmlGpuInstanceGetInfo(parent, &info) == kSuccess)
      if (const MigProfile* profile = table.find(info.profileId))
        return mig_profile_name(*profile, attributes.computeInstanceSliceCount);
    const size_t at = name.rfind("MIG ");
    return std::string(at == std::string_view::npos ? name : name.substr(at + 4));
  }

  Result<std::vector<MigDevice>> compute_instances(nvmlGpuInstance_t instance,
                                                   const MigProfile& profile, uint32_t id,
                                                   const std::string& on) const {
    std::vector<MigDevice> devices;
    for (unsigned index = 0; index < kComputeProfiles; ++index) {
      nvmlComputeInstanceProfileInfo_t info = {};
      const nvmlReturn_t known =
          nvml_.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, index, kEngineShared, &info);
      if (known == kNotSupported || known == kInvalidArgument) continue;
      RETURN_IF_ERROR(check(known, "nvmlGpuInstanceGetComputeInstanceProfileInfo" + on));
      std::vector<nvmlComputeInstance_t> handles(std::max(info.instanceCount, kMostInstances));
      unsigned count = static_cast<unsigned>(handles.size());
      RETURN_IF_ERROR(
          check(nvml_.nvmlGpuInstanceGetComputeInstances(instance, info.id, handles.data(), &count),
                "nvmlGpuInstanceGetComputeInstances" + on));
      for (unsigned i = 0; i < count && i < handles.size(); ++i) {
        nvmlComputeInstanceInfo_t compute = {};
        RETURN_IF_ERROR(check(nvml_.nvmlComputeInstanceGetInfo_v2(handles[i], &compute),
                              "nvmlComputeInstanceGetInfo" + on));
        MigDevice device;
        device.gpu_instance = id;
        device.compute_instance = compute.id;
        device.slices = info.sliceCount;
        device.sm_count = info.multiprocessorCount;
        device.memory_mib = profile.memory_mib;
        device.profile = mig_profile_name(profile, info.sliceCount);
        // Profiles of one size may share instances: each is listed once.
        if (std::none_of(devices.begin(), devices.end(), [&](const MigDevice& known_device) {
              return known_device.compute_instance == device.compute_instance;
            }))
          devices.push_back(std::move(device));
      }
    }
    std::sort(devices.begin(), devices.end(), [](const MigDevice& a, const MigDevice& b) {
      return a.compute_instance < b.compute_instance;
    });
    return devices;
  }

  Result<std::vector<Process>> processes_on(nvmlDevice_t handle) const {
    std::vector<Process> processes;
    for (const auto list : {nvml_.nvmlDeviceGetComputeRunningProcesses_v3,
                            nvml_.nvmlDeviceGetMPSComputeRunningProcesses_v3}) {
      std::vector<nvmlProcessInfo_t> infos(16);
      unsigned count = 0;
      nvmlReturn_t answer = kInsufficientSize;
      // The list may grow between two calls.
      for (int tries = 0; answer == kInsufficientSize && tries < 8; ++tries) {
        infos.resize(std::max<size_t>(infos.size(), size_t{count} * 2));
        count = static_cast<unsigned>(infos.size());
        answer = list(handle, &count, infos.data());
      }
      // Whoever may not know of others' processes is refused at the change itself.
      if (answer == kNotSupported || answer == kNoPermission || answer == kNotFound) continue;
      RETURN_IF_ERROR(check(answer, "nvmlDeviceGetComputeRunningProcesses"));
      for (unsigned i = 0; i < count && i < infos.size(); ++i)
        if (std::none_of(processes.begin(), processes.end(),
                         [&](const Process& known) { return known.pid == infos[i].pid; }))
          processes.push_back({infos[i].pid, read_name(infos[i].pid)});
    }
    return processes;
  }

  OpenNvml open_;
  const NvmlFunctions& nvml_;
};

}  // namespace

Result<std::unique_ptr<Nvml>> open_nvml(const std::string& library) {
  ASSIGN_OR_RETURN(const OpenNvml open, load_nvml(library));
  return std::unique_ptr<Nvml>(std::make_unique<NvmlLibrary>(open));
}

}  // namespace corolla::slice
