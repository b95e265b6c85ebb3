#include "slice/mig_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <set>

#include "slice/testing/fake_gpus.h"

namespace corolla::slice {
namespace {

using testing::HasSubstr;

ProfileTable table_of(const std::string& model) {
  FakeGpus gpus(model);
  auto table = gpus.open()->profiles(0);
  CHECK(table.ok());
  return *std::move(table);
}

// "1g.5gb@0 3g.20gb@4", with "[2,1]" after one that is divided.
std::string text(const ProfileTable& table, const Result<std::vector<Placement>>& layout) {
  if (!layout) return "error: " + layout.error().what;
  std::string text;
  for (const Placement& placement : *layout) {
    const MigProfile& profile = *table.find(placement.profile_id);
    text += (text.empty() ? "" : " ") + profile.name + "@" + std::to_string(placement.extent.start);
    if (placement.compute == std::vector{profile.slices}) continue;
    text += "[";
    for (size_t i = 0; i < placement.compute.size(); ++i)
      text += (i ? "," : "") + std::to_string(placement.compute[i]);
    text += "]";
  }
  return text;
}

// An existing GPU instance: "3g.20gb" at 4, divided into `compute`; the first `busy` of them in
// use.
GpuInstance there(const ProfileTable& table, const std::string& profile, uint32_t start,
                  std::vector<uint32_t> compute = {}, int busy = 0) {
  const MigProfile& row = *table.find(profile);
  GpuInstance instance{start + 1, row.id, {start, row.placements.front().size}, {}};
  if (compute.empty()) compute = {row.slices};
  for (const uint32_t slices : compute) {
    MigDevice device;
    device.slices = slices;
    if (busy-- > 0) device.processes = {{1, "x"}};
    instance.devices.push_back(device);
  }
  return instance;
}

TEST(MigProfileNames, AreReadStrictly) {
  EXPECT_EQ(parse_mig_profile("1g.5gb")->gpu_instance, "1g.5gb");
  EXPECT_EQ(parse_mig_profile("1g.5gb")->compute_slices, 0u);
  EXPECT_EQ(parse_mig_profile("2c.3g.20gb")->compute_slices, 2u);
  EXPECT_EQ(parse_mig_profile("2c.3g.20gb")->gpu_instance, "3g.20gb");
  EXPECT_EQ(parse_mig_profile("1g.10gb+me")->gpu_instance, "1g.10gb+me");
  EXPECT_EQ(parse_mig_profile("1c.2g.24gb+gfx")->gpu_instance, "2g.24gb+gfx");
  EXPECT_TRUE(parse_mig_profile("1g.24gb-me").ok());
  EXPECT_TRUE(parse_mig_profile("1g.24gb+me.all").ok());
  for (const char* wrong :
       {"", "1g", "1g.5", "g.5gb", "0g.5gb", "1g.gb", "1g.5gb+", "1g.5gb ", "1g.5gbx", "1c.5gb",
        "0c.1g.5gb", "1c.1c.1g.5gb", "11111g.5gb", "1g.55555gb", "1G.5GB", "1g.5gb+ME", "-1g.5gb",
        "1g.5gb+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
    EXPECT_FALSE(parse_mig_profile(wrong).ok()) << wrong;
}

TEST(MigPlanner, PlacesWhatNeedsAParticularPlace) {
  const ProfileTable table = table_of("a100-40gb");
  const auto planned = [&](const Carve& wish) { return text(table, place(table, wish, {})); };
  EXPECT_EQ(planned({{"1g.5gb", 7}}),
            "1g.5gb@0 1g.5gb@1 1g.5gb@2 1g.5gb@3 1g.5gb@4 1g.5gb@5 1g.5gb@6");
  EXPECT_EQ(planned({{"3g.20gb", 1}, {"2g.10gb", 2}}), "2g.10gb@0 2g.10gb@2 3g.20gb@4");
  EXPECT_EQ(planned({{"3g.20gb", 1}, {"4g.20gb", 1}}), "4g.20gb@0 3g.20gb@4");
  EXPECT_EQ(planned({{"7g.40gb", 1}}), "7g.40gb@0");
  EXPECT_EQ(planned({{"1g.5gb", 0}}), "");
  EXPECT_EQ(planned({}), "");
}

TEST(MigPlanner, LeavesTheLargestHole) {
  const ProfileTable table = table_of("a100-40gb");
  const auto planned = [&](const Carve& wish) { return text(table, place(table, wish, {})); };
  // Where a 4g.20gb still fits.
  EXPECT_EQ(planned({{"1g.5gb", 1}}), "1g.5gb@6");
  EXPECT_EQ(planned({{"1g.5gb", 3}}), "1g.5gb@4 1g.5gb@5 1g.5gb@6");
  EXPECT_EQ(planned({{"2g.10gb", 1}}), "2g.10gb@4");
  EXPECT_EQ(planned({{"3g.20gb", 1}}), "3g.20gb@4");
}

TEST(MigPlanner, KeepsWhatBothLayoutsContain) {
  const ProfileTable table = table_of("a100-40gb");
  std::vector<GpuInstance> seven;
  for (uint32_t i = 0; i < 7; ++i) seven.push_back(there(table, "1g.5gb", i));
  // At 4, where it costs three of the seven and not four.
  EXPECT_EQ(text(table, place(table, {{"1g.5gb", 4}, {"3g.20gb", 1}}, seven)),
            "1g.5gb@0 1g.5gb@1 1g.5gb@2 1g.5gb@3 3g.20gb@4");
  // One that lies badly is still kept: removing it would cost its worker.
  EXPECT_EQ(text(table, place(table, {{"1g.5gb", 2}}, {there(table, "1g.5gb", 0)})),
            "1g.5gb@0 1g.5gb@1");
  // Unless the wish cannot be had otherwise.
  EXPECT_EQ(text(table, place(table, {{"1g.5gb", 1}, {"4g.20gb", 1}}, {there(table, "1g.5gb", 0)})),
            "4g.20gb@0 1g.5gb@6");
  // Of two, the one in use.
  EXPECT_EQ(text(table, place(table, {{"1g.5gb", 1}},
                              {there(table, "1g.5gb", 2, {}, 1), there(table, "1g.5gb", 6)})),
            "1g.5gb@2");
}

TEST(MigPlanner, ComputeInstancesShareAGpuInstance) {
  const ProfileTable table = table_of("a100-40gb");
  const auto planned = [&](const Carve& wish, const std::vector<GpuInstance>& existing = {}) {
    return text(table, place(table, wish, existing));
  };
  EXPECT_EQ(planned({{"1c.3g.20gb", 3}}), "3g.20gb@4[1,1,1]");
  EXPECT_EQ(planned({{"1c.3g.20gb", 4}}), "3g.20gb@0[1] 3g.20gb@4[1,1,1]");
  EXPECT_EQ(planned({{"1c.3g.20gb", 1}, {"2c.3g.20gb", 1}}), "3g.20gb@4[2,1]");
  EXPECT_EQ(planned({{"1c.3g.20gb", 3}, {"3g.20gb", 1}}), "3g.20gb@0[1,1,1] 3g.20gb@4");
  EXPECT_EQ(planned({{"1c.7g.40gb", 7}}), "7g.40gb@0[1,1,1,1,1,1,1]");
  EXPECT_EQ(planned({{"3c.3g.20gb", 1}}), "3g.20gb@4");
  EXPECT_THAT(planned({{"1c.7g.40gb", 8}}), HasSubstr("holds at most 7"));
  EXPECT_THAT(planned({{"3c.4g.20gb", 1}}), HasSubstr("offers no compute instance of 3"));
  EXPECT_THAT(planned({{"2c.1g.5gb", 1}}), HasSubstr("offers no compute instance of 2"));
  EXPECT_THAT(planned({{"2c.3g.20gb", 3}}), HasSubstr("holds at most 2"));
  // Spread over two, though one would do: what is wished is there, so nothing moves.
  EXPECT_EQ(planned({{"1c.3g.20gb", 3}},
                    {there(table, "3g.20gb", 0, {1, 1}), there(table, "3g.20gb", 4, {1})}),
            "3g.20gb@0[1,1] 3g.20gb@4[1]");
  // One more goes into the instance that has room.
  EXPECT_EQ(planned({{"1c.3g.20gb", 3}}, {there(table, "3g.20gb", 0, {1, 1})}), "3g.20gb@0[1,1,1]");
}

TEST(MigPlanner, SaysWhyNot) {
  const ProfileTable table = table_of("a100-40gb");
  const auto refused = [&](const Carve& wish) {
    auto layout = place(table, wish, {});
    EXPECT_FALSE(layout.ok());
    if (layout) return std::string();
    EXPECT_EQ(layout.error().code, Code::kInvalidArgument);
    return layout.error().what;
  };
  EXPECT_EQ(refused({{"1g.10gb+me", 1}}),
            "'1g.10gb+me' is no profile of NVIDIA A100-SXM4-40GB; it has 1g.5gb, 2g.10gb, 3g.20gb, "
            "4g.20gb, 7g.40gb, 1g.5gb+me, 1g.10gb");
  EXPECT_EQ(refused({{"1g.5gb", 8}}),
            "8 of 1g.5gb are wished, and NVIDIA A100-SXM4-40GB holds at most 7");
  EXPECT_EQ(refused({{"1g.5gb", 2000000000}}),
            "2000000000 of 1g.5gb are wished, and NVIDIA A100-SXM4-40GB holds at most 7");
  EXPECT_EQ(refused({{"1g.5gb", -1}}), "-1 slices of 1g.5gb");
  EXPECT_EQ(refused({{"4g.20gb", 1}, {"2g.10gb", 2}}),
            "2 x 2g.10gb + 1 x 4g.20gb cannot lie on NVIDIA A100-SXM4-40GB: that takes 8 compute "
            "slices, and it has 7");
  EXPECT_EQ(refused({{"3g.20gb", 2}, {"1g.5gb", 1}}),
            "1 x 1g.5gb + 2 x 3g.20gb cannot lie on NVIDIA A100-SXM4-40GB: that takes 9 memory "
            "slices, and it has 8");
  EXPECT_EQ(refused({{"1g.5gb+me", 1}, {"1g.10gb", 3}, {"1g.5gb", 1}, {"2g.10gb", 1}}),
            "3 x 1g.10gb + 1 x 1g.5gb + 1 x 1g.5gb+me + 1 x 2g.10gb cannot lie on NVIDIA "
            "A100-SXM4-40GB: that takes 10 memory slices, and it has 8");
  const std::string pieces = refused({{"1g.5gb", 5}, {"3g.20gb", 1}});
  EXPECT_THAT(pieces, HasSubstr("compute slices"));
  EXPECT_THAT(refused({{"nonsense", 1}}), HasSubstr("is no MIG profile; write for example"));
  EXPECT_THAT(refused({{"1g.5gb+me", 1}, {"1g.5gb", 3}, {"2g.10gb", 2}}),
              HasSubstr("8 compute slices"));
}

TEST(MigPlanner, AnAmountThatSufficesMayStillNotFit) {
  // Two pieces that may both begin at 0 alone.
  ProfileTable table{"Odd GPU", {}};
  table.profiles.push_back({1, "1g.1gb", 1, 2, 8, 0, 0, 0, 0, 1024, {{0, 1}, {1, 1}}});
  table.profiles.push_back({2, "2g.2gb", 2, 1, 16, 0, 0, 0, 0, 2048, {{0, 2}}});
  table.profiles.push_back({3, "4g.4gb", 4, 1, 32, 0, 0, 0, 0, 4096, {{0, 4}}});
  auto layout = place(table, {{"1g.1gb", 1}, {"2g.2gb", 1}}, {});
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(
      layout.error().what,
      "1 x 1g.1gb + 1 x 2g.2gb cannot lie on Odd GPU: each amount would suffice, but the "
      "pieces do not fit beside each other: 1g.1gb (1 memory slices) may begin at 0/1, 2g.2gb "
      "(2 memory slices) may begin at 0; it fits without one 1g.1gb or one 2g.2gb");
}

TEST(MigPlanner, WithoutPlacementsItAsksForRoot) {
  ProfileTable table = table_of("a100-40gb");
  for (MigProfile& profile : table.profiles) profile.placements.clear();
  auto layout = place(table, {{"1g.5gb", 1}}, {});
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(layout.error().code, Code::kPermission);
}

// All multisets that the table admits, found the other way round: by putting instances anywhere.
std::set<Carve> all_layouts(const ProfileTable& table) {
  std::set<Carve> found;
  std::set<std::pair<uint32_t, Carve>> seen;
  const MigProfile& whole = *table.find(0);
  const std::function<void(uint32_t, const Carve&)> grow = [&](uint32_t occupied,
                                                               const Carve& carve) {
    if (!seen.emplace(occupied, carve).second) return;
    found.insert(carve);
    for (const MigProfile& profile : table.profiles) {
      Carve more = carve;
      ++more[profile.name];
      uint32_t slices = 0, decoders = 0, jpegs = 0, ofas = 0;
      for (const auto& [name, count] : more) {
        const MigProfile& row = *table.find(name);
        slices += row.slices * count;
        decoders += row.decoders * count;
        jpegs += row.jpegs * count;
        ofas += row.ofas * count;
      }
      if (slices > whole.slices || decoders > whole.decoders || jpegs > whole.jpegs ||
          ofas > whole.ofas || more[profile.name] > static_cast<int>(profile.instances))
        continue;
      for (const Extent& extent : profile.placements) {
        const uint32_t mask = ((1u << extent.size) - 1) << extent.start;
        if ((occupied & mask) == 0) grow(occupied | mask, more);
      }
    }
  };
  grow(0, {});
  return found;
}

// Calls `each` with every multiset up to one more of each profile than the device holds.
void every_multiset(const ProfileTable& table, const std::function<void(const Carve&)>& each) {
  Carve carve;
  const std::function<void(size_t)> choose = [&](size_t row) {
    if (row == table.profiles.size()) return each(carve);
    const MigProfile& profile = table.profiles[row];
    for (int count = 0; count <= static_cast<int>(profile.instances) + 1; ++count) {
      if (count > 0) carve[profile.name] = count;
      choose(row + 1);
    }
    carve.erase(profile.name);
  };
  choose(0);
}

void check_layout(const ProfileTable& table, const Carve& wish,
                  const std::vector<Placement>& layout) {
  uint32_t occupied = 0;
  Carve got;
  for (const Placement& placement : layout) {
    const MigProfile& profile = *table.find(placement.profile_id);
    ++got[profile.name];
    ASSERT_NE(std::find(profile.placements.begin(), profile.placements.end(), placement.extent),
              profile.placements.end());
    const uint32_t mask = ((1u << placement.extent.size) - 1) << placement.extent.start;
    ASSERT_EQ(occupied & mask, 0u);
    occupied |= mask;
  }
  ASSERT_EQ(got, wish);
}

class EveryMultiset : public testing::TestWithParam<const char*> {};

TEST_P(EveryMultiset, IsPlacedOrRefusedAsTheTableSays) {
  const ProfileTable table = table_of(GetParam());
  const std::set<Carve> possible = all_layouts(table);
  size_t placed = 0, refused = 0;
  every_multiset(table, [&](const Carve& wish) {
    auto layout = place(table, wish, {});
    ASSERT_EQ(layout.ok(), possible.contains(wish)) << text(table, layout);
    if (layout) {
      check_layout(table, wish, *layout);
      ++placed;
    } else {
      ASSERT_EQ(layout.error().code, Code::kInvalidArgument);
      ASSERT_THAT(layout.error().what, HasSubstr(table.device));
      ++refused;
    }
  });
  EXPECT_EQ(placed, possible.size());
  EXPECT_GT(placed, 100u);
  RecordProperty("placed", static_cast<int>(placed));
  RecordProperty("refused", static_cast<int>(refused));
  std::printf("%s: %zu multisets placed, %zu refused\n", GetParam(), placed, refused);
}

INSTANTIATE_TEST_SUITE_P(Tables, EveryMultiset,
                         testing::Values("a100-40gb", "a100-80gb", "h100-80gb", "h200-141gb"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace corolla::slice
