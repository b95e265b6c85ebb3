#include "slice/mig_planner.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

namespace corolla::slice {
namespace {

constexpr uint32_t kMostMemorySlices = 64;  // a mask of them is one word

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

bool digit(char c) { return c >= '0' && c <= '9'; }

// Reads "12g" from the front of `text`; 0 if it does not begin so.
uint32_t take_number(std::string_view& text, std::string_view unit) {
  size_t end = 0;
  uint32_t value = 0;
  while (end < text.size() && end < 4 && digit(text[end])) value = value * 10 + (text[end++] - '0');
  if (value == 0 || text.substr(end, unit.size()) != unit) return 0;
  text.remove_prefix(end + unit.size());
  return value;
}

// Which compute instances a GPU instance may be divided into cannot be asked before it exists;
// these are the sizes that NVML has names for, less those that no such instance offers.
bool divides(uint32_t compute_slices, uint32_t slices) {
  if (compute_slices == slices) return true;
  if (compute_slices > slices) return false;
  if (compute_slices == 3) return slices != 4;
  return compute_slices == 1 || compute_slices == 2 || compute_slices == 4;
}

std::string known_names(const ProfileTable& table) {
  std::string names;
  for (const MigProfile& profile : table.profiles)
    names += (names.empty() ? "" : ", ") + profile.name;
  return names.empty() ? "none" : names;
}

std::string wish_text(const Carve& wish) {
  std::string text;
  for (const auto& [name, count] : wish) {
    if (count == 0) continue;
    text += (text.empty() ? "" : " + ") + std::to_string(count) + " x " + name;
  }
  return text.empty() ? "nothing" : text;
}

// The device as a whole, as far as its table tells.
struct Totals {
  uint32_t slices = 0, memory_slices = 0;
  uint32_t decoders = 0, encoders = 0, jpegs = 0, ofas = 0;
};

Totals totals_of(const ProfileTable& table) {
  Totals totals;
  for (const MigProfile& profile : table.profiles) {
    totals.slices = std::max(totals.slices, profile.slices);
    totals.decoders = std::max(totals.decoders, profile.decoders);
    totals.encoders = std::max(totals.encoders, profile.encoders);
    totals.jpegs = std::max(totals.jpegs, profile.jpegs);
    totals.ofas = std::max(totals.ofas, profile.ofas);
    for (const Extent& extent : profile.placements)
      totals.memory_slices = std::max(totals.memory_slices, extent.start + extent.size);
  }
  return totals;
}

uint64_t mask_of(const Extent& extent) {
  return (extent.size >= 64 ? ~0ull : (1ull << extent.size) - 1) << extent.start;
}

uint32_t memory_slices_of(const MigProfile& profile) {
  uint32_t least = kMostMemorySlices;
  for (const Extent& extent : profile.placements) least = std::min(least, extent.size);
  return least;
}

// What is wished of one profile: whole GPU instances, and compute instances that share some.
struct Group {
  const MigProfile* profile = nullptr;
  uint32_t whole = 0;
  std::vector<uint32_t> parts;  // largest first
};

// A GPU instance that is to be: what it is divided into, not yet where it lies.
struct Bin {
  const MigProfile* profile = nullptr;
  std::vector<uint32_t> compute;  // largest first
  uint32_t free() const {
    uint32_t used = 0;
    for (const uint32_t slices : compute) used += slices;
    return profile->slices - used;
  }
};

// Greater is better; compared in this order.
struct Score {
  uint32_t busy_kept = 0, kept = 0, instances_kept = 0;
  int fewer_instances = 0;
  uint32_t hole = 0, room = 0;
  auto operator<=>(const Score&) const = default;
};

class Search {
 public:
  Search(const ProfileTable& table, const std::vector<GpuInstance>& existing)
      : table_(table), existing_(existing), totals_(totals_of(table)) {}

  // Tries all divisions of the groups into GPU instances and all their placements.
  bool run(const std::vector<Group>& groups) {
    for (const Group& group : groups)
      for (uint32_t i = 0; i < group.whole; ++i)
        bins_.push_back({group.profile, {group.profile->slices}});
    divide(groups, 0, 0, bins_.size());
    return best_.has_value();
  }

  std::vector<Placement> take() && { return std::move(best_layout_); }

 private:
  // Part `part` of group `group` goes into each GPU instance of its kind in turn, or a new one.
  void divide(const std::vector<Group>& groups, size_t group, size_t part, size_t first_bin) {
    if (group == groups.size()) return place_all();
    const Group& now = groups[group];
    if (part == now.parts.size()) return divide(groups, group + 1, 0, bins_.size());
    const uint32_t slices = now.parts[part];
    for (size_t i = first_bin; i < bins_.size(); ++i) {
      if (bins_[i].free() < slices) continue;
      bool seen = false;  // an equal one was tried
      for (size_t j = first_bin; j < i; ++j) seen |= bins_[j].compute == bins_[i].compute;
      if (seen) continue;
      bins_[i].compute.push_back(slices);
      divide(groups, group, part + 1, first_bin);
      bins_[i].compute.pop_back();
    }
    if (now.whole + (bins_.size() - first_bin) >= now.profile->instances) return;
    bins_.push_back({now.profile, {slices}});
    divide(groups, group, part + 1, first_bin);
    bins_.pop_back();
  }

  void place_all() {
    Totals used;
    for (const Bin& bin : bins_) {
      used.slices += bin.profile->slices;
      used.decoders += bin.profile->decoders;
      used.encoders += bin.profile->encoders;
      used.jpegs += bin.profile->jpegs;
      used.ofas += bin.profile->ofas;
    }
    if (used.slices > totals_.slices || used.decoders > totals_.decoders ||
        used.encoders > totals_.encoders || used.jpegs > totals_.jpegs || used.ofas > totals_.ofas)
      return;
    used_ = used;
    order_.clear();
    for (const Bin& bin : bins_) order_.push_back(&bin);
    // Large ones first: they have the fewest places. Equal ones side by side.
    std::stable_sort(order_.begin(), order_.end(), [](const Bin* a, const Bin* b) {
      const uint32_t m = memory_slices_of(*a->profile), n = memory_slices_of(*b->profile);
      return std::tuple(n, a->profile->id, a->compute) < std::tuple(m, b->profile->id, b->compute);
    });
    layout_.clear();
    descend(0, 0);
  }

  void descend(size_t at, uint64_t occupied) {
    if (at == order_.size()) return judge(occupied);
    const Bin& bin = *order_[at];
    const bool twin =
        at > 0 && order_[at - 1]->profile == bin.profile && order_[at - 1]->compute == bin.compute;
    for (const Extent& extent : bin.profile->placements) {
      // Twins only in ascending order: exchanging them changes nothing.
      if (twin && extent.start <= layout_.back().extent.start) continue;
      const uint64_t mask = mask_of(extent);
      if (occupied & mask) continue;
      layout_.push_back({bin.profile->id, extent, bin.compute});
      descend(at + 1, occupied | mask);
      layout_.pop_back();
    }
  }

  void judge(uint64_t occupied) {
    Score score;
    score.fewer_instances = -static_cast<int>(layout_.size());
    for (const Placement& placement : layout_) {
      for (const GpuInstance& instance : existing_) {
        if (instance.profile_id != placement.profile_id || instance.extent != placement.extent)
          continue;
        ++score.instances_kept;
        std::map<uint32_t, std::pair<uint32_t, uint32_t>>
            there;  // by size: how many, how many busy
        for (const MigDevice& device : instance.devices) {
          ++there[device.slices].first;
          if (!device.processes.empty()) ++there[device.slices].second;
        }
        std::map<uint32_t, uint32_t> wanted;
        for (const uint32_t slices : placement.compute) ++wanted[slices];
        for (const auto& [slices, count] : wanted) {
          score.kept += std::min(count, there[slices].first);
          score.busy_kept += std::min(count, there[slices].second);
        }
      }
    }
    for (const MigProfile& profile : table_.profiles) {
      if (used_.slices + profile.slices > totals_.slices) continue;
      for (const Extent& extent : profile.placements) {
        if (occupied & mask_of(extent)) continue;
        score.hole = std::max(score.hole, extent.size * 100 + profile.slices);
        score.room += extent.size;
      }
    }
    if (best_ && score <= *best_) return;
    best_ = score;
    best_layout_ = layout_;
    std::sort(best_layout_.begin(), best_layout_.end(),
              [](const Placement& a, const Placement& b) { return a.extent < b.extent; });
  }

  const ProfileTable& table_;
  const std::vector<GpuInstance>& existing_;
  const Totals totals_;
  std::vector<Bin> bins_;
  std::vector<const Bin*> order_;
  Totals used_;
  std::vector<Placement> layout_, best_layout_;
  std::optional<Score> best_;
};

// How few GPU instances the parts of a group need at the least.
uint32_t least_instances(const Group& group) {
  uint32_t parts = 0;
  for (const uint32_t slices : group.parts) parts += slices;
  return group.whole + (parts + group.profile->slices - 1) / group.profile->slices;
}

Result<std::vector<Group>> groups_of(const ProfileTable& table, const Carve& wish) {
  std::map<uint32_t, Group> groups;
  for (const auto& [name, count] : wish) {
    ASSIGN_OR_RETURN(const MigProfileName parsed, parse_mig_profile(name));
    const MigProfile* profile = table.find(parsed.gpu_instance);
    if (!profile)
      return invalid("'" + name + "' is no profile of " + table.device + "; it has " +
                     known_names(table));
    if (count < 0) return invalid(std::to_string(count) + " slices of " + name);
    if (count == 0) continue;
    const uint32_t slices = parsed.compute_slices ? parsed.compute_slices : profile->slices;
    if (!divides(slices, profile->slices))
      return invalid(
          "'" + name + "': a " + profile->name + " has " + std::to_string(profile->slices) +
          " compute slices, and offers no compute instance of " + std::to_string(slices));
    if (profile->placements.empty())
      return Error{Code::kPermission,
                   "where a " + profile->name + " may lie, the driver tells root alone"};
    const uint32_t most = profile->instances * (profile->slices / slices);
    if (static_cast<uint32_t>(count) > most)
      return invalid(std::to_string(count) + " of " + name + " are wished, and " + table.device +
                     " holds at most " + std::to_string(most));
    Group& group = groups[profile->id];
    group.profile = profile;
    if (slices == profile->slices)
      group.whole += count;
    else
      group.parts.insert(group.parts.end(), count, slices);
  }
  std::vector<Group> all;
  for (auto& [id, group] : groups) {
    std::sort(group.parts.rbegin(), group.parts.rend());
    all.push_back(std::move(group));
  }
  return all;
}

bool fits(const ProfileTable& table, const Carve& wish) {
  const auto groups = groups_of(table, wish);
  return groups.ok() && Search(table, {}).run(*groups);
}

// Why no layout was found, the plainest reason first.
Error impossible(const ProfileTable& table, const Carve& wish, const std::vector<Group>& groups) {
  const Totals has = totals_of(table);
  const std::string subject = wish_text(wish) + " cannot lie on " + table.device + ": ";
  Totals needs;
  for (const Group& group : groups) {
    const uint32_t instances = least_instances(group);
    if (instances > group.profile->instances)
      return invalid(subject + "that takes " + std::to_string(instances) + " GPU instances of " +
                     group.profile->name + ", and it holds at most " +
                     std::to_string(group.profile->instances));
    needs.slices += instances * group.profile->slices;
    needs.memory_slices += instances * memory_slices_of(*group.profile);
    needs.decoders += instances * group.profile->decoders;
    needs.encoders += instances * group.profile->encoders;
    needs.jpegs += instances * group.profile->jpegs;
    needs.ofas += instances * group.profile->ofas;
  }
  const std::tuple<const char*, uint32_t, uint32_t> amounts[] = {
      {"compute slices", needs.slices, has.slices},
      {"memory slices", needs.memory_slices, has.memory_slices},
      {"decoders", needs.decoders, has.decoders},
      {"encoders", needs.encoders, has.encoders},
      {"JPEG engines", needs.jpegs, has.jpegs},
      {"optical flow engines", needs.ofas, has.ofas}};
  for (const auto& [what, need, there] : amounts)
    if (need > there)
      return invalid(subject + "that takes " + std::to_string(need) + " " + what + ", and it has " +
                     std::to_string(there));
  std::string places;
  for (const Group& group : groups) {
    places += places.empty() ? "" : ", ";
    places += group.profile->name + " (" + std::to_string(memory_slices_of(*group.profile)) +
              " memory slices) may begin at ";
    for (size_t i = 0; i < group.profile->placements.size(); ++i)
      places += (i ? "/" : "") + std::to_string(group.profile->placements[i].start);
  }
  std::string without;
  for (const auto& [name, count] : wish) {
    if (count == 0) continue;
    Carve less = wish;
    --less[name];
    if (fits(table, less)) without += (without.empty() ? "" : " or one ") + name;
  }
  return invalid(subject +
                 "each amount would suffice, but the pieces do not fit beside each other: " +
                 places + (without.empty() ? "" : "; it fits without one " + without));
}

// Whether `existing` is already what is wished, with nothing left over.
bool satisfied(const ProfileTable& table, const std::vector<Group>& groups,
               const std::vector<GpuInstance>& existing) {
  std::map<uint32_t, std::map<uint32_t, int>> left;
  for (const Group& group : groups) {
    if (group.whole) left[group.profile->id][group.profile->slices] += group.whole;
    for (const uint32_t slices : group.parts) ++left[group.profile->id][slices];
  }
  for (const GpuInstance& instance : existing) {
    if (instance.devices.empty() || !table.find(instance.profile_id)) return false;
    for (const MigDevice& device : instance.devices)
      if (--left[instance.profile_id][device.slices] < 0) return false;
  }
  for (const auto& [id, sizes] : left)
    for (const auto& [slices, count] : sizes)
      if (count != 0) return false;
  return true;
}

}  // namespace

const MigProfile* ProfileTable::find(uint32_t id) const {
  for (const MigProfile& profile : profiles)
    if (profile.id == id) return &profile;
  return nullptr;
}

const MigProfile* ProfileTable::find(const std::string& name) const {
  for (const MigProfile& profile : profiles)
    if (profile.name == name) return &profile;
  return nullptr;
}

Result<MigProfileName> parse_mig_profile(std::string_view name) {
  const Error wrong =
      invalid("'" + std::string(name.substr(0, 40)) +
              "' is no MIG profile; write for example 1g.5gb, 1g.5gb+me or 2c.3g.20gb");
  MigProfileName parsed;
  std::string_view rest = name;
  if (const size_t dot = rest.find('.');
      dot != std::string_view::npos && dot > 0 && rest[dot - 1] == 'c') {
    parsed.compute_slices = take_number(rest, "c.");
    if (parsed.compute_slices == 0) return wrong;
  }
  parsed.gpu_instance = rest;
  if (take_number(rest, "g.") == 0) return wrong;
  // The memory is a number of up to four digits.
  size_t digits = 0;
  while (digits < rest.size() && digits < 4 && digit(rest[digits])) ++digits;
  if (digits == 0 || rest.substr(digits, 2) != "gb") return wrong;
  rest.remove_prefix(digits + 2);
  if (rest.empty()) return parsed;
  if ((rest.front() != '+' && rest.front() != '-') || rest.size() < 2 || rest.size() > 32)
    return wrong;
  for (const char c : rest)
    if (!(c >= 'a' && c <= 'z') && !digit(c) && c != '+' && c != '-' && c != '.' && c != '_')
      return wrong;
  return parsed;
}

std::string mig_profile_name(const MigProfile& profile, uint32_t compute_slices) {
  return (compute_slices == profile.slices ? "" : std::to_string(compute_slices) + "c.") +
         profile.name;
}

Result<std::vector<Placement>> place(const ProfileTable& table, const Carve& wish,
                                     const std::vector<GpuInstance>& existing) {
  if (totals_of(table).memory_slices > kMostMemorySlices)
    return Error{Code::kUnsupported, table.device + " has more than " +
                                         std::to_string(kMostMemorySlices) + " memory slices"};
  ASSIGN_OR_RETURN(const std::vector<Group> groups, groups_of(table, wish));
  if (satisfied(table, groups, existing)) {
    std::vector<Placement> layout;
    for (const GpuInstance& instance : existing) {
      Placement placement{instance.profile_id, instance.extent, {}};
      for (const MigDevice& device : instance.devices) placement.compute.push_back(device.slices);
      std::sort(placement.compute.rbegin(), placement.compute.rend());
      layout.push_back(std::move(placement));
    }
    std::sort(layout.begin(), layout.end(),
              [](const Placement& a, const Placement& b) { return a.extent < b.extent; });
    return layout;
  }
  // Before any search: what exceeds an amount would only be searched in vain.
  uint64_t slices = 0;
  for (const Group& group : groups)
    slices += uint64_t{least_instances(group)} * group.profile->slices;
  if (slices > totals_of(table).slices) return impossible(table, wish, groups);
  Search search(table, existing);
  if (!search.run(groups)) return impossible(table, wish, groups);
  return std::move(search).take();
}

}  // namespace corolla::slice
