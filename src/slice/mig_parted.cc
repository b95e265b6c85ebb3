#include "slice/mig_parted.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>

#include "slice/mig_planner.h"
#include "yaml/nearest.h"
#include "yaml/yaml_values.h"

namespace corolla::slice {
namespace {

using yaml::error_at, yaml::kind_of, yaml::Place;

constexpr uint32_t kMostDevices = 1024;
constexpr uint64_t kMostInstances = 1000;

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

// "0x20B010DE"
std::optional<uint32_t> hexadecimal(std::string_view text) {
  if (text.size() < 3 || text.size() > 10 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
    return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<GpuModelFilter> read_model(const YAML::Node& node, const Place& at) {
  ASSIGN_OR_RETURN(const std::string text, yaml::read_text(node, at));
  const size_t colon = text.find(':');
  const auto device = hexadecimal(std::string_view(text).substr(0, colon));
  GpuModelFilter filter;
  if (colon != std::string::npos) {
    filter.subsystem_id = hexadecimal(std::string_view(text).substr(colon + 1));
    if (!filter.subsystem_id)
      return error_at(at, node, "'" + text.substr(0, 40) + "' is no PCI id");
  }
  if (!device)
    return error_at(at, node,
                    "should be a PCI device id such as 0x20B010DE, and is " + kind_of(node));
  filter.device_id = *device;
  return filter;
}

Result<bool> read_switch(const YAML::Node& node, const Place& at) {
  if (node.IsScalar()) {
    std::string word = node.Scalar();
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    if (word == "true" || word == "yes" || word == "on") return true;
    if (word == "false" || word == "no" || word == "off") return false;
  }
  return error_at(at, node, "should be true or false, and is " + kind_of(node));
}

Status read_devices(const YAML::Node& node, const Place& at, MigPartedEntry& entry) {
  if (node.IsScalar() && node.Scalar() == "all") return ok();
  std::vector<uint32_t> devices;
  if (node.IsScalar()) {
    auto index = yaml::read_number(node, at, 0, kMostDevices);
    if (!index)
      return error_at(
          at, node,
          "should be all, or a list of GPU numbers such as [0, 1], and is " + kind_of(node));
    devices.push_back(static_cast<uint32_t>(*index));
  } else if (node.IsSequence()) {
    for (const YAML::Node& one : node) {
      ASSIGN_OR_RETURN(const uint64_t index, yaml::read_number(one, at, 0, kMostDevices));
      devices.push_back(static_cast<uint32_t>(index));
    }
  } else {
    return error_at(
        at, node,
        "should be all, or a list of GPU numbers such as [0, 1], and is " + kind_of(node));
  }
  entry.devices = std::move(devices);
  return ok();
}

Result<MigPartedEntry> read_entry(const YAML::Node& node, const Place& place) {
  MigPartedEntry entry;
  entry.line = node.Mark().line + 1;
  bool has_devices = false, has_mode = false, has_slices = false;
  RETURN_IF_ERROR(yaml::read_mapping(
      node, place,
      {{"device-filter",
        [&](const YAML::Node& value, const Place& at) -> Status {
          if (value.IsScalar() && value.Scalar().empty()) return ok();
          if (!value.IsSequence()) {
            ASSIGN_OR_RETURN(const GpuModelFilter filter, read_model(value, at));
            entry.models.push_back(filter);
            return ok();
          }
          for (const YAML::Node& one : value) {
            ASSIGN_OR_RETURN(const GpuModelFilter filter, read_model(one, at));
            entry.models.push_back(filter);
          }
          return ok();
        }},
       {"devices",
        [&](const YAML::Node& value, const Place& at) {
          has_devices = true;
          return read_devices(value, at, entry);
        }},
       {"mig-enabled",
        [&](const YAML::Node& value, const Place& at) -> Status {
          has_mode = true;
          ASSIGN_OR_RETURN(entry.wish.mig, read_switch(value, at));
          return ok();
        }},
       {"mig-devices", [&](const YAML::Node& value, const Place& at) -> Status {
          has_slices = true;
          return yaml::read_any_mapping(value, at,
                                        [&](const std::string& profile, const YAML::Node& count,
                                            const Place& where) -> Status {
                                          auto parsed = parse_mig_profile(profile);
                                          if (!parsed)
                                            return error_at(at, count, parsed.error().what);
                                          ASSIGN_OR_RETURN(
                                              const uint64_t number,
                                              yaml::read_number(count, where, 0, kMostInstances));
                                          entry.wish.carve[profile] = static_cast<int>(number);
                                          return ok();
                                        });
        }}}));
  for (const auto& [there, key] : {std::pair(has_devices, "devices"), {has_mode, "mig-enabled"}})
    if (!there) return error_at(place, node, std::string("the key '") + key + "' is missing");
  if (entry.wish.mig && !has_slices)
    return error_at(place, node,
                    "the key 'mig-devices' is missing; write 'mig-devices: {}' for MIG without "
                    "slices");
  std::erase_if(entry.wish.carve, [](const auto& item) { return item.second == 0; });
  if (!entry.wish.mig && !entry.wish.carve.empty())
    return error_at(place, node, "mig-enabled is false, and yet there are mig-devices");
  return entry;
}

std::string hex_text(uint32_t id) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08X", id);
  return text;
}

std::string carve_yaml(const MigWish& wish, const std::string& indent) {
  if (!wish.mig) return indent + "mig-enabled: false\n";
  std::string text = indent + "mig-enabled: true\n" + indent + "mig-devices:";
  if (wish.carve.empty()) return text + " {}\n";
  text += "\n";
  for (const auto& [profile, count] : wish.carve)
    text += indent + "  \"" + profile + "\": " + std::to_string(count) + "\n";
  return text;
}

}  // namespace

bool GpuModelFilter::matches(const Gpu& gpu) const {
  return gpu.pci_device_id == device_id && (!subsystem_id || gpu.pci_subsystem_id == *subsystem_id);
}

bool looks_like_mig_parted(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with("mig-configs:") || line.starts_with("version:")) return true;
    at = end + 1;
  }
  return false;
}

Result<MigPartedFile> read_mig_parted(std::string_view text, const std::string& file_name) {
  MigPartedFile file{file_name, {}};
  bool has_version = false;
  RETURN_IF_ERROR(yaml::read_document(
      text, file_name, [&](const YAML::Node& root, const Place& place) -> Status {
        RETURN_IF_ERROR(yaml::read_mapping(
            root, place,
            {{"version",
              [&](const YAML::Node& node, const Place& at) -> Status {
                has_version = true;
                ASSIGN_OR_RETURN(const std::string version, yaml::read_text(node, at));
                if (version != "v1")
                  return error_at(at, node, "should be v1, and is " + kind_of(node));
                return ok();
              }},
             {"mig-configs", [&](const YAML::Node& node, const Place& at) -> Status {
                return yaml::read_any_mapping(
                    node, at,
                    [&](const std::string& label, const YAML::Node& entries,
                        const Place& where) -> Status {
                      if (!entries.IsSequence() || entries.size() == 0)
                        return error_at(
                            where, entries,
                            "should be a list of at least one entry, and is " + kind_of(entries));
                      std::vector<MigPartedEntry> all;
                      for (const YAML::Node& one : entries) {
                        ASSIGN_OR_RETURN(MigPartedEntry entry, read_entry(one, where));
                        all.push_back(std::move(entry));
                      }
                      file.layouts.emplace_back(label, std::move(all));
                      return ok();
                    });
              }}}));
        if (!has_version)
          return error_at(place, root, "the key 'version' is missing; write 'version: v1'");
        if (file.layouts.empty())
          return error_at(place, root, "there is no layout under the key 'mig-configs'");
        return ok();
      }));
  return file;
}

Result<MigWishes> wishes_of(const MigPartedFile& file, const std::string& label,
                            const std::vector<Gpu>& gpus) {
  std::vector<std::string> labels;
  for (const auto& [name, entries] : file.layouts) labels.push_back(name);
  std::string list;
  for (size_t i = 0; i < labels.size() && i < 40; ++i) list += (i ? ", " : "") + labels[i];
  if (label.empty() && labels.size() != 1)
    return invalid(file.name + " has " + std::to_string(labels.size()) +
                   " layouts; choose one with -c: " + list);
  const auto found =
      std::find_if(file.layouts.begin(), file.layouts.end(),
                   [&](const auto& layout) { return label.empty() || layout.first == label; });
  if (found == file.layouts.end())
    return invalid(file.name + " has no layout '" + label.substr(0, 60) + "'; " +
                   yaml::suggestion(label, labels));

  MigWishes wishes;
  std::map<uint32_t, int> lines;  // which entry spoke of a device
  for (const MigPartedEntry& entry : found->second) {
    const std::string where = file.name + ":" + std::to_string(entry.line) + ": ";
    if (entry.devices)
      for (const uint32_t device : *entry.devices)
        if (device >= gpus.size())
          return invalid(where + "'" + found->first + "' speaks of GPU " + std::to_string(device) +
                         ", and this machine has " +
                         (gpus.empty()       ? "none"
                          : gpus.size() == 1 ? "only GPU 0"
                                             : "GPUs 0 to " + std::to_string(gpus.size() - 1)));
    for (const Gpu& gpu : gpus) {
      if (entry.devices && std::find(entry.devices->begin(), entry.devices->end(), gpu.index) ==
                               entry.devices->end())
        continue;
      if (!entry.models.empty() &&
          std::none_of(entry.models.begin(), entry.models.end(),
                       [&](const GpuModelFilter& filter) { return filter.matches(gpu); }))
        continue;
      const auto [there, fresh] = wishes.emplace(gpu.index, entry.wish);
      if (!fresh && there->second != entry.wish)
        return invalid(where + "GPU " + std::to_string(gpu.index) +
                       " is also spoken of by the entry in line " +
                       std::to_string(lines[gpu.index]) + ", which wants something else");
      lines.emplace(gpu.index, entry.line);
    }
  }
  if (wishes.empty()) {
    std::string there;
    for (const Gpu& gpu : gpus)
      there += (there.empty() ? "" : ", ") + gpu.name + " (" + hex_text(gpu.pci_device_id) + ")";
    return invalid(file.name + ": no entry of '" + found->first +
                   "' is for a GPU of this machine; "
                   "it has " +
                   (there.empty() ? "none" : there));
  }
  return wishes;
}

std::string mig_parted_yaml(const std::string& label, const MigWishes& present) {
  std::string text = "version: v1\nmig-configs:\n  " + label + ":\n";
  std::vector<std::pair<MigWish, std::vector<uint32_t>>> groups;
  for (const auto& [device, wish] : present) {
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&, &w = wish](const auto& group) { return group.first == w; });
    if (same == groups.end())
      groups.push_back({wish, {device}});
    else
      same->second.push_back(device);
  }
  for (const auto& [wish, devices] : groups) {
    text += "  - devices: [";
    for (size_t i = 0; i < devices.size(); ++i)
      text += (i ? ", " : "") + std::to_string(devices[i]);
    text += "]\n" + carve_yaml(wish, "    ");
  }
  if (groups.empty()) text = "version: v1\nmig-configs: {}\n";
  return text;
}

}  // namespace corolla::slice
