#include "slice/green_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "slice/testing_paths.h"

namespace corolla::slice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(GreenProvider, ASplitIsOneSliceOfOneProcess) {
  ::setenv("COROLLA_FAKE_CUDA", "H100", 1);
  GreenProvider provider(0, kFakeCuda);
  ASSERT_TRUE(provider.apply({{"sm:16+16+100", 1}}).ok());
  const auto slices = *provider.observe();
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(slices[0].kind, "sm");
  EXPECT_EQ(slices[0].walls, Walls::kCompute);
  EXPECT_EQ(slices[0].sm_count, 132);
  EXPECT_THAT(slices[0].worker_env, ElementsAre(Pair("CUDA_VISIBLE_DEVICES",
                                                     "GPU-f0dfcebd-ac9b-8a79-6857-4635241302f1")));
}

TEST(GreenProvider, RefusesWithTheNumbers) {
  ::setenv("COROLLA_FAKE_CUDA", "A100-40GB", 1);
  GreenProvider provider(0, kFakeCuda);
  EXPECT_THAT(provider.check({{"sm:60+60", 1}}).error().what, HasSubstr("GPU 0 has 108"));
  EXPECT_THAT(provider.check({{"mps:50", 1}}).error().what, HasSubstr("'mps:50' is no split"));
  GreenProvider elsewhere(5, kFakeCuda);
  EXPECT_EQ(elsewhere.check({{"sm:16", 1}}).error().code, Code::kNotFound);
  EXPECT_TRUE(elsewhere.check({}).ok()) << "no wish needs no GPU";
}

}  // namespace
}  // namespace corolla::slice
