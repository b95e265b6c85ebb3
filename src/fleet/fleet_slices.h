// From what a fleet's file says about slices, and what the devices hold, to what each slice is for.
// Pure.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fleet/config.h"
#include "fleet/placement.h"
#include "slice/slice_provider.h"

namespace corolla::fleet {

// A slice, and the entry of `slices` that it belongs to.
struct FleetSlice {
  slice::Slice slice;
  std::string name;   // the entry's; may be empty
  EngineWish engine;  // with every option that its worker gets
  bool operator==(const FleetSlice&) const = default;

  SliceLabels labels() const { return {name, slice.profile, slice.kind}; }
};

// What runs on the slices of an entry. GPU slices get "cuda" where the fleet's engine is one for
// CPUs; the fleet's options go to its own engine only, under those of the entry. A worker of green
// contexts is told its split: green=16,16,100.
EngineWish engine_of(const FleetConfig& config, const SliceEntry& entry);

std::vector<slice::SliceWish> wishes_of(const std::vector<SliceEntry>& entries);

// How a model may call each slice that the entries ask for, in order.
std::vector<SliceLabels> labels_of(const std::vector<SliceEntry>& entries);

// Deals out `slices`, as observed, to the entries of `config` in their order. A slice that an entry
// of the same name and engine had before stays with it. Slices that no entry asks for are left out.
std::vector<FleetSlice> deal_slices(const FleetConfig& config,
                                    const std::vector<SliceEntry>& entries,
                                    const std::vector<slice::Slice>& slices,
                                    const std::vector<FleetSlice>& before);

// Every engine that is needed, once.
std::set<std::string> engines_of(const FleetConfig& config, const std::vector<SliceEntry>& entries);

// kInvalidArgument: `models` of the configuration ask for slices that there are not. Whether there
// are such models is not looked at.
Status check_places(const FleetConfig& config, const std::vector<SliceLabels>& slices);

std::map<std::string, ModelPlace> places_of(const FleetConfig& config);

}  // namespace corolla::fleet
