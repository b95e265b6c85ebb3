#include "slice/mig_provider.h"

#include <utility>

#include "slice/nvml_library.h"

namespace corolla::slice {
namespace {

// A fleet without the rights can use slices that somebody else made for it.
Error with_advice(Error error) {
  if (error.code == Code::kPermission)
    error.what +=
        "; only root may change MIG slices: make them with 'sudo corolla slices apply -f FILE', "
        "where FILE is the fleet's";
  return error;
}

}  // namespace

MigProvider::MigProvider(std::shared_ptr<Nvml> nvml, uint32_t device, std::string state_directory)
    : nvml_(std::move(nvml)), device_(device), control_(*nvml_, std::move(state_directory)) {}

Result<std::vector<Slice>> MigProvider::observe() {
  ASSIGN_OR_RETURN(const std::vector<MigDevice> devices, nvml_->mig_devices(device_));
  std::vector<Slice> slices;
  for (const MigDevice& device : devices) slices.push_back(slice_of(device));
  return slices;
}

Status MigProvider::check(const Carve& want) {
  auto plans = control_.plan({{device_, {true, want}}});
  if (!plans) return with_advice(plans.error());
  return ok();
}

Status MigProvider::apply(const Carve& want) {
  auto plans = control_.apply({{device_, {true, want}}});
  if (!plans) return with_advice(plans.error());
  return ok();
}

Result<std::vector<std::string>> MigProvider::leaving(const Carve& want) {
  ASSIGN_OR_RETURN(const std::vector<MigPlan> plans, control_.plan({{device_, {true, want}}}));
  std::vector<std::string> ids;
  for (const PlannedDevice& device : plans.front().destroyed) ids.push_back(device.uuid);
  return ids;
}

Result<std::vector<std::unique_ptr<MigProvider>>> make_mig_providers(
    const std::vector<uint32_t>& devices) {
  ASSIGN_OR_RETURN(std::unique_ptr<Nvml> opened, open_nvml());
  const std::shared_ptr<Nvml> nvml = std::move(opened);
  std::vector<std::unique_ptr<MigProvider>> providers;
  for (const uint32_t device : devices) {
    ASSIGN_OR_RETURN(const Gpu gpu, nvml->gpu(device));
    providers.push_back(std::make_unique<MigProvider>(nvml, gpu.index));
  }
  return providers;
}

Slice slice_of(const MigDevice& device) {
  Slice slice;
  slice.id = device.uuid;
  slice.kind = "mig";
  slice.profile = device.profile;
  slice.walls = Walls::kHardware;
  slice.sm_count = static_cast<int>(device.sm_count);
  slice.memory_bytes = device.memory_mib << 20;
  slice.worker_env = {{"CUDA_VISIBLE_DEVICES", device.uuid}};
  return slice;
}

}  // namespace corolla::slice
