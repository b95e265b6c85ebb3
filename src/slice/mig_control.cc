#include "slice/mig_control.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "slice/mig_converge.h"
#include "slice/mig_journal.h"

namespace corolla::slice {
namespace {

// One of `layouts` has a GPU instance of this profile in this place.
bool known_to(const std::vector<const std::vector<Placement>*>& layouts,
              const GpuInstance& instance) {
  for (const std::vector<Placement>* layout : layouts)
    for (const Placement& placement : *layout)
      if (placement.profile_id == instance.profile_id && placement.extent == instance.extent)
        return true;
  return false;
}

struct Target {
  uint32_t device = 0;
  MigState before, after;
};

// All to `after`; on any error all back to `before`. `undone` says whether that worked.
Status change_all(Nvml& nvml, const std::vector<Target>& targets, bool& undone) {
  undone = true;
  std::optional<Error> error;
  size_t reached = 0;
  for (; reached < targets.size() && !error; ++reached)
    if (Status done = converge(nvml, targets[reached].device, targets[reached].after); !done)
      error = done.error();
  if (!error) return ok();
  std::string remains;
  for (size_t i = 0; i < reached; ++i) {
    const Target& target = targets[i];
    if (Status back = converge(nvml, target.device, target.before); !back)
      remains += "; " + back.error().what + "; " + present_text(nvml, target.device);
  }
  undone = remains.empty();
  if (undone)
    error->what += "; the old layout stands";
  else
    error->what += "; the old layout could not be put back" + remains;
  return *error;
}

// Completes or undoes what an interrupted apply left. Afterwards there is no journal.
Status recover(Nvml& nvml, const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<MigJournal> journal, read_journal(path));
  if (!journal) return ok();
  if (journal->boot != boot_id()) {
    log::info("mig_journal_outdated", {{"journal", path}, {"why", "the machine was rebooted"}});
    return remove_journal(path);
  }
  ASSIGN_OR_RETURN(const uint32_t count, nvml.device_count());
  std::vector<Target> targets;
  const std::string stale = path + ", the journal of an apply that ended half-way, is stale: ";
  const std::string advice =
      "; nothing was changed; if 'corolla slices list' shows what you expect, remove the file";
  for (const MigJournal::Entry& entry : journal->entries) {
    std::optional<uint32_t> device;
    for (uint32_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(const Gpu gpu, nvml.gpu(i));
      if (gpu.uuid == entry.gpu) device = i;
    }
    if (!device)
      return Error{Code::kInternal,
                   stale + "it speaks of " + entry.gpu + ", which is not in this machine" + advice};
    ASSIGN_OR_RETURN(const std::vector<GpuInstance> instances, nvml.instances(*device));
    for (const GpuInstance& instance : instances)
      if (!known_to({&entry.before.layout, &entry.after.layout}, instance))
        return Error{Code::kInternal,
                     stale + "somebody else has since put a GPU instance at memory slice " +
                         std::to_string(instance.extent.start) + " of GPU " +
                         std::to_string(*device) + advice};
    targets.push_back({*device, entry.before, entry.after});
  }
  bool undone = false;
  const Status done = change_all(nvml, targets, undone);
  if (!done && !undone) return done;
  log::info("mig_apply_recovered",
            {{"outcome", done ? "completed" : "undone"}, {"why", done ? "" : done.error().what}});
  return remove_journal(path);
}

// Held as long as it lives: the lock dies with the process.
Result<Fd> take_lock(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const std::string path = directory + "/mig.lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock)
    return Error{
        errno == EACCES || errno == EPERM || errno == EROFS ? Code::kPermission : Code::kInternal,
        "cannot open " + path + ": " + std::strerror(errno)};
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const ssize_t got = ::pread(lock.get(), holder, sizeof holder - 1, 0);
    return Error{Code::kBusy, "another change of MIG slices is at work" +
                                  (got > 0 ? " (PID " + std::string(holder) + ")" : "") +
                                  "; nothing was changed; repeat when it has ended"};
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    log::warn("mig_lock_unsigned", {{"path", path}});
  return lock;
}

PlannedDevice planned(const MigProfile* profile, const Extent& extent, uint32_t slices) {
  return {profile ? mig_profile_name(*profile, slices) : "?", extent, "", {}};
}

PlannedDevice planned(const MigProfile* profile, const Extent& extent, const MigDevice& device) {
  PlannedDevice one = planned(profile, extent, device.slices);
  one.uuid = device.uuid;
  one.processes = device.processes;
  return one;
}

Carve carve_of(const std::vector<MigDevice>& devices) {
  Carve carve;
  for (const MigDevice& device : devices) ++carve[device.profile];
  return carve;
}

Carve without_zeros(Carve carve) {
  std::erase_if(carve, [](const auto& item) { return item.second == 0; });
  return carve;
}

Result<MigPlan> plan_one(Nvml& nvml, uint32_t device, const MigWish& wish) {
  MigPlan plan;
  ASSIGN_OR_RETURN(plan.gpu, nvml.gpu(device));
  plan.mig = wish.mig;
  const std::string subject = "GPU " + std::to_string(device) + " (" + plan.gpu.name + ")";
  if (!plan.gpu.mig_capable) {
    if (!wish.mig) return plan;
    return Error{Code::kUnsupported,
                 subject + " has no MIG; slices of it can be had by MPS or green contexts"};
  }
  if (!wish.mig && !wish.carve.empty())
    return Error{Code::kInvalidArgument, subject + ": slices are wished, and MIG is to be off"};
  std::vector<GpuInstance> instances;
  if (plan.gpu.mig_on) {
    auto told = nvml.instances(device);
    if (!told && told.error().code == Code::kPermission && wish.mig) {
      // Anybody may see the MIG devices: enough to know that nothing is to do.
      ASSIGN_OR_RETURN(const std::vector<MigDevice> devices, nvml.mig_devices(device));
      if (carve_of(devices) == without_zeros(wish.carve)) {
        for (const MigDevice& one : devices)
          plan.kept.push_back({one.profile, {}, one.uuid, one.processes});
        return plan;
      }
    }
    if (!told) return told.error();
    instances = *std::move(told);
  }
  if (wish.mig) {
    ASSIGN_OR_RETURN(const ProfileTable table, nvml.profiles(device));
    auto layout = place(table, wish.carve, instances);
    if (!layout)
      return Error{layout.error().code,
                   "GPU " + std::to_string(device) + ": " + layout.error().what};
    plan.layout = *std::move(layout);
    for (const Placement& placement : plan.layout) {
      const MigProfile* profile = table.find(placement.profile_id);
      const GpuInstance* there = instance_at(instances, placement);
      if (!there) {
        for (const uint32_t slices : placement.compute)
          plan.created.push_back(planned(profile, placement.extent, slices));
        continue;
      }
      const ComputeDifference change = compute_difference(*there, placement.compute);
      for (const MigDevice& one : there->devices) {
        const bool goes =
            std::find(change.surplus.begin(), change.surplus.end(), &one) != change.surplus.end();
        (goes ? plan.destroyed : plan.kept).push_back(planned(profile, placement.extent, one));
      }
      for (const uint32_t slices : change.missing)
        plan.created.push_back(planned(profile, placement.extent, slices));
    }
  }
  ASSIGN_OR_RETURN(const ProfileTable table, nvml.profiles(device));
  for (const GpuInstance& instance : instances) {
    const bool stays =
        std::any_of(plan.layout.begin(), plan.layout.end(), [&](const Placement& placement) {
          return placement.profile_id == instance.profile_id && placement.extent == instance.extent;
        });
    if (stays) continue;
    for (const MigDevice& one : instance.devices)
      plan.destroyed.push_back(planned(table.find(instance.profile_id), instance.extent, one));
    if (instance.devices.empty()) ++plan.bare_removed;
  }
  if (plan.mig != plan.gpu.mig_on) {
    ASSIGN_OR_RETURN(plan.in_the_way, nvml.processes(device));
  }
  return plan;
}

// After the change: which UUIDs the new ones got.
Status name_created(Nvml& nvml, MigPlan& plan) {
  if (plan.created.empty()) return ok();
  ASSIGN_OR_RETURN(const std::vector<GpuInstance> instances, nvml.instances(plan.gpu.index));
  std::set<std::string> known;
  for (const PlannedDevice& device : plan.kept) known.insert(device.uuid);
  for (PlannedDevice& created : plan.created)
    for (const GpuInstance& instance : instances)
      for (const MigDevice& device : instance.devices)
        if (created.uuid.empty() && instance.extent == created.extent &&
            device.profile == created.profile && known.insert(device.uuid).second)
          created.uuid = device.uuid;
  return ok();
}

}  // namespace

bool MigPlan::changes() const {
  return mig != gpu.mig_on || !created.empty() || !destroyed.empty() || bare_removed > 0;
}

std::string mig_state_directory() {
  const char* set = std::getenv("RUNTIME_DIRECTORY");
  if (!set || !*set) return "/run/corolla";
  const std::string directories = set;  // several are parted by colons
  return directories.substr(0, directories.find(':'));
}

MigControl::MigControl(Nvml& nvml, std::string state_directory)
    : nvml_(nvml), directory_(std::move(state_directory)) {}

bool MigControl::interrupted() const {
  std::error_code ignored;
  return std::filesystem::exists(journal_path(), ignored);
}

std::string MigControl::journal_path() const { return directory_ + "/mig.journal"; }

Result<std::vector<MigPlan>> MigControl::plan(const MigWishes& wishes) {
  std::vector<MigPlan> plans;
  for (const auto& [device, wish] : wishes) {
    ASSIGN_OR_RETURN(MigPlan one, plan_one(nvml_, device, wish));
    plans.push_back(std::move(one));
  }
  return plans;
}

Result<std::vector<MigPlan>> MigControl::apply(const MigWishes& wishes) {
  auto lock = take_lock(directory_);
  if (!lock) {
    if (lock.error().code != Code::kPermission) return lock.error();
    // Who may change nothing may still find that nothing is to change.
    auto plans = plan(wishes);
    if (!plans) return plans.error();
    if (std::any_of(plans->begin(), plans->end(), [](const MigPlan& one) { return one.changes(); }))
      return lock.error();
    return plans;
  }
  const std::string path = journal_path();
  RETURN_IF_ERROR(recover(nvml_, path));
  ASSIGN_OR_RETURN(std::vector<MigPlan> plans, plan(wishes));

  MigJournal journal{boot_id(), {}};
  std::vector<Target> targets;
  for (const MigPlan& plan : plans) {
    if (!plan.changes()) continue;
    const std::string subject = "GPU " + std::to_string(plan.gpu.index);
    if (!plan.in_the_way.empty())
      return Error{Code::kBusy, subject + ": its MIG mode cannot change while it is in use by " +
                                    processes_text(plan.in_the_way) + "; nothing was changed"};
    for (const PlannedDevice& device : plan.destroyed)
      if (!device.processes.empty())
        return Error{Code::kBusy, subject + ": " + device.profile + " (" + device.uuid +
                                      ") would go, and is in use by " +
                                      processes_text(device.processes) + "; nothing was changed"};
    if (plan.mig != plan.gpu.mig_on && plan.mig == plan.gpu.mig_pending)
      return Error{Code::kUnavailable,
                   "MIG mode of " + subject + " is pending " + (plan.mig ? "on" : "off") +
                       " and comes with the GPU's next reset; stop whatever uses the GPU, run "
                       "'nvidia-smi --gpu-reset -i " +
                       std::to_string(plan.gpu.index) + "' or reboot, and repeat the command"};
    ASSIGN_OR_RETURN(const std::vector<GpuInstance> instances, nvml_.instances(plan.gpu.index));
    Target target{plan.gpu.index, {plan.gpu.mig_on, layout_of(instances)}, {plan.mig, plan.layout}};
    journal.entries.push_back({plan.gpu.uuid, target.before, target.after});
    targets.push_back(std::move(target));
  }
  if (targets.empty()) return plans;

  RETURN_IF_ERROR(write_journal(path, journal));
  bool undone = false;
  const Status done = change_all(nvml_, targets, undone);
  if (!done && !undone) return done.error();  // the journal stays: the next apply tries again
  RETURN_IF_ERROR(remove_journal(path));
  if (!done) return done.error();
  for (MigPlan& plan : plans) RETURN_IF_ERROR(name_created(nvml_, plan));
  return plans;
}

}  // namespace corolla::slice
