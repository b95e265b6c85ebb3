#include "slice/slice_set.h"

#include <iterator>

namespace corolla::slice {

SliceSet::Key SliceSet::key_of(const std::string& kind, uint32_t device) {
  return {kind == "threads" ? "cores" : kind, device};
}

Result<std::map<SliceSet::Key, Carve>> SliceSet::carves(std::span<const SliceWish> wishes) {
  std::map<Key, Carve> all;
  for (const auto& [key, device] : devices_) all[key];
  for (const SliceWish& wish : wishes) {
    const Key key = key_of(wish.kind, wish.device);
    if (!devices_.contains(key)) {
      ASSIGN_OR_RETURN(auto provider, make_(key.first, key.second));
      devices_[key].provider = std::move(provider);
    }
    for (const auto& [profile, count] : carve_of(wish)) all[key][profile] += count;
  }
  return all;
}

Status SliceSet::check(std::span<const SliceWish> wishes) {
  ASSIGN_OR_RETURN(const auto all, carves(wishes));
  for (const auto& [key, carve] : all) RETURN_IF_ERROR(devices_.at(key).provider->check(carve));
  return ok();
}

Result<std::vector<std::string>> SliceSet::leaving(std::span<const SliceWish> wishes) {
  ASSIGN_OR_RETURN(const auto all, carves(wishes));
  std::vector<std::string> ids;
  for (const auto& [key, carve] : all) {
    ASSIGN_OR_RETURN(std::vector<std::string> some, devices_.at(key).provider->leaving(carve));
    ids.insert(ids.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
  }
  return ids;
}

Status SliceSet::apply(std::span<const SliceWish> wishes) {
  ASSIGN_OR_RETURN(const auto all, carves(wishes));
  // What can be known to fail should fail before anything has changed.
  for (const auto& [key, carve] : all) RETURN_IF_ERROR(devices_.at(key).provider->check(carve));
  std::vector<Key> changed;
  for (const auto& [key, carve] : all) {
    const Status applied = devices_.at(key).provider->apply(carve);
    if (applied.ok()) {
      changed.push_back(key);
      continue;
    }
    Error error = applied.error();
    for (const Key& back : changed) {
      Device& device = devices_.at(back);
      if (const Status restored = device.provider->apply(device.applied); !restored.ok())
        error.what += "; and " + back.first + " slices of device " + std::to_string(back.second) +
                      " could not be put back: " + restored.error().what;
    }
    return error;
  }
  for (const auto& [key, carve] : all) devices_.at(key).applied = carve;
  return ok();
}

Result<std::vector<Slice>> SliceSet::observe() {
  std::vector<Slice> slices;
  for (auto& [key, device] : devices_) {
    ASSIGN_OR_RETURN(std::vector<Slice> some, device.provider->observe());
    for (Slice& slice : some) {
      slice.device = key.second;
      slices.push_back(std::move(slice));
    }
  }
  return slices;
}

std::vector<SliceFault> SliceSet::faults() {
  std::vector<SliceFault> all;
  for (auto& [key, device] : devices_) {
    std::vector<SliceFault> some = device.provider->faults();
    all.insert(all.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
  }
  return all;
}

void SliceSet::before_kill(const Slice& slice, pid_t worker) {
  const auto found = devices_.find(key_of(slice.kind, slice.device));
  if (found != devices_.end()) found->second.provider->before_kill(slice, worker);
}

}  // namespace corolla::slice
