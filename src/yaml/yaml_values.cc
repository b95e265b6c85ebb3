#include "yaml/yaml_values.h"

#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "yaml/nearest.h"

namespace corolla::yaml {
namespace {

std::string shown(std::string text) {
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return "'" + text + "'";
}

// The leading digits of `text`, and what follows them. nullopt: no digits, or more than 64 bits
// hold.
std::optional<std::pair<uint64_t, std::string_view>> split_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return std::pair(value, text.substr(static_cast<size_t>(end - text.data())));
}

std::string bytes_text(uint64_t bytes) {
  if (bytes >= 1ull << 30 && bytes % (1ull << 30) == 0) return std::to_string(bytes >> 30) + "GiB";
  if (bytes >= 1ull << 20 && bytes % (1ull << 20) == 0) return std::to_string(bytes >> 20) + "MiB";
  if (bytes >= 1ull << 10 && bytes % (1ull << 10) == 0) return std::to_string(bytes >> 10) + "KiB";
  return std::to_string(bytes);
}

std::string duration_text(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

constexpr size_t kLargestFile = 1 << 20;

// yaml-cpp's own sentence about a tab tells a beginner nothing.
std::optional<int> line_with_tab(std::string_view text) {
  int line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t content = text.find_first_not_of(" \t", at);
    if (content != std::string_view::npos &&
        text.substr(at, content - at).find('\t') != std::string_view::npos &&
        text[content] != '\n' && text[content] != '#' && text[content] != '\r')
      return line;
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace

Place Place::operator/(std::string_view name) const {
  return {file, key.empty() ? std::string(name) : key + "." + std::string(name)};
}

Error error_at(const Place& place, const YAML::Node& node, const std::string& sentence) {
  std::string what = place.file;
  if (node.IsDefined() && node.Mark().line >= 0) what += ":" + std::to_string(node.Mark().line + 1);
  what += ": ";
  if (!place.key.empty()) what += place.key + ": ";
  return {Code::kInvalidArgument, what + sentence};
}

std::string kind_of(const YAML::Node& node) {
  if (!node.IsDefined() || node.IsNull()) return "nothing";
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return shown(node.Scalar());
}

Status read_any_mapping(
    const YAML::Node& node, const Place& place,
    const std::function<Status(const std::string&, const YAML::Node&, const Place&)>& each) {
  if (!node.IsDefined() || node.IsNull()) return ok();
  if (!node.IsMap())
    return error_at(place, node, "should be a mapping of keys to values, and is " + kind_of(node));
  std::map<std::string, int> lines;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar())
      return error_at(place, entry.first,
                      "a key must be a word, and here is " + kind_of(entry.first));
    const std::string& name = entry.first.Scalar();
    const int line = entry.first.Mark().line + 1;
    const auto [earlier, fresh] = lines.emplace(name, line);
    if (!fresh)
      return error_at(place, entry.first,
                      "the key " + shown(name) + " stands here twice; the first is in line " +
                          std::to_string(earlier->second));
    RETURN_IF_ERROR(each(name, entry.second, place / name));
  }
  return ok();
}

Status read_mapping(const YAML::Node& node, const Place& place,
                    const std::vector<std::pair<std::string, Reader>>& known) {
  if (node.IsDefined() && node.IsMap()) {
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) continue;  // refused below
      bool found = false;
      std::vector<std::string> names;
      for (const auto& [name, reader] : known) {
        names.push_back(name);
        found |= name == entry.first.Scalar();
      }
      if (!found)
        return error_at(place, entry.first,
                        "unknown key " + shown(entry.first.Scalar()) + "; " +
                            suggestion(entry.first.Scalar(), names));
    }
  }
  return read_any_mapping(node, place,
                          [&](const std::string& name, const YAML::Node& value, const Place& at) {
                            for (const auto& [key, reader] : known)
                              if (key == name) return reader(value, at);
                            return ok();
                          });
}

Result<std::string> read_text(const YAML::Node& node, const Place& place) {
  if (!node.IsScalar() || node.Scalar().empty())
    return error_at(place, node, "should be a text, and is " + kind_of(node));
  if (node.Scalar().find('\0') != std::string::npos)
    return error_at(place, node, "holds a zero byte");
  return node.Scalar();
}

Result<std::string> read_name(const YAML::Node& node, const Place& place) {
  ASSIGN_OR_RETURN(const std::string name, read_text(node, place));
  if (name.size() > 64 ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") !=
          std::string::npos)
    return error_at(place, node, "should be at most 64 letters, digits, '-', '_' or '.'");
  return name;
}

Result<uint64_t> read_number(const YAML::Node& node, const Place& place, uint64_t least,
                             uint64_t most) {
  const std::string range =
      "should be a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  if (!node.IsScalar()) return error_at(place, node, range + ", and is " + kind_of(node));
  const auto number = split_number(node.Scalar());
  if (!number || !number->second.empty() || number->first < least || number->first > most)
    return error_at(place, node, range + ", and is " + kind_of(node));
  return number->first;
}

Result<uint64_t> read_bytes(const YAML::Node& node, const Place& place, uint64_t least,
                            uint64_t most) {
  const std::string range =
      "should be a size from " + bytes_text(least) + " to " + bytes_text(most) + ", such as 64MiB";
  const Error wrong = error_at(place, node, range + ", and is " + kind_of(node));
  if (!node.IsScalar()) return wrong;
  const auto number = split_number(node.Scalar());
  if (!number) return wrong;
  static const std::map<std::string_view, int> kShifts = {
      {"", 0},    {"B", 0},    {"K", 10}, {"KB", 10}, {"KiB", 10}, {"M", 20},
      {"MB", 20}, {"MiB", 20}, {"G", 30}, {"GB", 30}, {"GiB", 30}};
  std::string_view unit = number->second;
  if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const auto shift = kShifts.find(unit);
  if (shift == kShifts.end()) return wrong;
  if (number->first > UINT64_MAX >> shift->second) return wrong;
  const uint64_t bytes = number->first << shift->second;
  if (bytes < least || bytes > most) return wrong;
  return bytes;
}

Result<Duration> read_duration(const YAML::Node& node, const Place& place, Duration least,
                               Duration most) {
  const std::string range = "should be a time from " + duration_text(least) + " to " +
                            duration_text(most) + " with its unit, such as 500ms or 10s";
  const Error wrong = error_at(place, node, range + ", and is " + kind_of(node));
  if (!node.IsScalar()) return wrong;
  const auto number = split_number(node.Scalar());
  if (!number) return wrong;
  static const std::map<std::string_view, uint64_t> kUnits = {
      {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
  std::string_view name = number->second;
  if (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  const auto unit = kUnits.find(name);
  if (unit == kUnits.end()) return wrong;
  if (number->first > static_cast<uint64_t>(INT64_MAX) / unit->second) return wrong;
  const Duration duration(static_cast<int64_t>(number->first * unit->second));
  if (duration < least || duration > most) return wrong;
  return duration;
}

Result<std::string> read_choice(const YAML::Node& node, const Place& place,
                                const std::vector<std::string>& choices) {
  if (node.IsScalar())
    for (const std::string& choice : choices)
      if (choice == node.Scalar()) return choice;
  std::string list;
  for (size_t i = 0; i < choices.size(); ++i)
    list += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
  std::string sentence = "should be " + list + ", and is " + kind_of(node);
  if (node.IsScalar()) {
    const std::string best = nearest(node.Scalar(), choices);
    if (!best.empty()) sentence += "; did you mean '" + best + "'?";
  }
  return error_at(place, node, sentence);
}

Status read_document(std::string_view text, const std::string& file_name, const Reader& reader) {
  const auto invalid = [](std::string what) {
    return Error{Code::kInvalidArgument, std::move(what)};
  };
  if (text.size() > kLargestFile)
    return invalid(file_name + ": " + std::to_string(text.size()) +
                   " bytes; such a file has at most " + std::to_string(kLargestFile));
  if (const auto line = line_with_tab(text))
    return invalid(file_name + ":" + std::to_string(*line) +
                   ": the line begins with a tab; YAML is indented with spaces");
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    return reader(root, Place{file_name, ""});
  } catch (const YAML::Exception& error) {
    std::string what = file_name;
    if (error.mark.line >= 0) what += ":" + std::to_string(error.mark.line + 1);
    return invalid(what + ": this is not YAML: " + error.msg);
  }
}

}  // namespace corolla::yaml
