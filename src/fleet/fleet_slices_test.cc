#include "fleet/fleet_slices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::fleet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

slice::Slice slice_of(const std::string& id, const std::string& kind, const std::string& profile,
                      uint32_t device = 0) {
  slice::Slice slice;
  slice.id = id;
  slice.kind = kind;
  slice.profile = profile;
  slice.device = device;
  return slice;
}
SliceEntry shares(std::vector<uint32_t> percent, std::string name, uint32_t device = 0,
                  std::string engine = "") {
  return {{"mps", std::move(percent), "", 0, device, {}}, std::move(name), {std::move(engine), {}}};
}
std::vector<std::string> text(const std::vector<FleetSlice>& slices) {
  std::vector<std::string> all;
  for (const FleetSlice& s : slices) all.push_back(s.slice.id + " " + s.name + " " + s.engine.name);
  return all;
}

const std::vector<slice::Slice> kDevices = {
    slice_of("cores:0", "cores", "cores:1"), slice_of("a", "mps", "mps:50"),
    slice_of("b", "mps", "mps:50"), slice_of("c", "mps", "mps:50", 1)};

TEST(FleetSlices, EachEntryGetsItsSlicesInItsOrder) {
  const std::vector<SliceEntry> entries = {
      shares({50}, "far", 1), shares({50, 50}, "near", 0), {{"cores", {1}, "", 0, 0, {}}, "", {}}};
  EXPECT_THAT(text(deal_slices({}, entries, kDevices, {})),
              ElementsAre("c far cuda", "a near cuda", "b near cuda", "cores:0  openvino"));
}

TEST(FleetSlices, ASliceStaysWithTheEntryThatHadIt) {
  const std::vector<SliceEntry> both = {shares({50}, "x"), shares({50}, "y")};
  const auto before = deal_slices({}, both, kDevices, {});
  EXPECT_THAT(text(before), ElementsAre("a x cuda", "b y cuda"));
  const std::vector<SliceEntry> turned = {both[1], both[0]};
  EXPECT_THAT(text(deal_slices({}, turned, kDevices, before)), ElementsAre("b y cuda", "a x cuda"));
}

TEST(FleetSlices, WhatNobodyAsksForIsLeftOut) {
  EXPECT_THAT(deal_slices({}, {shares({25}, "")}, kDevices, {}), IsEmpty());
}

TEST(FleetSlices, AGreenSplitIsOneSliceWhoseWorkerIsToldTheSizes) {
  const std::vector<SliceEntry> entries = {{{"sm", {16, 16, 100}, "", 0, 0, {}}, "", {}}};
  const auto dealt = deal_slices({}, entries, {slice_of("g", "sm", "sm:16+16+100")}, {});
  ASSERT_EQ(dealt.size(), 1u);
  EXPECT_EQ(dealt[0].engine, (EngineWish{"cuda", {{"green", "16,16,100"}}}));
}

TEST(FleetSlices, EveryEngineIsNamedOnce) {
  const std::vector<SliceEntry> entries = {shares({50}, ""),
                                           shares({50}, "", 1),
                                           shares({25}, "", 0, "null"),
                                           {{"cores", {1}, "", 0, 0, {}}, "", {}}};
  EXPECT_THAT(engines_of({}, entries), ElementsAre("cuda", "null", "openvino"));
}

TEST(FleetSlices, ModelsMayOnlyAskForSlicesThatThereAre) {
  const auto labels = labels_of({shares({50, 25}, "big"), {{"cores", {1}, "", 0, 0, {}}, "", {}}});
  ASSERT_EQ(labels.size(), 3u);
  FleetConfig config;
  const auto refusal = [&](ModelWish wish) {
    config.models = {{"rose", std::move(wish)}};
    const Status checked = check_places(config, labels);
    return checked.ok() ? "(accepted)" : checked.error().what;
  };
  EXPECT_EQ(refusal({3, {}, {}, {}}), "(accepted)");
  EXPECT_EQ(refusal({2, {"big"}, {}, {}}), "(accepted)");
  EXPECT_EQ(refusal({4, {}, {}, {}}), "models.rose.slices is 4, and the fleet has 3");
  EXPECT_EQ(refusal({3, {"mps"}, {}, {}}),
            "models.rose.slices is 3, and the fleet has 2 where it may go");
  EXPECT_THAT(refusal({{}, {"bgi"}, {}, {}}),
              HasSubstr("models.rose.on: no slice has the name, profile or kind 'bgi'; did you "
                        "mean 'big'?"));
}

}  // namespace
}  // namespace corolla::fleet
