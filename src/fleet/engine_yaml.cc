#include "fleet/engine_yaml.h"

namespace corolla::fleet {

using yaml::error_at, yaml::Place, yaml::Reader;
using yaml::read_any_mapping, yaml::read_mapping, yaml::read_name, yaml::read_text;

Status read_engine(const YAML::Node& node, const Place& place, EngineWish& engine) {
  const Reader name = [&](const YAML::Node& value, const Place& at) -> Status {
    ASSIGN_OR_RETURN(engine.name, read_name(value, at));
    return ok();
  };
  if (node.IsScalar()) return name(node, place);
  // YAML takes a bare null for nothing; whoever meant nothing must not get constant answers.
  if (node.IsNull())
    return error_at(place, node,
                    "names no engine; the one that is called null needs quotes: engine: \"null\"");
  return read_mapping(
      node, place,
      {{"name", name},
       {"options", [&](const YAML::Node& value, const Place& at) -> Status {
          engine.options.clear();
          return read_any_mapping(
              value, at,
              [&](const std::string& key, const YAML::Node& one, const Place& where) -> Status {
                ASSIGN_OR_RETURN(const std::string text, read_text(one, where));
                if (key.empty() || key.find_first_of("=,%") != std::string::npos)
                  return error_at(where, one,
                                  "is no name of an option: it may hold no '=', ',' or '%'");
                engine.options[key] = text;
                return ok();
              });
        }}});
}

}  // namespace corolla::fleet
