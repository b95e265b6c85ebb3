#include "base/buddy_arena.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

namespace corolla {
namespace {

constexpr size_t kPage = BuddyArena::kPageBytes;

TEST(BuddyArena, RoundsUpToPowersOfTwoOfPages) {
  BuddyArena arena(64 * kPage);
  for (auto [asked, given] : std::map<size_t, size_t>{
           {0, 1}, {1, 1}, {kPage, 1}, {kPage + 1, 2}, {3 * kPage, 4}, {5 * kPage, 8}}) {
    auto offset = arena.allocate(asked);
    ASSERT_TRUE(offset);
    EXPECT_EQ(arena.block_bytes(*offset), given * kPage) << asked;
    EXPECT_EQ(*offset % (given * kPage), 0u);
  }
}

TEST(BuddyArena, WhatWasFreedLastComesFirst) {
  BuddyArena arena(64 * kPage);
  const uint64_t a = *arena.allocate(kPage), b = *arena.allocate(kPage), c = *arena.allocate(kPage);
  EXPECT_EQ(a, 0u);
  arena.free(a);
  EXPECT_EQ(*arena.allocate(kPage), a);
  arena.free(b);
  EXPECT_EQ(*arena.allocate(kPage), b);
  arena.free(a), arena.free(b), arena.free(c);
  // All one block again, and its low end is what was touched before.
  EXPECT_EQ(*arena.allocate(2 * kPage), 0u);
}

TEST(BuddyArena, EveryPageOfAnOddSizeCanBeUsedAndComesBack) {
  for (size_t pages : {1, 3, 7, 100, 255, 1021}) {
    BuddyArena arena(pages * kPage + 17);
    const auto before = arena.counters();
    EXPECT_EQ(before.total_bytes, pages * kPage);
    std::vector<uint64_t> all;
    while (auto offset = arena.allocate(1)) all.push_back(*offset);
    EXPECT_EQ(all.size(), pages);
    EXPECT_EQ(arena.counters().used_bytes, pages * kPage);
    for (uint64_t offset : all) arena.free(offset);
    const auto after = arena.counters();
    EXPECT_EQ(after.used_bytes, 0u);
    EXPECT_EQ(after.peak_bytes, pages * kPage);
    for (size_t i = 0; i < after.classes.size(); ++i)
      EXPECT_EQ(after.classes[i].free, before.classes[i].free);
    EXPECT_TRUE(arena.allocate(arena.largest_block()));
    EXPECT_FALSE(arena.allocate(arena.largest_block() + 1));
    EXPECT_FALSE(arena.allocate(SIZE_MAX));
  }
}

TEST(BuddyArena, AnArenaWithoutAPageHasNothing) { EXPECT_FALSE(BuddyArena(kPage - 1).allocate(1)); }

TEST(BuddyArena, BlocksNeverOverlapUnderRandomUse) {
  std::mt19937 random(7);
  BuddyArena arena(777 * kPage);
  std::map<uint64_t, uint64_t> used;  // begin -> end
  for (int i = 0; i < 200000; ++i) {
    if (used.empty() || random() % 2) {
      const size_t bytes = size_t{1} << (random() % 20);
      auto offset = arena.allocate(bytes);
      if (!offset) continue;
      const uint64_t end = *offset + arena.block_bytes(*offset);
      ASSERT_LE(end, 777 * kPage);
      auto after = used.lower_bound(*offset);
      ASSERT_TRUE(after == used.end() || after->first >= end);
      ASSERT_TRUE(after == used.begin() || std::prev(after)->second <= *offset);
      used[*offset] = end;
    } else {
      auto victim = used.lower_bound(random() % (777 * kPage));
      if (victim == used.end()) victim = used.begin();
      arena.free(victim->first);
      used.erase(victim);
    }
  }
  for (auto [begin, end] : used) arena.free(begin);
  EXPECT_EQ(arena.counters().used_bytes, 0u);
  EXPECT_TRUE(arena.allocate(512 * kPage));
}

TEST(BuddyArena, ManyThreads) {
  BuddyArena arena(4096 * kPage);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&arena, t] {
      std::mt19937 random(t);
      std::vector<uint64_t> mine;
      for (int i = 0; i < 20000; ++i) {
        if (mine.size() < 20) {
          if (auto offset = arena.allocate(size_t{1} << (random() % 18))) mine.push_back(*offset);
        } else {
          arena.free(mine[random() % 1 + mine.size() - 1]);
          mine.pop_back();
        }
      }
      for (uint64_t offset : mine) arena.free(offset);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(arena.counters().used_bytes, 0u);
}

TEST(BuddyArenaDeathTest, FreeingWhatIsNotUsedDies) {
  BuddyArena arena(8 * kPage);
  const uint64_t offset = *arena.allocate(2 * kPage);
  EXPECT_DEATH(arena.free(offset + kPage), "not in use");
  EXPECT_DEATH(arena.free(offset + 1), "never handed out");
  EXPECT_DEATH(arena.free(800 * kPage), "never handed out");
  arena.free(offset);
  EXPECT_DEATH(arena.free(offset), "freed twice");
}

}  // namespace
}  // namespace corolla
