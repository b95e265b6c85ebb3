// What of tuning needs no GPU: which choices are offered, and how they are kept.
#include "engine/cuda/tuner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "engine/cuda/cuda_engine.h"
#include "engine/cuda/tuning_cache.h"

namespace corolla::engine::cuda {
namespace {

ConvProblem pointwise(int m, int n, int k) {
  ConvProblem p;
  p.m = m;
  p.n = p.n_real = p.y_pixel = n;
  p.k = p.channels = p.x_pixel = p.x_row = p.x_image = k;
  p.height = p.width = p.out_hw = p.out_w = 1;
  return p;
}

DeviceFacts device(int capability, int multiprocessors) {
  DeviceFacts facts;
  facts.compute_capability = capability;
  facts.multiprocessors = multiprocessors;
  facts.shared_bytes = capability == 90 ? 232448 : 166912;
  return facts;
}

TEST(Candidates, AllCanRunAndTheLikelyOneIsAmongThem) {
  for (const auto& facts : {device(90, 132), device(90, 18), device(80, 108)})
    for (const auto& p : {pointwise(49, 512, 4608), pointwise(3136, 64, 64),
                          pointwise(1, 102, 2048), pointwise(401408, 256, 64)}) {
      const auto all = candidates(p, facts);
      ASSERT_FALSE(all.empty());
      for (const ConvChoice& choice : all)
        EXPECT_TRUE(can_run(p, choice, facts)) << choice.kernel->name;
      const ConvChoice likely = likely_choice(p, facts);
      EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const ConvChoice& choice) {
        return choice.kernel == likely.kernel && choice.splits == likely.splits &&
               choice.cluster == likely.cluster;
      }));
    }
}

TEST(Candidates, OlderDevicesGetNeitherWgmmaNorClusters) {
  for (const ConvChoice& choice : candidates(pointwise(196, 256, 2304), device(80, 108))) {
    EXPECT_FALSE(choice.kernel->wgmma);
    EXPECT_FALSE(choice.cluster);
  }
}

TEST(Candidates, KernelsAreOfTheProblemsType) {
  std::set<std::string> keys;
  for (const Element element : {Element::kHalf, Element::kBfloat, Element::kByte}) {
    ConvProblem p = pointwise(196, 256, 1152);
    p.element = element;
    keys.insert(shape_key(p));
    for (const int capability : {80, 90}) {
      const auto all = candidates(p, device(capability, 108));
      EXPECT_FALSE(all.empty());
      for (const ConvChoice& choice : all) EXPECT_EQ(choice.kernel->element, element);
    }
    EXPECT_EQ(likely_choice(p, device(90, 18)).kernel->element, element);
  }
  EXPECT_EQ(keys.size(), 3u);
  ConvProblem p = pointwise(196, 256, 1152);
  p.element = Element::kByte;
  const std::string narrow = (p.y_bytes = true, shape_key(p));
  EXPECT_NE(narrow, (p.y_bytes = false, shape_key(p))) << "what is written counts, too";
  EXPECT_FALSE(can_run(p, {find_conv_kernel("wgmma_64x64"), 1, false}, device(90, 132)));
  EXPECT_TRUE(can_run(p, {find_conv_kernel("s8_wgmma_64x64"), 1, false}, device(90, 132)));
}

TEST(Candidates, FewTilesAreSplit) {
  const auto all = candidates(pointwise(49, 512, 4608), device(90, 132));
  EXPECT_TRUE(std::any_of(all.begin(), all.end(),
                          [](const ConvChoice& c) { return c.splits == 8 && c.cluster; }));
  const auto many = candidates(pointwise(401408, 256, 2304), device(90, 132));
  EXPECT_TRUE(
      std::all_of(many.begin(), many.end(), [](const ConvChoice& c) { return c.splits == 1; }));
}

TEST(Candidates, ASecondProductIsForKernelsThatTakeOne) {
  alignas(16) static std::byte somewhere[16];
  ConvProblem p = pointwise(3136, 256, 64);
  p.extra.x = p.extra.w = somewhere;
  p.extra.height = p.extra.width = 1;
  p.extra.channels = p.extra.x_pixel = p.extra.x_row = p.extra.x_image = 128;
  const auto all = candidates(p, device(90, 132));
  ASSERT_FALSE(all.empty());
  for (const ConvChoice& choice : all) {
    EXPECT_TRUE(choice.kernel->boxes) << choice.kernel->name;
    EXPECT_LE(choice.splits, 3);  // steps of K: one of the first product, two of the second
  }
  EXPECT_TRUE(candidates(p, device(80, 108)).empty());
}

TEST(TuningCache, KeepsWhatWasTunedByKindOfSlice) {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("corolla-tuning-" + std::to_string(::getpid()));
  plan::Target slice{.engine = "cuda", .arch = "sm_90", .sm_count = 18, .walls = "mps"};
  const TuningCache cache(folder, slice);
  ASSERT_TRUE(cache.add({{"conv a", {"wgmma_64x64", 4, true, 3.5}}}).ok());
  ASSERT_TRUE(cache.add({{"conv b", {"mma_32x32", 1, false, 2}}}).ok());
  const TunedTable both = cache.read();
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both.at("conv a").kernel, "wgmma_64x64");
  EXPECT_EQ(both.at("conv a").splits, 4);
  EXPECT_TRUE(both.at("conv a").cluster);
  slice.sm_count = 132;
  EXPECT_TRUE(TuningCache(folder, slice).read().empty());
  std::filesystem::remove_all(folder);
}

TEST(TuningCache, DamagedLinesAreLeftOut) {
  const TunedTable table =
      table_from_text("no tab\nconv a\twgmma_64x64 4\nconv b\tmma 0 0 1\nconv c\tmma 2 0 1.5\n");
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table.at("conv c").splits, 2);
}

TEST(CudaEngine, OptionsAreCheckedBeforeTheDevice) {
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"lanes", "0"}, {"green", "16,x"}, {"wait", "never"}, {"tune", ""}, {"colour", "red"}}) {
    EngineSetup setup;
    setup.options[name] = value;
    const auto engine = make_cuda_engine(setup);
    ASSERT_FALSE(engine.ok()) << name;
    EXPECT_EQ(engine.error().code, Code::kInvalidArgument) << engine.error().what;
    EXPECT_NE(engine.error().what.find(name), std::string::npos) << engine.error().what;
  }
}

}  // namespace
}  // namespace corolla::engine::cuda
