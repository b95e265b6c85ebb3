#include "plan/plan_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "plan/compiler.h"
#include "plan/testing/graph_maker.h"

namespace corolla::plan {
namespace {

using testing::HasSubstr;

Plan small_plan() {
  GraphMaker m;
  ValueId x = m.node("HardSigmoid", {m.conv(m.input("x", {1, 3, 6, 6}), 3, 8, 3)});
  x = m.node("Flatten", {m.node("GlobalAveragePool", {m.node("Add", {x, m.conv(x, 8, 8, 1)})})});
  m.output(m.node("Softmax", {m.node("Gemm", {x, m.weight({8, 4})})}));
  CompileOptions options;
  options.batches = {1, 4};
  options.target = {"cuda",      "sm_90a", "NVIDIA H100 80GB HBM3", 132, int64_t{80} << 30,
                    "575.57.08", "whole"};
  Plan plan = *compile(m.finish_model(), options);
  plan.programs[0].steps[1].kernel = "conv_128x64";
  plan.programs[0].steps[1].tuning = {128, 64, -1};
  plan.programs[0].steps[1].microseconds = 1.5;
  return plan;
}

class PlanFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/plan.XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ / "small.plan";
    ASSERT_TRUE(write_plan(small_plan(), path_).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<std::byte> content() const {
    std::ifstream in(path_, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    return {bytes.begin(), bytes.end()};
  }

  // From memory as aligned as a mapped file is.
  static Result<Plan> parse(const std::vector<std::byte>& bytes) {
    void* memory = std::aligned_alloc(4096, (bytes.size() + 4096) / 4096 * 4096);
    std::shared_ptr<const void> owner(memory,
                                      [](const void* p) { std::free(const_cast<void*>(p)); });
    if (!bytes.empty()) std::memcpy(memory, bytes.data(), bytes.size());
    return parse_plan({static_cast<const std::byte*>(memory), bytes.size()}, owner);
  }

  std::filesystem::path folder_, path_;
};

TEST_F(PlanFile, ComesBackAsItWas) {
  const Plan plan = small_plan();
  const auto back = read_plan(path_);
  ASSERT_TRUE(back.ok()) << back.error().what;
  EXPECT_EQ(back->programs, plan.programs);
  EXPECT_EQ(back->inputs, plan.inputs);
  EXPECT_EQ(back->outputs, plan.outputs);
  EXPECT_EQ(back->target, plan.target);
  EXPECT_EQ(back->model, plan.model);
  EXPECT_EQ(back->precision, plan.precision);
  EXPECT_TRUE(std::equal(back->weights.begin(), back->weights.end(), plan.weights.begin(),
                         plan.weights.end()));
  EXPECT_TRUE(is_plan(path_));
  EXPECT_EQ(back->program_for(2)->batch, 4);
  EXPECT_EQ(back->program_for(5), nullptr);
}

TEST_F(PlanFile, TheSameModelMakesTheSameBytes) {
  const auto first = content();
  ASSERT_TRUE(write_plan(small_plan(), path_).ok());
  EXPECT_EQ(content(), first);
}

TEST_F(PlanFile, NothingIsLeftBesideIt) {
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++files;
  EXPECT_EQ(files, 1);
  EXPECT_FALSE(write_plan(small_plan(), folder_ / "none" / "x.plan").ok());
}

TEST_F(PlanFile, EveryDamagedByteIsNoticed) {
  const auto good = content();
  for (size_t i = 0; i < good.size(); i += i < 128 ? 1 : 37) {
    auto bad = good;
    bad[i] ^= std::byte{0x10};
    const auto plan = parse(bad);
    // Between the header and the description, and behind the description, lies padding.
    if (!plan.ok()) continue;
    EXPECT_GE(i, sizeof(char) * 64) << i;
    EXPECT_EQ(good[i], std::byte{0}) << i;
  }
}

TEST_F(PlanFile, EveryTruncationIsNoticed) {
  const auto good = content();
  for (size_t n = 0; n < good.size(); n += 61) {
    const auto plan = parse({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n)});
    EXPECT_FALSE(plan.ok()) << n;
  }
}

TEST_F(PlanFile, AnotherVersionIsToldFromDamage) {
  auto bytes = content();
  bytes[13] = std::byte{'9'};
  EXPECT_THAT(parse(bytes).error().what, HasSubstr("another version"));
  bytes[0] = std::byte{'x'};
  EXPECT_THAT(parse(bytes).error().what, HasSubstr("no plan"));
}

// What the checksums cannot catch: a description that was written wrongly. None of these may pass.
TEST_F(PlanFile, InconsistentPlansAreRefused) {
  struct Case {
    const char* what;
    void (*spoil)(Plan&);
  };
  const Case cases[] = {
      {"arena", [](Plan& p) { p.programs[0].arena_bytes = 256; }},
      {"tensor", [](Plan& p) { p.programs[0].steps[1].inputs[0] = 1000; }},
      {"tensor", [](Plan& p) { p.programs[0].steps[1].inputs[0] = -1; }},
      {"place", [](Plan& p) { p.programs[0].tensors[2].offset += 1; }},
      {"place",
       [](Plan& p) {
         for (auto& t : p.programs[0].tensors)
           if (t.place == Place::kWeight) t.offset = 1 << 30;
       }},
      {"bytes", [](Plan& p) { p.programs[0].tensors[1].shape[2] = 1 << 20; }},
      {"conv", [](Plan& p) { std::get<Conv>(p.programs[0].steps[1].operation).stride_h = 0; }},
      {"conv", [](Plan& p) { std::get<Conv>(p.programs[0].steps[1].operation).pad_top = 1 << 20; }},
      {"conv", [](Plan& p) { std::get<Conv>(p.programs[0].steps[1].operation).groups = 3; }},
      {"conv",
       [](Plan& p) { std::get<Conv>(p.programs[0].steps[1].operation).epilogue.residual = true; }},
      {"before", [](Plan& p) { std::swap(p.programs[0].steps[1], p.programs[0].steps[2]); }},
      {"batch", [](Plan& p) { std::swap(p.programs[0], p.programs[1]); }},
      {"outputs", [](Plan& p) { p.programs[0].steps[1].outputs.clear(); }},
      {"port", [](Plan& p) { p.inputs.clear(); }},
  };
  for (const Case& c : cases) {
    Plan plan = small_plan();
    c.spoil(plan);
    EXPECT_FALSE(verify(plan).ok()) << c.what;
    ASSERT_TRUE(write_plan(plan, path_).ok());
    EXPECT_FALSE(read_plan(path_).ok()) << c.what;
  }
}

TEST(PlanTarget, AnotherArchitectureIsRefusedAndAnotherSliceIsMentioned) {
  const Target plan = {"cuda", "sm_90a", "H100", 132, 0, "575", "whole"};
  Target device = plan;
  EXPECT_TRUE(fits(plan, device, 1000).ok());
  EXPECT_FALSE(tuned_elsewhere(plan, device).has_value());
  device.arch = "sm_80";
  device.device = "A100";
  EXPECT_THAT(fits(plan, device, 0).error().what,
              testing::AllOf(HasSubstr("sm_90a"), HasSubstr("sm_80"), HasSubstr("A100")));
  device = plan;
  device.sm_count = 18;
  device.walls = "mps";
  EXPECT_TRUE(fits(plan, device, 0).ok());
  EXPECT_THAT(*tuned_elsewhere(plan, device),
              testing::AllOf(HasSubstr("132"), HasSubstr("18"), HasSubstr("mps")));
  EXPECT_NE(tuning_key(plan), tuning_key(device));
  device.memory_bytes = 999;
  EXPECT_THAT(fits(plan, device, 1000).error().what, HasSubstr("999"));
  EXPECT_TRUE(fits({"cuda"}, device, 0).ok()) << "an untuned plan runs on any architecture";
}

}  // namespace
}  // namespace corolla::plan
