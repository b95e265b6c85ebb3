#include "fleet/slices_yaml.h"

#include <optional>
#include <set>

#include "fleet/engine_yaml.h"
#include "fleet/slices_text.h"

namespace corolla::fleet {
namespace {

using slice::kMostSlices;
using yaml::error_at, yaml::kind_of, yaml::Place, yaml::Reader;
using yaml::read_bytes, yaml::read_mapping, yaml::read_name, yaml::read_number, yaml::read_text;

constexpr uint32_t kMostDevices = 64;

Status read_sizes(const YAML::Node& node, const Place& place, slice::SliceWish& wish) {
  const SizeRange& range = *size_range(wish.kind);
  if (node.IsScalar()) {
    auto sizes = parse_sizes(wish.kind, node.Scalar());
    if (!sizes.ok()) return error_at(place, node, sizes.error().what);
    wish.sizes = *std::move(sizes);
    return ok();
  }
  if (!node.IsSequence() || node.size() == 0)
    return error_at(place, node,
                    std::string("should be a list with the size of each slice, such as ") +
                        (slice::on_gpu(wish.kind) ? "[50, 25, 25], or 14x7" : "[1, 1], or 2x1") +
                        ", and is " + kind_of(node));
  if (node.size() > kMostSlices)
    return error_at(place, node, "more than " + std::to_string(kMostSlices) + " slices");
  for (const YAML::Node& one : node) {
    ASSIGN_OR_RETURN(const uint64_t size, read_number(one, place, 1, range.most));
    wish.sizes.push_back(static_cast<uint32_t>(size));
  }
  return ok();
}

// One limit for each slice, or one for all: how many that are is known at the end.
Status read_memory(const YAML::Node& node, const Place& place, std::vector<uint64_t>& memory) {
  const auto one_of = [&](const YAML::Node& one) {
    return read_bytes(one, place, 1 << 20, 1ull << 40);
  };
  if (!node.IsSequence()) {
    ASSIGN_OR_RETURN(const uint64_t bytes, one_of(node));
    memory.push_back(bytes);
    return ok();
  }
  for (const YAML::Node& one : node) {
    ASSIGN_OR_RETURN(const uint64_t bytes, one_of(one));
    memory.push_back(bytes);
  }
  return ok();
}

Status read_entry(const YAML::Node& node, const Place& place, SliceEntry& entry) {
  slice::SliceWish& wish = entry.wish;
  const auto take_kind = [&](const std::string& kind, const YAML::Node& value,
                             const Place& at) -> Status {
    if (!wish.kind.empty())
      return error_at(at, value,
                      "an entry has slices of one kind, and this one has " + wish.kind +
                          " already; write a list of entries");
    wish.kind = kind;
    return ok();
  };
  const auto sizes_of = [&](const std::string& kind) -> Reader {
    return [&, kind](const YAML::Node& value, const Place& at) -> Status {
      RETURN_IF_ERROR(take_kind(kind, value, at));
      return read_sizes(value, at, wish);
    };
  };
  std::optional<uint32_t> count, device;
  const auto number_into = [](std::optional<uint32_t>& out, uint64_t least,
                              uint64_t most) -> Reader {
    return [&out, least, most](const YAML::Node& value, const Place& at) -> Status {
      ASSIGN_OR_RETURN(const uint64_t number, read_number(value, at, least, most));
      out = static_cast<uint32_t>(number);
      return ok();
    };
  };
  RETURN_IF_ERROR(read_mapping(
      node, place,
      {{"cores", sizes_of("cores")},
       {"threads", sizes_of("threads")},
       {"mps", sizes_of("mps")},
       {"sm", sizes_of("sm")},
       {"profile",
        [&](const YAML::Node& value, const Place& at) -> Status {
          RETURN_IF_ERROR(take_kind("mig", value, at));
          ASSIGN_OR_RETURN(wish.profile, read_text(value, at));
          return ok();
        }},
       {"count", number_into(count, 1, kMostSlices)},
       {"device", number_into(device, 0, kMostDevices - 1)},
       {"memory", [&](const YAML::Node& value,
                      const Place& at) { return read_memory(value, at, wish.memory); }},
       {"engine", [&](const YAML::Node& value,
                      const Place& at) { return read_engine(value, at, entry.engine); }},
       {"name", [&](const YAML::Node& value, const Place& at) -> Status {
          ASSIGN_OR_RETURN(entry.name, read_name(value, at));
          return ok();
        }}}));
  if (wish.kind.empty())
    return error_at(place, node,
                    "says no kind of slices: one of cores, threads, mps, sm or profile (MIG)");
  if (wish.kind == "mig")
    wish.count = count.value_or(1);
  else if (count)
    return error_at(place, node, "count goes with profile (MIG); " + wish.kind + " has sizes");
  if (device && !slice::on_gpu(wish.kind))
    return error_at(place, node, "device is for GPU slices, and " + wish.kind + " are of the CPU");
  wish.device = device.value_or(0);
  if (wish.memory.empty()) return ok();
  if (wish.kind == "mig")
    return error_at(place, node, "memory: a MIG profile says itself how much it has");
  if (wish.kind == "sm")
    return error_at(place, node,
                    "memory: green contexts share one process and its memory; mps has limits");
  if (wish.memory.size() == 1) wish.memory.resize(wish.sizes.size(), wish.memory.front());
  if (wish.memory.size() != wish.sizes.size())
    return error_at(place, node,
                    "memory has " + std::to_string(wish.memory.size()) + " values for " +
                        std::to_string(wish.sizes.size()) + " slices; write one, or one for each");
  return ok();
}

}  // namespace

Status read_slices(const YAML::Node& node, const yaml::Place& place,
                   std::vector<SliceEntry>& slices) {
  slices.clear();
  if (node.IsScalar()) {
    auto parsed = parse_slices(node.Scalar());
    if (!parsed.ok()) return error_at(place, node, parsed.error().what);
    slices = *std::move(parsed);
    return ok();
  }
  if (!node.IsSequence()) {
    if (!node.IsDefined() || node.IsNull()) return ok();
    return read_entry(node, place, slices.emplace_back());
  }
  if (node.size() == 0)
    return error_at(place, node, "is an empty list; leave it out for automatic slices");
  std::set<std::string> names;
  size_t total = 0;
  for (size_t i = 0; i < node.size(); ++i) {
    const Place at{place.file, place.key + "[" + std::to_string(i) + "]"};
    SliceEntry& entry = slices.emplace_back();
    RETURN_IF_ERROR(read_entry(node[i], at, entry));
    if (!entry.name.empty() && !names.insert(entry.name).second)
      return error_at(at, node[i], "another entry has the name '" + entry.name + "'");
    total += slice::profiles_of(entry.wish).size();
    if (total > kMostSlices)
      return error_at(at, node[i], "more than " + std::to_string(kMostSlices) + " slices");
  }
  return ok();
}

}  // namespace corolla::fleet
