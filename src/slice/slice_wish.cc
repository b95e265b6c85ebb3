#include "slice/slice_wish.h"

#include <charconv>

namespace corolla::slice {
namespace {

struct Unit {
  std::string_view name;
  int shift;
};
constexpr Unit kUnits[] = {{"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"", 0}};

template <class N>
bool take_number(std::string_view& text, N& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take_memory(std::string_view text, uint64_t& bytes) {
  if (!take_number(text, bytes) || bytes == 0) return false;
  for (const Unit& unit : kUnits) {
    if (text != unit.name) continue;
    if (bytes > UINT64_MAX >> unit.shift) return false;
    bytes <<= unit.shift;
    return true;
  }
  return false;
}

}  // namespace

bool on_gpu(std::string_view kind) { return kind == "mig" || kind == "mps" || kind == "sm"; }

std::string memory_text(uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    const uint64_t one = uint64_t{1} << unit.shift;
    if (bytes >= one && bytes % one == 0)
      return std::to_string(bytes >> unit.shift) + std::string(unit.name);
  }
  return std::to_string(bytes);
}

std::string profile_text(const SizedProfile& profile) {
  std::string text = profile.kind;
  for (size_t i = 0; i < profile.sizes.size(); ++i)
    text += (i == 0 ? ":" : "+") + std::to_string(profile.sizes[i]);
  if (profile.memory_bytes > 0) text += "@" + memory_text(profile.memory_bytes);
  return text;
}

Result<SizedProfile> parse_profile(std::string_view profile) {
  const Error wrong{
      Code::kInvalidArgument,
      "'" + std::string(profile.substr(0, 60)) +
          "' is no profile of a kind and a size, such as cores:4, mps:25 or sm:16+16"};
  const size_t colon = profile.find(':');
  if (colon == std::string_view::npos) return wrong;
  SizedProfile parsed;
  parsed.kind = profile.substr(0, colon);
  std::string_view rest = profile.substr(colon + 1);
  for (;;) {
    uint32_t size = 0;
    if (!take_number(rest, size) || size == 0) return wrong;
    parsed.sizes.push_back(size);
    if (parsed.sizes.size() > kMostSlices) return wrong;
    if (rest.empty()) break;
    if (rest.front() == '@') {
      if (!take_memory(rest.substr(1), parsed.memory_bytes)) return wrong;
      break;
    }
    if (rest.front() != '+') return wrong;
    rest.remove_prefix(1);
  }
  if (parsed.kind != "cores" && parsed.kind != "threads" && parsed.kind != "mps" &&
      parsed.kind != "sm")
    return wrong;
  if (parsed.sizes.size() > 1 && parsed.kind != "sm") return wrong;
  return parsed;
}

std::vector<std::string> profiles_of(const SliceWish& wish) {
  if (wish.kind == "mig") return std::vector<std::string>(wish.count, wish.profile);
  if (wish.kind == "sm") return {profile_text({wish.kind, wish.sizes, 0})};
  std::vector<std::string> profiles;
  for (size_t i = 0; i < wish.sizes.size(); ++i)
    profiles.push_back(
        profile_text({wish.kind, {wish.sizes[i]}, i < wish.memory.size() ? wish.memory[i] : 0}));
  return profiles;
}

Carve carve_of(const SliceWish& wish) {
  Carve carve;
  for (const std::string& profile : profiles_of(wish)) ++carve[profile];
  return carve;
}

}  // namespace corolla::slice
