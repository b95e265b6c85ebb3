// `slices:` of a fleet. Private to the configuration reader.
#pragma once
#include <vector>

#include "fleet/config.h"
#include "yaml/yaml_values.h"

namespace corolla::fleet {

// auto, a number, the short form (parse_slices), one entry, or a list of entries.
Status read_slices(const YAML::Node& node, const yaml::Place& place,
                   std::vector<SliceEntry>& slices);

}  // namespace corolla::fleet
