// Which models each slice serves: of the slices that a model may go on, the first N serve a model
// that asks for N. Pure.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace corolla::fleet {

// How a model may call a slice: the name of its entry, its profile, its kind.
struct SliceLabels {
  std::string name, profile, kind;
  bool match(const std::string& label) const;
};

struct ModelPlace {
  std::vector<std::string> on;    // labels; empty: any slice
  std::optional<uint32_t> count;  // nothing: all of those
};

// What each slice serves. nullopt: nothing, so that it needs no worker. An empty list: every model,
// also those that come later. `known` are all models there are, sorted; one without a place runs on
// every slice.
std::vector<std::optional<std::vector<std::string>>> place_models(
    const std::vector<SliceLabels>& slices, const std::vector<std::string>& known,
    const std::map<std::string, ModelPlace>& places);

// How many of the slices a model may go on.
uint32_t eligible(const std::vector<SliceLabels>& slices, const std::vector<std::string>& on);

}  // namespace corolla::fleet
