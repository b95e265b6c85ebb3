#include "slice/cores_provider.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "slice/slice_wish.h"

namespace corolla::slice {
namespace {

struct Profile {
  std::string name, kind;
  uint32_t size = 0;
  uint64_t memory_bytes = 0;
  int count = 0;
};

Result<std::vector<Profile>> parse(const Carve& want) {
  std::vector<Profile> profiles;
  for (const auto& [name, count] : want) {
    const auto parsed = parse_profile(name);
    if (!parsed.ok() || on_gpu(parsed->kind))
      return Error{Code::kInvalidArgument,
                   "'" + name + "' is no profile of CPU cores; write cores:N or threads:N"};
    if (count < 0)
      return Error{Code::kInvalidArgument, std::to_string(count) + " slices of " + name};
    if (!profiles.empty() && profiles.front().kind != parsed->kind)
      return Error{Code::kInvalidArgument, "cores and threads cannot be mixed in one fleet"};
    profiles.push_back({name, parsed->kind, parsed->sizes[0], parsed->memory_bytes, count});
  }
  // Large ones first: small ones fit the gaps that are left, not the other way round.
  std::stable_sort(profiles.begin(), profiles.end(),
                   [](const Profile& a, const Profile& b) { return a.size > b.size; });
  return profiles;
}

// What can be given away: a CPU, and the core and node that it belongs to.
struct Unit {
  uint32_t cpu;
  size_t core;
  uint32_t node;
};

// Takes `size` units out of `free`: from the node with the least room that still suffices, else
// across nodes in order. Within a node, threads of cores that are wholly free first, so that a
// slice shares a core only when it must.
std::vector<uint32_t> take(std::vector<Unit>& free, uint32_t size) {
  std::map<uint32_t, std::vector<Unit>> by_node;
  for (const Unit& unit : free) by_node[unit.node].push_back(unit);
  std::optional<uint32_t> best;
  for (const auto& [node, units] : by_node)
    if (units.size() >= size && (!best || units.size() < by_node[*best].size())) best = node;
  std::vector<Unit> candidates = best ? by_node[*best] : free;
  std::map<size_t, size_t> room;
  for (const Unit& unit : candidates) ++room[unit.core];
  if (size > 1)
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](const Unit& a, const Unit& b) { return room[a.core] > room[b.core]; });
  std::set<uint32_t> taken;
  for (uint32_t i = 0; i < size; ++i) taken.insert(candidates[i].cpu);
  std::erase_if(free, [&](const Unit& unit) { return taken.contains(unit.cpu); });
  return {taken.begin(), taken.end()};
}

}  // namespace

Carve CoresProvider::automatic() const {
  size_t count = topology_.cores.size();
  if (count > 4) count -= std::max<size_t>(1, count / 8);
  count = std::clamp<size_t>(count, 1, topology_.usable());
  return {{"cores:1", static_cast<int>(count)}};
}

Result<std::vector<Slice>> CoresProvider::place(const Carve& want) const {
  ASSIGN_OR_RETURN(const std::vector<Profile> profiles, parse(want));
  const bool whole = profiles.empty() || profiles.front().kind == "cores";
  size_t asked = 0;
  for (const Profile& profile : profiles) asked += size_t{profile.size} * profile.count;
  const size_t there = whole ? topology_.cores.size() : topology_.threads();
  if (asked > there) {
    std::string what = std::to_string(asked) + (whole ? " cores" : " hardware threads") +
                       " are asked for, and this process may use " + std::to_string(there);
    if (whole && asked <= topology_.threads())
      what += "; with hardware threads (slices: threads:...) there are " +
              std::to_string(topology_.threads());
    return Error{Code::kInvalidArgument, std::move(what)};
  }

  std::vector<Unit> free;
  for (size_t i = 0; i < topology_.cores.size(); ++i) {
    const PhysicalCore& core = topology_.cores[i];
    for (size_t t = 0; t < (whole ? 1 : core.threads.size()); ++t)
      free.push_back({core.threads[t], i, core.node});
  }
  // Slices that stay keep their cores; their workers notice nothing.
  std::vector<Slice> placed;
  std::map<std::string, int> left = want;
  for (const Slice& slice : slices_) {
    if (left[slice.profile] == 0) continue;
    --left[slice.profile];
    placed.push_back(slice);
    std::erase_if(free, [&](const Unit& unit) {
      return std::find(slice.cores.begin(), slice.cores.end(), unit.cpu) != slice.cores.end();
    });
  }
  for (const Profile& profile : profiles) {
    for (int i = 0; i < left[profile.name]; ++i) {
      Slice slice;
      slice.cores = take(free, profile.size);
      slice.kind = profile.kind;
      slice.profile = profile.name;
      slice.memory_bytes = profile.memory_bytes;
      slice.walls = Walls::kCores;
      slice.id = profile.kind + ":" + cpu_list_text(slice.cores);
      placed.push_back(std::move(slice));
    }
  }
  std::sort(placed.begin(), placed.end(),
            [](const Slice& a, const Slice& b) { return a.cores < b.cores; });
  return placed;
}

Result<std::vector<Slice>> CoresProvider::observe() { return slices_; }

Status CoresProvider::check(const Carve& want) {
  auto placed = place(want);
  if (!placed) return placed.error();
  return ok();
}

Status CoresProvider::apply(const Carve& want) {
  ASSIGN_OR_RETURN(slices_, place(want));
  return ok();
}

}  // namespace corolla::slice
