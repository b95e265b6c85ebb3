// Strict readers for YAML values: each either gives the value or an Error "<file>:<line>: <key>:
// ...".
//
// For the readers of configuration files. yaml-cpp throws; nothing here lets an exception out.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/result.h"
#include "base/time.h"

namespace corolla::yaml {

// Where a value stands, for sentences.
struct Place {
  std::string file;
  std::string key;  // "limits.arena"; empty: the whole file
  Place operator/(std::string_view name) const;
};

Error error_at(const Place& place, const YAML::Node& node, const std::string& sentence);

// "a number", "a list", "a mapping", "nothing".
std::string kind_of(const YAML::Node& node);

using Reader = std::function<Status(const YAML::Node&, const Place&)>;
// Parses `text` (at most 1 MiB, no tabs as indentation) and calls `reader` with its root. What is
// no YAML is an Error with the line.
Status read_document(std::string_view text, const std::string& file_name, const Reader& reader);
// Calls the reader of each key that is there. Unknown and repeated keys are Errors with the nearest
// known one. A node without content is an empty mapping.
Status read_mapping(const YAML::Node& node, const Place& place,
                    const std::vector<std::pair<std::string, Reader>>& known);
// Calls `each` for every key, in order. Repeated keys are Errors.
Status read_any_mapping(
    const YAML::Node& node, const Place& place,
    const std::function<Status(const std::string&, const YAML::Node&, const Place&)>& each);

Result<std::string> read_text(const YAML::Node& node, const Place& place);
// A word: at most 64 letters, digits, '-', '_' or '.'.
Result<std::string> read_name(const YAML::Node& node, const Place& place);
Result<uint64_t> read_number(const YAML::Node& node, const Place& place, uint64_t least,
                             uint64_t most);
// "64KiB", "256MiB", "1GiB", "4096": powers of 1024; "MB" and "M" mean the same.
Result<uint64_t> read_bytes(const YAML::Node& node, const Place& place, uint64_t least,
                            uint64_t most);
// "500ms", "10s", "2m", "1h". A unit must be said.
Result<Duration> read_duration(const YAML::Node& node, const Place& place, Duration least,
                               Duration most);
Result<std::string> read_choice(const YAML::Node& node, const Place& place,
                                const std::vector<std::string>& choices);

}  // namespace corolla::yaml
