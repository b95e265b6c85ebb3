#include "fleet/fleet_slices.h"

#include <algorithm>

#include "yaml/nearest.h"

namespace corolla::fleet {
namespace {

bool same_device(const slice::Slice& slice, const slice::SliceWish& wish) {
  return slice.kind == wish.kind && slice.device == wish.device;
}

}  // namespace

EngineWish engine_of(const FleetConfig& config, const SliceEntry& entry) {
  std::string name = entry.engine.name;
  if (name.empty())
    name = slice::on_gpu(entry.wish.kind) && config.engine == "openvino" ? "cuda" : config.engine;
  EngineWish engine{name, entry.engine.options};
  if (name == config.engine)
    engine.options.insert(config.engine_options.begin(), config.engine_options.end());
  // One process holds the whole split, and must know it.
  if (entry.wish.kind == "sm") {
    std::string& green = engine.options["green"];
    green.clear();
    for (const uint32_t sms : entry.wish.sizes)
      green += (green.empty() ? "" : ",") + std::to_string(sms);
  }
  return engine;
}

std::vector<slice::SliceWish> wishes_of(const std::vector<SliceEntry>& entries) {
  std::vector<slice::SliceWish> wishes;
  for (const SliceEntry& entry : entries) wishes.push_back(entry.wish);
  return wishes;
}

std::vector<SliceLabels> labels_of(const std::vector<SliceEntry>& entries) {
  std::vector<SliceLabels> labels;
  for (const SliceEntry& entry : entries)
    for (const std::string& profile : slice::profiles_of(entry.wish))
      labels.push_back({entry.name, profile, entry.wish.kind});
  return labels;
}

std::vector<FleetSlice> deal_slices(const FleetConfig& config,
                                    const std::vector<SliceEntry>& entries,
                                    const std::vector<slice::Slice>& slices,
                                    const std::vector<FleetSlice>& before) {
  constexpr size_t kNobody = SIZE_MAX;
  std::vector<size_t> owner(slices.size(), kNobody);
  std::vector<slice::Carve> left;
  for (const SliceEntry& entry : entries) left.push_back(slice::carve_of(entry.wish));
  const auto had = [&](const slice::Slice& slice, const SliceEntry& entry) {
    const std::string engine = engine_of(config, entry).name;
    return std::any_of(before.begin(), before.end(), [&](const FleetSlice& old) {
      return old.slice.id == slice.id && old.name == entry.name && old.engine.name == engine;
    });
  };
  for (const bool only_own : {true, false})
    for (size_t e = 0; e < entries.size(); ++e)
      for (size_t s = 0; s < slices.size(); ++s) {
        if (owner[s] != kNobody || !same_device(slices[s], entries[e].wish)) continue;
        const auto wanted = left[e].find(slices[s].profile);
        if (wanted == left[e].end() || wanted->second == 0) continue;
        if (only_own && !had(slices[s], entries[e])) continue;
        --wanted->second;
        owner[s] = e;
      }
  std::vector<FleetSlice> dealt;
  for (size_t e = 0; e < entries.size(); ++e)
    for (size_t s = 0; s < slices.size(); ++s)
      if (owner[s] == e)
        dealt.push_back({slices[s], entries[e].name, engine_of(config, entries[e])});
  return dealt;
}

std::set<std::string> engines_of(const FleetConfig& config,
                                 const std::vector<SliceEntry>& entries) {
  std::set<std::string> names;
  for (const SliceEntry& entry : entries) names.insert(engine_of(config, entry).name);
  return names;
}

Status check_places(const FleetConfig& config, const std::vector<SliceLabels>& slices) {
  std::set<std::string> known;
  for (const SliceLabels& slice : slices)
    for (const std::string& label : {slice.name, slice.profile, slice.kind})
      if (!label.empty()) known.insert(label);
  for (const auto& [name, wish] : config.models) {
    for (const std::string& label : wish.on)
      if (!known.contains(label))
        return Error{Code::kInvalidArgument,
                     "models." + name + ".on: no slice has the name, profile or kind '" + label +
                         "'; " + yaml::suggestion(label, {known.begin(), known.end()})};
    const uint32_t room = eligible(slices, wish.on);
    if (wish.slices.value_or(0) > room)
      return Error{Code::kInvalidArgument, "models." + name + ".slices is " +
                                               std::to_string(*wish.slices) +
                                               ", and the fleet has " + std::to_string(room) +
                                               (wish.on.empty() ? "" : " where it may go")};
  }
  return ok();
}

std::map<std::string, ModelPlace> places_of(const FleetConfig& config) {
  std::map<std::string, ModelPlace> places;
  for (const auto& [name, wish] : config.models)
    if (wish.slices || !wish.on.empty()) places[name] = {wish.on, wish.slices};
  return places;
}

}  // namespace corolla::fleet
