// Sizes of slices as a short text: "4,1,1", "2x4", "14x7". Private to the configuration reader.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace corolla::fleet {

// The kinds that have sizes, and the range of each. nullptr: none of those.
struct SizeRange {
  std::string_view kind;
  uint32_t most;
  const char* of;  // what is counted
};
const SizeRange* size_range(std::string_view kind);

// Pieces parted by commas: "4", "4*2" (4, twice), and "2x4" (for cores and threads: two of 4) or
// "14x7" (for GPU kinds: 14, seven times). kInvalidArgument: what is wrong.
Result<std::vector<uint32_t>> parse_sizes(std::string_view kind, std::string_view text);

}  // namespace corolla::fleet
