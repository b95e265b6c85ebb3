#include "slice/green_provider.h"

#include <numeric>

#include "base/log.h"

namespace corolla::slice {

Result<std::vector<SizedProfile>> GreenProvider::profiles_of_carve(const Carve& want) const {
  std::vector<SizedProfile> all;
  for (const auto& [name, count] : want) {
    auto profile = parse_profile(name);
    if (!profile.ok() || profile->kind != "sm" || profile->memory_bytes > 0)
      return Error{Code::kInvalidArgument,
                   "'" + name +
                       "' is no split into green contexts; write sm:N+N with the SMs of "
                       "each"};
    if (count < 0)
      return Error{Code::kInvalidArgument, std::to_string(count) + " slices of " + name};
    all.insert(all.end(), static_cast<size_t>(count), *profile);
  }
  return all;
}

Result<std::vector<uint32_t>> GreenProvider::sms_of(const SizedProfile& profile) {
  const std::string name = profile_text(profile);
  if (const auto known = splits_.find(name); known != splits_.end()) return known->second;
  ASSIGN_OR_RETURN(auto sms, split_sms(library_, device_, profile.sizes));
  splits_[name] = sms;
  return sms;
}

Status GreenProvider::check(const Carve& want) {
  ASSIGN_OR_RETURN(const auto wanted, profiles_of_carve(want));
  if (wanted.empty()) return ok();
  if (!facts_) {
    ASSIGN_OR_RETURN(facts_, read_gpu_facts(library_, device_));
  }
  for (const SizedProfile& profile : wanted) {
    const auto sms = sms_of(profile);
    if (!sms.ok()) return sms.error();
  }
  return ok();
}

Status GreenProvider::apply(const Carve& want) {
  RETURN_IF_ERROR(check(want));
  ASSIGN_OR_RETURN(const auto wanted, profiles_of_carve(want));
  std::map<std::string, Slice> next;
  uint32_t total = 0;
  for (const SizedProfile& profile : wanted) {
    ASSIGN_OR_RETURN(const auto sms, sms_of(profile));
    Slice slice;
    slice.kind = "sm";
    slice.profile = profile_text(profile);
    slice.device = device_;
    slice.walls = Walls::kCompute;
    slice.sm_count = static_cast<int>(std::accumulate(sms.begin(), sms.end(), 0u));
    slice.worker_env = {{"CUDA_VISIBLE_DEVICES", facts_->uuid}};
    const std::string base = slice.profile + "/" + std::to_string(device_);
    slice.id = base;
    for (int i = 2; next.contains(slice.id); ++i) slice.id = base + "#" + std::to_string(i);
    total += static_cast<uint32_t>(slice.sm_count);
    next.emplace(slice.id, std::move(slice));
  }
  if (wanted.size() > 1 && next != slices_)
    log::warn("green_splits_overlap",
              {{"device", device_},
               {"splits", wanted.size()},
               {"sms", total},
               {"gpu_sms", facts_->sm_count},
               {"meaning", "splits of different processes use the same SMs"}});
  slices_ = std::move(next);
  return ok();
}

Result<std::vector<Slice>> GreenProvider::observe() {
  std::vector<Slice> all;
  for (const auto& [id, slice] : slices_) all.push_back(slice);
  return all;
}

}  // namespace corolla::slice
