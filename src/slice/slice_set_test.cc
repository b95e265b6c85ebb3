#include "slice/slice_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::slice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A device that holds what it is told to, refuses some profile, and fails when told to.
struct FakeDevice {
  Carve carve;
  std::string refuses;
  bool fails = false, stuck = false;
  int applied = 0;
};

class FakeProvider final : public SliceProvider {
 public:
  FakeProvider(FakeDevice& device, std::string kind) : device_(device), kind_(std::move(kind)) {}
  Result<std::vector<Slice>> observe() override {
    std::vector<Slice> slices;
    for (const auto& [profile, count] : device_.carve)
      for (int i = 0; i < count; ++i) {
        Slice slice;
        slice.id = profile + "#" + std::to_string(i);
        slice.kind = kind_;
        slice.profile = profile;
        slices.push_back(std::move(slice));
      }
    return slices;
  }
  Status check(const Carve& want) override {
    if (want.contains(device_.refuses))
      return Error{Code::kInvalidArgument, device_.refuses + " does not fit"};
    return ok();
  }
  Status apply(const Carve& want) override {
    if (device_.fails) return Error{Code::kInternal, "the device says no"};
    if (device_.stuck && device_.applied > 0) return Error{Code::kInternal, "it is stuck"};
    ++device_.applied;
    device_.carve = want;
    return ok();
  }

 private:
  FakeDevice& device_;
  std::string kind_;
};

class SliceSetTest : public ::testing::Test {
 protected:
  SliceSet set{[this](const std::string& mechanism,
                      uint32_t device) -> Result<std::unique_ptr<SliceProvider>> {
    if (mechanism == "mig") return Error{Code::kUnavailable, "there is no driver"};
    made.push_back(mechanism + std::to_string(device));
    return std::unique_ptr<SliceProvider>(
        std::make_unique<FakeProvider>(devices[made.back()], mechanism));
  }};
  std::map<std::string, FakeDevice> devices;
  std::vector<std::string> made;

  std::vector<std::string> ids() {
    std::vector<std::string> all;
    const auto slices = set.observe();
    for (const Slice& slice : *slices) all.push_back(std::to_string(slice.device) + "/" + slice.id);
    return all;
  }
};

const SliceWish kCores{"cores", {2, 1}, "", 0, 0, {}};
const SliceWish kThreads{"threads", {1}, "", 0, 0, {}};
const SliceWish kShares{"mps", {50, 50}, "", 0, 1, {}};
const SliceWish kMore{"mps", {25}, "", 0, 1, {}};
const SliceWish kGreen{"sm", {16, 16}, "", 0, 0, {}};

TEST_F(SliceSetTest, OneProviderForAllCoresAndOneForEachGpuAndMechanism) {
  ASSERT_TRUE(set.apply(std::vector{kCores, kThreads, kShares, kMore, kGreen}).ok());
  EXPECT_THAT(made, ElementsAre("cores0", "mps1", "sm0"));
  EXPECT_THAT(ids(), ElementsAre("0/cores:1#0", "0/cores:2#0", "0/threads:1#0", "1/mps:25#0",
                                 "1/mps:50#0", "1/mps:50#1", "0/sm:16+16#0"));
}

TEST_F(SliceSetTest, WhatNobodyWishesForAnyMoreGoes) {
  ASSERT_TRUE(set.apply(std::vector{kCores, kShares}).ok());
  ASSERT_TRUE(set.apply(std::vector{kMore}).ok());
  EXPECT_THAT(ids(), ElementsAre("1/mps:25#0"));
}

TEST_F(SliceSetTest, ADeviceThatCannotHoldItsWishKeepsAllFromChanging) {
  ASSERT_TRUE(set.apply(std::vector{kShares}).ok());
  devices["sm0"].refuses = "sm:16+16";
  const Status applied = set.apply(std::vector{kMore, kGreen});
  ASSERT_FALSE(applied.ok());
  EXPECT_EQ(applied.error().what, "sm:16+16 does not fit");
  EXPECT_EQ(set.check(std::vector{kMore, kGreen}).error().what, "sm:16+16 does not fit");
  EXPECT_THAT(ids(), ElementsAre("1/mps:50#0", "1/mps:50#1"));
  EXPECT_EQ(devices["mps1"].applied, 1);
}

TEST_F(SliceSetTest, ADeviceThatFailsGivesTheOthersTheirOldSlicesBack) {
  ASSERT_TRUE(set.apply(std::vector{kCores, kShares}).ok());
  devices["sm0"].fails = true;
  EXPECT_EQ(set.apply(std::vector{kThreads, kMore, kGreen}).error().what, "the device says no");
  EXPECT_THAT(ids(), ElementsAre("0/cores:1#0", "0/cores:2#0", "1/mps:50#0", "1/mps:50#1"));
}

TEST_F(SliceSetTest, WhatCannotBePutBackIsSaid) {
  devices["sm0"].fails = true;
  devices["mps1"].stuck = true;
  EXPECT_THAT(set.apply(std::vector{kMore, kGreen}).error().what,
              AllOf(HasSubstr("the device says no; and mps slices of device 1"),
                    HasSubstr("put back: it is stuck")));
}

TEST_F(SliceSetTest, AMechanismThatIsNotThereIsSaidBeforeAnythingChanges) {
  EXPECT_EQ(set.apply(std::vector{kCores, SliceWish{"mig", {}, "1g.10gb", 1, 0, {}}}).error().what,
            "there is no driver");
  EXPECT_THAT(ids(), IsEmpty());
}

}  // namespace
}  // namespace corolla::slice
