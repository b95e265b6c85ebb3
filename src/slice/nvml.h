// What Corolla needs of NVIDIA's management library: devices, their MIG tables, their instances.
// The real one is NvmlLibrary (nvml_library.h); planner and provider know only this.
//
// Thread-safety: none; one caller at a time. Indices are NVML's own, which follow the PCI bus.
//
// Errors, of every function: kPermission (the driver wants root), kUnsupported (this device cannot
// do MIG, or not in its present mode), kBusy (in use), kUnavailable (the device is lost, must be
// reset, or has no room), kNotFound, kInvalidArgument, kInternal. The sentence names the NVML
// function, the device and what NVML said.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace corolla::slice {

// A range of slices: [start, start + size). Memory slices of a device, or compute slices of a GPU
// instance.
struct Extent {
  uint32_t start = 0;
  uint32_t size = 0;
  auto operator<=>(const Extent&) const = default;
};

// One row of a device's own table of GPU instance profiles.
struct MigProfile {
  uint32_t id = 0;         // the driver's, such as 19: unique within the device
  std::string name;        // "1g.5gb", "1g.5gb+me"
  uint32_t slices = 0;     // compute slices
  uint32_t instances = 0;  // how many the empty device holds
  uint32_t sm_count = 0;
  uint32_t decoders = 0, encoders = 0, jpegs = 0, ofas = 0;
  uint64_t memory_mib = 0;
  std::vector<Extent> placements;  // memory slices that an instance may occupy; empty: not told
  bool operator==(const MigProfile&) const = default;
};

struct ProfileTable {
  std::string device;  // "NVIDIA A100-SXM4-40GB", for sentences
  std::vector<MigProfile> profiles;
  const MigProfile* find(uint32_t id) const;
  const MigProfile* find(const std::string& name) const;
  bool operator==(const ProfileTable&) const = default;
};

struct Process {
  uint32_t pid = 0;
  std::string name;  // as the kernel tells it; empty if it cannot be seen from here
  bool operator==(const Process&) const = default;
};

// "tritonserver (PID 4711), python3 (PID 4712)"
std::string processes_text(const std::vector<Process>& processes);

// What CUDA sees as one device: a compute instance of a GPU instance.
struct MigDevice {
  std::string uuid;           // "MIG-..."
  std::string profile;        // "1g.5gb", "1c.3g.20gb"
  uint32_t gpu_instance = 0;  // the driver's ids
  uint32_t compute_instance = 0;
  uint32_t slices = 0;  // compute slices
  uint32_t sm_count = 0;
  uint64_t memory_mib = 0;
  std::vector<Process> processes;
  bool operator==(const MigDevice&) const = default;
};

struct GpuInstance {
  uint32_t id = 0;
  uint32_t profile_id = 0;
  Extent extent;
  std::vector<MigDevice> devices;  // its compute instances, by id
  bool operator==(const GpuInstance&) const = default;
};

struct Gpu {
  uint32_t index = 0;
  std::string uuid;  // "GPU-..."
  std::string name;
  uint32_t pci_device_id = 0;  // 0x20B010DE: device and vendor, as in mig-parted's device-filter
  uint32_t pci_subsystem_id = 0;
  uint64_t memory_bytes = 0;
  bool mig_capable = false;
  bool mig_on = false;
  bool mig_pending = false;  // what it will be after the next reset; differs from mig_on until then
  bool operator==(const Gpu&) const = default;
};

class Nvml {
 public:
  virtual ~Nvml() = default;

  virtual std::string driver_version() = 0;
  virtual Result<uint32_t> device_count() = 0;
  virtual Result<Gpu> gpu(uint32_t device) = 0;
  // Processes that compute on the whole device (MIG off).
  virtual Result<std::vector<Process>> processes(uint32_t device) = 0;

  // The device's table, whatever its mode. Profiles come without placements where the driver tells
  // those to root alone.
  virtual Result<ProfileTable> profiles(uint32_t device) = 0;
  // How many more of a profile fit now. Needs MIG to be on.
  virtual Result<uint32_t> room_for(uint32_t device, uint32_t profile_id) = 0;
  // The MIG devices, as any user may see them. None if MIG is off.
  virtual Result<std::vector<MigDevice>> mig_devices(uint32_t device) = 0;
  // The same with what only root is told: instances, also those without a compute instance, by
  // extent. None if MIG is off.
  virtual Result<std::vector<GpuInstance>> instances(uint32_t device) = 0;

  // Below: these change the device, and need root.

  // kUnavailable if the mode is only pending afterwards; the sentence says what must happen.
  virtual Status set_mig_mode(uint32_t device, bool on) = 0;
  virtual Result<uint32_t> create_gpu_instance(uint32_t device, uint32_t profile_id,
                                               Extent extent) = 0;
  virtual Status destroy_gpu_instance(uint32_t device, uint32_t gpu_instance) = 0;
  // One with `slices` compute slices; the driver chooses which.
  virtual Result<uint32_t> create_compute_instance(uint32_t device, uint32_t gpu_instance,
                                                   uint32_t slices) = 0;
  virtual Status destroy_compute_instance(uint32_t device, uint32_t gpu_instance,
                                          uint32_t compute_instance) = 0;
};

}  // namespace corolla::slice
