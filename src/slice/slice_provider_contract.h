// What every SliceProvider must do, whatever it carves: run on fakes always, and on the real thing
// where there is one.
//
//   INSTANTIATE_TEST_SUITE_P(Mps, SliceProviderContract, ::testing::Values(ContractCase{...}));
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "slice/slice_provider.h"

namespace corolla::slice {

struct ContractCase {
  std::string name;
  // A provider of a device that holds nothing. An Error skips the case: its sentence says why.
  std::function<Result<std::unique_ptr<SliceProvider>>()> make;
  Carve few, more;  // `more` holds all of `few` and something else
  Carve impossible;
};

inline void PrintTo(const ContractCase& c, std::ostream* out) { *out << c.name; }

class SliceProviderContract : public ::testing::TestWithParam<ContractCase> {
 protected:
  void SetUp() override {
    auto made = GetParam().make();
    if (!made.ok()) GTEST_SKIP() << made.error().what;
    provider_ = *std::move(made);
  }
  void TearDown() override {
    if (!provider_) return;
    EXPECT_TRUE(provider_->apply({}).ok());
  }

  std::vector<Slice> there() {
    auto slices = provider_->observe();
    EXPECT_TRUE(slices.ok()) << slices.error().what;
    return slices.ok() ? *std::move(slices) : std::vector<Slice>();
  }
  Carve carve_there() {
    Carve carve;
    for (const Slice& slice : there()) ++carve[slice.profile];
    return carve;
  }
  void apply(const Carve& carve) {
    const Status applied = provider_->apply(carve);
    ASSERT_TRUE(applied.ok()) << applied.error().what;
  }

  std::unique_ptr<SliceProvider> provider_;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SliceProviderContract);

TEST_P(SliceProviderContract, CheckingChangesNothing) {
  EXPECT_TRUE(provider_->check(GetParam().more).ok());
  EXPECT_TRUE(there().empty());
}

TEST_P(SliceProviderContract, WhatIsAppliedIsThere) {
  apply(GetParam().few);
  EXPECT_EQ(carve_there(), GetParam().few);
  std::set<std::string> ids;
  for (const Slice& slice : there()) {
    EXPECT_TRUE(ids.insert(slice.id).second) << slice.id << " is there twice";
    EXPECT_FALSE(slice.kind.empty());
    EXPECT_FALSE(slice.cores.empty() && slice.worker_env.empty())
        << slice.id << ": nothing ties its worker to it";
  }
}

TEST_P(SliceProviderContract, WhatBothCarvesContainStays) {
  apply(GetParam().few);
  const std::vector<Slice> before = there();
  apply(GetParam().more);
  EXPECT_EQ(carve_there(), GetParam().more);
  const std::vector<Slice> after = there();
  for (const Slice& slice : before) EXPECT_THAT(after, ::testing::Contains(slice));
  apply(GetParam().few);
  EXPECT_EQ(carve_there(), GetParam().few);
}

TEST_P(SliceProviderContract, TheSameAgainChangesNothing) {
  apply(GetParam().few);
  const std::vector<Slice> before = there();
  EXPECT_TRUE(provider_->leaving(GetParam().few).ok());
  EXPECT_THAT(*provider_->leaving(GetParam().few), ::testing::IsEmpty());
  apply(GetParam().few);
  EXPECT_EQ(there(), before);
}

TEST_P(SliceProviderContract, WhatCannotBeIsRefusedAndChangesNothing) {
  apply(GetParam().few);
  const std::vector<Slice> before = there();
  for (const Carve& wrong : {GetParam().impossible, Carve{{"no such thing", 1}}}) {
    const Status checked = provider_->check(wrong), applied = provider_->apply(wrong);
    ASSERT_FALSE(checked.ok());
    ASSERT_FALSE(applied.ok());
    EXPECT_EQ(checked.error().code, Code::kInvalidArgument) << checked.error().what;
    EXPECT_EQ(applied.error(), checked.error());
  }
  EXPECT_EQ(there(), before);
}

TEST_P(SliceProviderContract, WithoutAWishNothingIsLeft) {
  apply(GetParam().more);
  apply({});
  EXPECT_TRUE(there().empty());
  apply({});
  EXPECT_TRUE(there().empty());
}

}  // namespace corolla::slice
