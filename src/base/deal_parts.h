// Dealing what was split into parts that cannot be split again, such as a GPU's multiprocessors in
// groups of 8 and a rest, to those who want some of it. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace corolla {

// The parts [first, first + count), which hold `sum` together.
struct DealtParts {
  size_t first = 0, count = 0;
  uint32_t sum = 0;
  bool operator==(const DealtParts&) const = default;
};

struct Deal {
  std::vector<DealtParts> shares;  // one for each of `wanted`, in its order; none overlaps another
  std::vector<size_t> order;       // indices into `wanted`: who was served first, second, ...
  // Whose share holds less than is wanted; nobody after it in `order` was served.
  std::optional<size_t> too_short;
};

// Everyone gets whole parts, from the first on, until they hold what is wanted. The smaller wants
// are served first: they are rounded up, and the largest takes what is left as it is where rounding
// up would pass it (16, 16 and 100 of 132, in parts of 8 and one of 4).
Deal deal_parts(std::span<const uint32_t> parts, std::span<const uint32_t> wanted);

}  // namespace corolla
