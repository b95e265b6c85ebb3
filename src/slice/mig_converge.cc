#include "slice/mig_converge.h"

#include <algorithm>
#include <utility>

namespace corolla::slice {
namespace {

std::vector<uint32_t> sizes_of(const GpuInstance& instance) {
  std::vector<uint32_t> sizes;
  for (const MigDevice& device : instance.devices) sizes.push_back(device.slices);
  std::sort(sizes.rbegin(), sizes.rend());
  return sizes;
}

}  // namespace

std::vector<Placement> layout_of(const std::vector<GpuInstance>& instances) {
  std::vector<Placement> layout;
  for (const GpuInstance& instance : instances)
    layout.push_back({instance.profile_id, instance.extent, sizes_of(instance)});
  std::sort(layout.begin(), layout.end(),
            [](const Placement& a, const Placement& b) { return a.extent < b.extent; });
  return layout;
}

const GpuInstance* instance_at(const std::vector<GpuInstance>& instances,
                               const Placement& placement) {
  for (const GpuInstance& instance : instances)
    if (instance.profile_id == placement.profile_id && instance.extent == placement.extent)
      return &instance;
  return nullptr;
}

ComputeDifference compute_difference(const GpuInstance& instance, std::vector<uint32_t> wanted) {
  ComputeDifference result;
  std::vector<const MigDevice*> devices;
  for (const MigDevice& device : instance.devices) devices.push_back(&device);
  std::stable_sort(devices.begin(), devices.end(), [](const MigDevice* a, const MigDevice* b) {
    return a->processes.size() > b->processes.size();
  });
  for (const MigDevice* device : devices) {
    const auto found = std::find(wanted.begin(), wanted.end(), device->slices);
    if (found == wanted.end())
      result.surplus.push_back(device);
    else
      wanted.erase(found);
  }
  std::sort(wanted.rbegin(), wanted.rend());
  result.missing = std::move(wanted);
  return result;
}

Status converge(Nvml& nvml, uint32_t device, const MigState& target) {
  ASSIGN_OR_RETURN(const Gpu gpu, nvml.gpu(device));
  if (target.mig && !gpu.mig_on) RETURN_IF_ERROR(nvml.set_mig_mode(device, true));
  ASSIGN_OR_RETURN(const std::vector<GpuInstance> instances, nvml.instances(device));
  for (const GpuInstance& instance : instances) {
    const auto wanted =
        std::find_if(target.layout.begin(), target.layout.end(), [&](const Placement& placement) {
          return placement.profile_id == instance.profile_id && placement.extent == instance.extent;
        });
    const bool stays = wanted != target.layout.end();
    for (const MigDevice* surplus :
         compute_difference(instance, stays ? wanted->compute : std::vector<uint32_t>()).surplus)
      RETURN_IF_ERROR(
          nvml.destroy_compute_instance(device, instance.id, surplus->compute_instance));
    if (!stays) RETURN_IF_ERROR(nvml.destroy_gpu_instance(device, instance.id));
  }
  for (const Placement& placement : target.layout) {
    std::vector<uint32_t> missing = placement.compute;
    uint32_t id = 0;
    if (const GpuInstance* there = instance_at(instances, placement)) {
      id = there->id;
      missing = compute_difference(*there, placement.compute).missing;
    } else {
      ASSIGN_OR_RETURN(id,
                       nvml.create_gpu_instance(device, placement.profile_id, placement.extent));
    }
    for (const uint32_t slices : missing)
      RETURN_IF_ERROR(nvml.create_compute_instance(device, id, slices));
  }
  if (!target.mig && gpu.mig_on) RETURN_IF_ERROR(nvml.set_mig_mode(device, false));
  // The driver is believed only as far as it can be read back.
  ASSIGN_OR_RETURN(const Gpu now, nvml.gpu(device));
  ASSIGN_OR_RETURN(const std::vector<GpuInstance> there, nvml.instances(device));
  if (now.mig_on != target.mig || layout_of(there) != target.layout)
    return Error{Code::kInternal,
                 "GPU " + std::to_string(device) +
                     " reads back otherwise than it was set, although the driver told no error"};
  return ok();
}

std::string present_text(Nvml& nvml, uint32_t device) {
  std::string text = "GPU " + std::to_string(device) + " has now ";
  auto gpu = nvml.gpu(device);
  if (!gpu) return text + "an unknown layout (" + gpu.error().what + ")";
  if (!gpu->mig_on) return text + "MIG off";
  auto instances = nvml.instances(device);
  auto table = nvml.profiles(device);
  if (!instances || !table) return text + "an unknown layout";
  if (instances->empty()) return text + "MIG on and no instances";
  bool first = true;
  for (const GpuInstance& instance : *instances) {
    const MigProfile* profile = table->find(instance.profile_id);
    text += (first ? "" : ", ") + (profile ? profile->name : "?") + " at " +
            std::to_string(instance.extent.start);
    first = false;
  }
  return text;
}

}  // namespace corolla::slice
