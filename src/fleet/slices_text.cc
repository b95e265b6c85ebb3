#include "fleet/slices_text.h"

#include <charconv>
#include <optional>

#include "fleet/config.h"

namespace corolla::fleet {
namespace {

using slice::kMostSlices;

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

std::optional<uint32_t> small_number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, 60)) + "'"; }

std::string range_text(const SizeRange& range) {
  return ": a fleet has from 1 to " + std::to_string(kMostSlices) + " slices of 1 to " +
         std::to_string(range.most) + " " + range.of;
}

}  // namespace

const SizeRange* size_range(std::string_view kind) {
  static constexpr SizeRange kRanges[] = {{"cores", 1024, "cores"},
                                          {"threads", 1024, "hardware threads"},
                                          {"mps", 100, "percent"},
                                          {"sm", 1024, "SMs"}};
  for (const SizeRange& range : kRanges)
    if (range.kind == kind) return &range;
  return nullptr;
}

Result<std::vector<uint32_t>> parse_sizes(std::string_view kind, std::string_view text) {
  const SizeRange& range = *size_range(kind);
  const bool gpu = slice::on_gpu(kind);
  const Error wrong =
      invalid(quoted(text) + " does not describe sizes: write " +
              (gpu ? "50,25,25 or 14x7 (14, seven times)" : "4,1,1 or 2x4 (two of four)"));
  std::vector<uint32_t> sizes;
  for (std::string_view rest = text;;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    const size_t sign = part.find_first_of("x*");
    std::optional<uint32_t> size, count = 1;
    if (sign == std::string_view::npos) {
      size = small_number(part);
    } else {
      size = small_number(part.substr(0, sign));
      count = small_number(part.substr(sign + 1));
      if (part[sign] == 'x' && !gpu) std::swap(size, count);
    }
    if (!size || !count) return wrong;
    if (*count == 0 || *size == 0 || *size > range.most || *count > kMostSlices ||
        sizes.size() + *count > kMostSlices)
      return invalid(quoted(text) + range_text(range));
    sizes.insert(sizes.end(), *count, *size);
    if (comma == rest.size()) return sizes;
    rest = rest.substr(comma + 1);
  }
}

Result<std::vector<SliceEntry>> parse_slices(std::string_view text) {
  const Error wrong =
      invalid(quoted(text) +
              " does not describe slices: write 2 (two of one core), cores:2x4 (two of four "
              "cores), cores:4,1,1, threads:4x1, mps:50,25,25, mps:14x7 (14 percent, seven times), "
              "sm:16,16,100, mig:1g.10gb*7 or auto");
  std::vector<SliceEntry> entries;
  if (text == "auto") return entries;
  slice::SliceWish wish;
  if (const auto count = small_number(text)) {
    if (*count == 0 || *count > kMostSlices)
      return invalid(quoted(text) + ": a fleet has from 1 to " + std::to_string(kMostSlices) +
                     " slices");
    wish.kind = "cores";
    wish.sizes.assign(*count, 1);
  } else {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return wrong;
    wish.kind = text.substr(0, colon);
    const std::string_view what = text.substr(colon + 1);
    if (wish.kind == "mig") {
      // The profile's own name may hold an 'x' some day; a '*' it never will.
      const size_t star = what.find('*');
      const auto times = star == std::string_view::npos ? std::optional<uint32_t>(1)
                                                        : small_number(what.substr(star + 1));
      wish.profile = what.substr(0, star);
      if (wish.profile.empty() || !times) return wrong;
      if (*times == 0 || *times > kMostSlices)
        return invalid(quoted(text) + ": a fleet has from 1 to " + std::to_string(kMostSlices) +
                       " slices");
      wish.count = *times;
    } else {
      if (!size_range(wish.kind)) return wrong;
      ASSIGN_OR_RETURN(wish.sizes, parse_sizes(wish.kind, what));
    }
  }
  entries.push_back({std::move(wish), "", {}});
  return entries;
}

}  // namespace corolla::fleet
