#include "slice/slice_wish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::slice {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(SliceWish, EachKindHasItsProfiles) {
  EXPECT_THAT(profiles_of({"cores", {4, 1, 1}, "", 0, 0, {}}),
              ElementsAre("cores:4", "cores:1", "cores:1"));
  EXPECT_THAT(profiles_of({"mig", {}, "1g.10gb", 2, 0, {}}), ElementsAre("1g.10gb", "1g.10gb"));
  EXPECT_THAT(profiles_of({"mps", {50, 25}, "", 0, 1, {20ull << 30, 512ull << 20}}),
              ElementsAre("mps:50@20GiB", "mps:25@512MiB"));
  EXPECT_THAT(profiles_of({"sm", {16, 16, 100}, "", 0, 0, {}}), ElementsAre("sm:16+16+100"));
  EXPECT_THAT(carve_of({"mps", {14, 14, 20}, "", 0, 0, {}}),
              ElementsAre(Pair("mps:14", 2), Pair("mps:20", 1)));
}

TEST(SliceWish, AProfileCanBeTakenApartAgain) {
  for (const char* text : {"cores:4", "threads:1", "mps:25", "mps:25@10GiB", "cores:2@1500MiB",
                           "sm:16+16+100", "sm:8", "mps:1@1000"}) {
    const auto parsed = parse_profile(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(profile_text(*parsed), text);
  }
  EXPECT_EQ(parse_profile("mps:25@10GiB")->memory_bytes, 10ull << 30);
  for (const char* bad :
       {"", "mps", "mps:", "mps:0", "mps:x", "mps:1+2", "mps:25@", "mps:25@0", "mps:25@1TiB",
        "mps:25@99999999999GiB", "1g.10gb", "sm:8+", "sm:8++8", "gpu:1", "cores:-1", "cores:4 "})
    EXPECT_FALSE(parse_profile(bad).ok()) << bad;
}

TEST(SliceWish, MemoryIsSaidInTheLargestUnitThatFits) {
  EXPECT_EQ(memory_text(4ull << 30), "4GiB");
  EXPECT_EQ(memory_text(1536ull << 20), "1536MiB");
  EXPECT_EQ(memory_text(1000), "1000");
}

}  // namespace
}  // namespace corolla::slice
