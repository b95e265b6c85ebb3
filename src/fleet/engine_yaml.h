// `engine:` of a fleet or of one entry of `slices`. Private to the configuration reader.
#pragma once
#include "fleet/config.h"
#include "yaml/yaml_values.h"

namespace corolla::fleet {

// A name, or a mapping of `name` and `options`. What is not said stays as it is in `engine`.
Status read_engine(const YAML::Node& node, const yaml::Place& place, EngineWish& engine);

}  // namespace corolla::fleet
