#include "base/deal_parts.h"

#include <algorithm>
#include <numeric>

namespace corolla {

Deal deal_parts(std::span<const uint32_t> parts, std::span<const uint32_t> wanted) {
  Deal deal;
  deal.shares.resize(wanted.size());
  deal.order.resize(wanted.size());
  std::iota(deal.order.begin(), deal.order.end(), size_t{0});
  std::stable_sort(deal.order.begin(), deal.order.end(),
                   [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  size_t next = 0;
  for (const size_t who : deal.order) {
    DealtParts& share = deal.shares[who];
    share.first = next;
    while (share.sum < wanted[who] && next < parts.size()) share.sum += parts[next++];
    share.count = next - share.first;
    if (share.sum < wanted[who]) {
      deal.too_short = who;
      break;
    }
  }
  return deal;
}

}  // namespace corolla
