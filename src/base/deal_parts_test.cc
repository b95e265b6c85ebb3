#include "base/deal_parts.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace corolla {
namespace {

using Wants = std::vector<uint32_t>;
using Shares = std::vector<DealtParts>;

// Of an H100: 132 multiprocessors in 16 groups of 8, and a rest of 4.
Wants h100() {
  Wants parts(16, 8);
  parts.push_back(4);
  return parts;
}

TEST(DealParts, TheLargestTakesTheRestAsItIs) {
  const Deal deal = deal_parts(h100(), Wants{100, 16, 16});
  EXPECT_EQ(deal.shares, (Shares{{4, 13, 100}, {0, 2, 16}, {2, 2, 16}}));
  EXPECT_EQ(deal.order, (std::vector<size_t>{1, 2, 0}));
  EXPECT_FALSE(deal.too_short);
}

TEST(DealParts, WhatIsNoMultipleIsRoundedUp) {
  EXPECT_EQ(deal_parts(h100(), Wants{9, 1}).shares, (Shares{{1, 2, 16}, {0, 1, 8}}));
}

TEST(DealParts, TellsWhoComesTooShort) {
  const Deal deal = deal_parts(h100(), Wants{60, 70, 10});
  EXPECT_EQ(deal.too_short, 1u);
  EXPECT_EQ(deal.shares, (Shares{{2, 8, 64}, {10, 7, 52}, {0, 2, 16}}));
}

TEST(DealParts, NobodyGetsAnythingOfNothing) {
  EXPECT_EQ(deal_parts({}, Wants{1, 2}).too_short, 0u);
  EXPECT_FALSE(deal_parts({}, Wants{0}).too_short);
  EXPECT_TRUE(deal_parts(h100(), {}).shares.empty());
}

TEST(DealParts, SharesOfAnySizesAreEnoughAndDoNotOverlap) {
  std::mt19937 rng(7);
  const auto pick = [&](uint32_t from, uint32_t to) {
    return std::uniform_int_distribution<uint32_t>(from, to)(rng);
  };
  for (int round = 0; round < 1000; ++round) {
    Wants parts(pick(0, 20)), wanted(pick(0, 6));
    for (uint32_t& part : parts) part = pick(1, 9);
    for (uint32_t& want : wanted) want = pick(0, 40);
    const Deal deal = deal_parts(parts, wanted);
    std::vector<int> owners(parts.size(), 0);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const DealtParts& share = deal.shares[i];
      uint32_t sum = 0;
      for (size_t p = share.first; p < share.first + share.count; ++p) {
        sum += parts.at(p);
        EXPECT_EQ(++owners[p], 1);
      }
      EXPECT_EQ(sum, share.sum);
      if (!deal.too_short) {
        EXPECT_GE(share.sum, wanted[i]);
        if (share.count > 0) {
          EXPECT_LT(share.sum - parts[share.first + share.count - 1], wanted[i]) << "one too many";
        }
      }
    }
    if (deal.too_short) {
      EXPECT_EQ(std::accumulate(owners.begin(), owners.end(), 0), static_cast<int>(parts.size()));
    }
  }
}

}  // namespace
}  // namespace corolla
