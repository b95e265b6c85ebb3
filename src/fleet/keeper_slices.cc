// The keeper's dealings with slices: which there are, and how they change while others serve.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "fleet/keeper.h"

namespace corolla::fleet {
namespace {

constexpr Duration kLookForFaults = std::chrono::milliseconds(250);

}  // namespace

const std::vector<SliceEntry>& Keeper::entries_of(const FleetConfig& config) const {
  return config.slices.empty() ? automatic_ : config.slices;
}

Status Keeper::take_slices() {
  ASSIGN_OR_RETURN(const std::vector<slice::Slice> there, devices_->observe());
  slices_ = deal_slices(config_, entries_of(config_), there, slices_);
  if (!looking_for_faults_) look_for_faults();
  // What is known of a slice ends with it and its last worker.
  std::erase_if(records_, [&](const auto& entry) {
    return std::none_of(slices_.begin(), slices_.end(),
                        [&](const FleetSlice& s) { return s.slice.id == entry.first; }) &&
           std::none_of(workers_.begin(), workers_.end(), [&](const auto& worker) {
             return worker.second.view.slice.id == entry.first;
           });
  });
  return ok();
}

// What the configuration says of models and the rest, as far as it needs no device.
void Keeper::adopt(FleetConfig next) {
  const bool models_differ = next.models != config_.models;
  config_ = std::move(next);
  places_ = places_of(config_);
  if (models_differ) {
    models_changed_.reset();
    tell_models();
  }
}

// Slices that go are emptied before the device is asked to take them; the others never notice.
Status Keeper::reshape(FleetConfig next) {
  const std::vector<slice::SliceWish> wanted = wishes_of(entries_of(next));
  RETURN_IF_ERROR(devices_->check(wanted));
  ASSIGN_OR_RETURN(const std::vector<std::string> leaving, devices_->leaving(wanted));
  Reshape change{config_, {leaving.begin(), leaving.end()}};
  if (change.leaving.empty()) {
    RETURN_IF_ERROR(devices_->apply(wanted));
    open_groups(next);
    adopt(std::move(next));
    return take_slices();
  }
  log::info("slices_leaving", {{"count", leaving.size()}});
  adopt(std::move(next));
  std::erase_if(slices_, [&](const FleetSlice& s) { return change.leaving.contains(s.slice.id); });
  reshape_ = std::move(change);
  return ok();
}

void Keeper::finish_reshape() {
  if (!reshape_) return;
  for (const auto& [id, worker] : workers_)
    if (reshape_->leaving.contains(worker.view.slice.id)) return;
  const Reshape change = *std::exchange(reshape_, std::nullopt);
  Status applied = devices_->apply(wishes_of(entries_of(config_)));
  if (!applied.ok()) {
    log::error("slices_not_changed", {{"why", applied.error().what}});
    adopt(change.before);
  }
  const Status taken = take_slices();
  if (applied.ok()) applied = taken;
  if (applied.ok()) {
    log::info("slices_changed", {{"slices", slices_.size()}});
    return;
  }
  for (const Waiter& waiter : std::exchange(waiters_, {}))
    control_->finish(waiter.client, applied.error());
}

// What breaks under several processes at once is not left for each to find out by itself.
void Keeper::look_for_faults() {
  looking_for_faults_ = std::any_of(slices_.begin(), slices_.end(), [](const FleetSlice& s) {
    return slice::on_gpu(s.slice.kind);
  });
  if (!looking_for_faults_) return;
  for (const slice::SliceFault& fault : devices_->faults())
    for (auto& [id, worker] : workers_) {
      if (worker.view.slice.id != fault.slice || worker.view.phase == Phase::kLeaving) continue;
      log::warn("slice_fault", {{"slice", fault.slice}, {"worker", id}, {"why", fault.reason}});
      worker.child->kill(fault.reason);
    }
  poller_.at(now() + kLookForFaults, [this] { look_for_faults(); });
}

// Where somebody has given us groups to divide, or limits were asked for that nothing else holds.
void Keeper::open_groups(const FleetConfig& config) {
  const auto& entries = entries_of(config);
  const bool limits = std::any_of(entries.begin(), entries.end(), [](const SliceEntry& entry) {
    return !slice::on_gpu(entry.wish.kind) && !entry.wish.memory.empty();
  });
  if (groups_ || (!limits && !slice::WorkerCgroups::delegated())) return;
  auto opened = slice::WorkerCgroups::open(config.name);
  if (opened.ok())
    groups_.emplace(*std::move(opened));
  else
    log::warn("cores_by_affinity_only",
              {{"why", opened.error().what}, {"memory_limits", limits ? "not held" : "none"}});
}

void Keeper::hold(Worker& worker) {
  if (!groups_ || slice::on_gpu(worker.view.slice.kind)) return;
  const Status placed = groups_->place(worker.id, worker.view.slice, worker.child->pid());
  worker.in_group = placed.ok();
  if (!placed.ok())
    log::warn("worker_not_in_group", {{"worker", worker.id}, {"why", placed.error().what}});
}

ModelPlace Keeper::models_place(const std::string& model) const {
  const auto place = places_.find(model);
  return place == places_.end() ? ModelPlace() : place->second;
}

uint32_t Keeper::room_of(const std::string& model) const {
  return eligible(slice_labels(), models_place(model).on);
}

std::string slice_runtime_dir(const std::string& fleet) {
  const char* run = std::getenv("XDG_RUNTIME_DIR");
  const std::string base =
      run && *run ? std::string(run) : "/tmp/corolla-" + std::to_string(::getuid());
  return base + "/corolla-slices-" + fleet;
}

}  // namespace corolla::fleet
