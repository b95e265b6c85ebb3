// Which models each slice serves: the first N slices serve a model that asks for N. Pure.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace corolla::fleet {

// What slice number `index` serves. nullopt: nothing, so that it needs no worker. An empty list:
// every model, also those that come later. `known` are all models there are, sorted; `counts` says
// for some on how many slices they run.
std::optional<std::vector<std::string>> models_of_slice(
    uint32_t index, const std::vector<std::string>& known,
    const std::map<std::string, uint32_t>& counts);

}  // namespace corolla::fleet
