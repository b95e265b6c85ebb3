#include "fleet/placement.h"

#include <algorithm>

namespace corolla::fleet {
namespace {

bool may_go(const SliceLabels& slice, const std::vector<std::string>& on) {
  return on.empty() || std::any_of(on.begin(), on.end(),
                                   [&](const std::string& label) { return slice.match(label); });
}

}  // namespace

bool SliceLabels::match(const std::string& label) const {
  return !label.empty() && (label == name || label == profile || label == kind);
}

uint32_t eligible(const std::vector<SliceLabels>& slices, const std::vector<std::string>& on) {
  return static_cast<uint32_t>(std::count_if(
      slices.begin(), slices.end(), [&](const SliceLabels& slice) { return may_go(slice, on); }));
}

std::vector<std::optional<std::vector<std::string>>> place_models(
    const std::vector<SliceLabels>& slices, const std::vector<std::string>& known,
    const std::map<std::string, ModelPlace>& places) {
  std::vector<std::optional<std::vector<std::string>>> all;
  std::map<std::string, uint32_t> given;  // on how many slices so far
  for (const SliceLabels& slice : slices) {
    std::vector<std::string> served;
    bool left_out = false;
    for (const std::string& model : known) {
      const auto place = places.find(model);
      const bool here =
          place == places.end() || (may_go(slice, place->second.on) &&
                                    (!place->second.count || given[model] < *place->second.count));
      if (here) {
        served.push_back(model);
        ++given[model];
      } else {
        left_out = true;
      }
    }
    if (!left_out)
      all.emplace_back(std::vector<std::string>());
    else if (served.empty())
      all.emplace_back(std::nullopt);
    else
      all.emplace_back(std::move(served));
  }
  return all;
}

}  // namespace corolla::fleet
