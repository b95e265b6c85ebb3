#include "slice/cores_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace corolla::slice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two memory nodes of `cores` cores each; sibling threads are numbered after all first threads, as
// Linux does.
Topology two_nodes(uint32_t cores, bool smt) {
  Topology topology;
  for (uint32_t i = 0; i < 2 * cores; ++i) {
    PhysicalCore core;
    core.threads = {i};
    if (smt) core.threads.push_back(i + 2 * cores);
    core.package = core.node = i / cores;
    topology.cores.push_back(core);
  }
  return topology;
}

std::vector<Slice> slices_of(CoresProvider& provider) {
  auto slices = provider.observe();
  EXPECT_TRUE(slices.ok());
  return *std::move(slices);
}

std::vector<std::string> ids(CoresProvider& provider) {
  std::vector<std::string> all;
  for (const Slice& slice : slices_of(provider)) all.push_back(slice.id);
  return all;
}

TEST(CoresProvider, AutomaticGivesEachCoreAndLeavesSomeToTheFrontOnLargeMachines) {
  const auto automatic = [](uint32_t per_node, double quota) {
    Topology topology = two_nodes(per_node, true);
    topology.quota = quota;
    return CoresProvider(topology).automatic()["cores:1"];
  };
  EXPECT_EQ(automatic(1, 0), 2);
  EXPECT_EQ(automatic(2, 0), 4);
  EXPECT_EQ(automatic(4, 0), 7);
  EXPECT_EQ(automatic(32, 0), 56);
  EXPECT_EQ(automatic(4, 2.5), 2);
  EXPECT_EQ(automatic(4, 0.5), 1);
}

TEST(CoresProvider, SlicesOfCoresNeverShareAPhysicalCore) {
  CoresProvider provider(two_nodes(4, true));
  ASSERT_TRUE(provider.apply({{"cores:2", 2}, {"cores:1", 4}}).ok());
  std::set<uint32_t> used;
  const auto slices = slices_of(provider);
  EXPECT_EQ(slices.size(), 6u);
  for (const Slice& slice : slices)
    for (uint32_t cpu : slice.cores) {
      EXPECT_LT(cpu, 8u) << "a sibling thread was given away";
      EXPECT_TRUE(used.insert(cpu).second) << "CPU " << cpu << " was given away twice";
    }
}

TEST(CoresProvider, ASliceLiesWithinOneMemoryNodeIfAnyHasRoom) {
  CoresProvider provider(two_nodes(4, false));
  ASSERT_TRUE(provider.apply({{"cores:3", 2}, {"cores:1", 2}}).ok());
  for (const Slice& slice : slices_of(provider)) {
    std::set<uint32_t> nodes;
    for (uint32_t cpu : slice.cores) nodes.insert(cpu / 4);
    EXPECT_EQ(nodes.size(), 1u) << slice.id;
  }
}

TEST(CoresProvider, SpansNodesOnlyWhenItMust) {
  CoresProvider provider(two_nodes(2, false));
  ASSERT_TRUE(provider.apply({{"cores:3", 1}}).ok());
  EXPECT_THAT(ids(provider), ElementsAre("cores:0-2"));
}

TEST(CoresProvider, ThreadsKeepSiblingsTogether) {
  CoresProvider provider(two_nodes(2, true));
  ASSERT_TRUE(provider.apply({{"threads:2", 4}}).ok());
  EXPECT_THAT(ids(provider),
              ElementsAre("threads:0,4", "threads:1,5", "threads:2,6", "threads:3,7"));
}

TEST(CoresProvider, SlicesThatStayKeepTheirCores) {
  CoresProvider provider(two_nodes(2, false));
  ASSERT_TRUE(provider.apply({{"cores:1", 2}}).ok());
  const auto before = slices_of(provider);
  ASSERT_TRUE(provider.apply({{"cores:1", 2}, {"cores:2", 1}}).ok());
  const auto after = slices_of(provider);
  for (const Slice& slice : before)
    EXPECT_TRUE(std::find(after.begin(), after.end(), slice) != after.end()) << slice.id;
  ASSERT_TRUE(provider.apply({{"cores:1", 1}}).ok());
  EXPECT_EQ(slices_of(provider)[0], before[0]);
}

TEST(CoresProvider, ASliceCarriesItsMemoryLimit) {
  CoresProvider provider(two_nodes(2, false));
  ASSERT_TRUE(provider.apply({{"cores:2@4GiB", 1}, {"cores:1", 1}}).ok());
  const auto slices = slices_of(provider);
  ASSERT_EQ(slices.size(), 2u);
  EXPECT_EQ(slices[0].profile, "cores:2@4GiB");
  EXPECT_EQ(slices[0].memory_bytes, 4ull << 30);
  EXPECT_EQ(slices[1].memory_bytes, 0u);
}

TEST(CoresProvider, RefusesWhatDoesNotFitAndChangesNothing) {
  CoresProvider provider(two_nodes(2, true));
  ASSERT_TRUE(provider.apply({{"cores:1", 4}}).ok());
  const auto before = slices_of(provider);
  const Status more = provider.apply({{"cores:1", 5}});
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code, Code::kInvalidArgument);
  EXPECT_THAT(more.error().what, HasSubstr("5 cores are asked for, and this process may use 4"));
  EXPECT_THAT(more.error().what, HasSubstr("threads"));
  EXPECT_FALSE(provider.check({{"cores:0", 1}}).ok());
  EXPECT_FALSE(provider.check({{"1g.10gb", 1}}).ok());
  EXPECT_FALSE(provider.check({{"cores:1", 1}, {"threads:1", 1}}).ok());
  EXPECT_EQ(slices_of(provider), before);
}

}  // namespace
}  // namespace corolla::slice
