#include "slice/mig_parted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "slice/mig_planner.h"
#include "slice/testing/fake_gpus.h"

namespace corolla::slice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string file_text(const std::string& name) {
  std::ifstream file(std::string(COROLLA_TESTDATA) + "/mig_parted/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Gpu> gpus_of(const std::string& devices) {
  FakeGpus fake(devices);
  const auto nvml = fake.open();
  std::vector<Gpu> gpus;
  const uint32_t count = *nvml->device_count();
  for (uint32_t i = 0; i < count; ++i) gpus.push_back(*nvml->gpu(i));
  return gpus;
}

std::string refusal(const std::string& text) {
  auto file = read_mig_parted(text, "f.yaml");
  EXPECT_FALSE(file.ok()) << text;
  return file.ok() ? "" : file.error().what;
}

std::string one(const std::string& entry) {
  return "version: v1\nmig-configs:\n  x:\n  - " + entry + "\n";
}

TEST(MigParted, EveryLabelOfTheExampleIsReadAndPlanned) {
  FakeGpus fake("a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb");
  const auto nvml = fake.open();
  std::vector<Gpu> gpus;
  for (uint32_t i = 0; i < 8; ++i) gpus.push_back(*nvml->gpu(i));
  const auto file = read_mig_parted(file_text("labels.yaml"), "labels.yaml");
  ASSERT_TRUE(file.ok()) << file.error().what;
  std::vector<std::string> labels;
  for (const auto& [label, entries] : file->layouts) {
    labels.push_back(label);
    const auto wishes = wishes_of(*file, label, gpus);
    ASSERT_TRUE(wishes.ok()) << wishes.error().what;
    EXPECT_THAT(*wishes, testing::SizeIs(8)) << label;
    MigControl control(*nvml, fake.folder());
    const auto plans = control.plan(*wishes);
    ASSERT_TRUE(plans.ok()) << label << ": " << plans.error().what;
    const auto done = control.apply(*wishes);
    ASSERT_TRUE(done.ok()) << label << ": " << done.error().what;
  }
  EXPECT_THAT(labels, ElementsAre("all-disabled", "all-enabled", "all-1g.5gb", "all-1g.5gb.me",
                                  "all-1g.10gb", "all-2g.10gb", "all-3g.20gb", "all-balanced",
                                  "custom-config"));
  const auto custom = *wishes_of(*file, "custom-config", gpus);
  EXPECT_EQ(custom.at(0), (MigWish{false, {}}));
  EXPECT_EQ(custom.at(4), (MigWish{true, {{"1g.5gb", 7}}}));
  EXPECT_EQ(custom.at(7), (MigWish{true, {{"1g.5gb", 2}, {"2g.10gb", 1}, {"3g.20gb", 1}}}));
}

TEST(MigParted, FiltersChooseByModel) {
  const auto file = read_mig_parted(file_text("models.yaml"), "m.yaml");
  ASSERT_TRUE(file.ok()) << file.error().what;
  const auto wishes = wishes_of(*file, "balanced", gpus_of("h100-80gb,t4,a100-40gb"));
  ASSERT_TRUE(wishes.ok()) << wishes.error().what;
  EXPECT_EQ(wishes->at(0), (MigWish{true, {{"1g.10gb", 2}, {"2g.20gb", 1}, {"3g.40gb", 1}}}));
  EXPECT_EQ(wishes->at(1), (MigWish{false, {}}));
  EXPECT_EQ(wishes->at(2), (MigWish{true, {{"1g.5gb", 2}, {"2g.10gb", 1}, {"3g.20gb", 1}}}));
  // A GPU alone, not in a list.
  EXPECT_EQ(wishes_of(*file, "parts", gpus_of("a100-40gb"))->at(0),
            (MigWish{true, {{"1c.3g.20gb", 3}, {"1g.5gb+me", 1}}}));
  const auto none = wishes_of(*file, "balanced", gpus_of("h200-141gb"));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().what,
            "m.yaml: no entry of 'balanced' is for a GPU of this machine; it has NVIDIA H200 "
            "(0x233510DE)");
}

TEST(MigParted, LabelsAreChosenClearly) {
  const auto file = *read_mig_parted(file_text("labels.yaml"), "l.yaml");
  const auto gpus = gpus_of("a100-40gb");
  EXPECT_THAT(wishes_of(file, "", gpus).error().what,
              HasSubstr("l.yaml has 9 layouts; choose one with -c: all-disabled, all-enabled"));
  EXPECT_EQ(wishes_of(file, "all-balancd", gpus).error().what,
            "l.yaml has no layout 'all-balancd'; did you mean 'all-balanced'?");
  EXPECT_EQ(wishes_of(file, "custom-config", gpus).error().what,
            "l.yaml:30: 'custom-config' speaks of GPU 1, and this machine has only GPU 0");
  const auto single = *read_mig_parted(one("{devices: all, mig-enabled: false}"), "s.yaml");
  EXPECT_TRUE(wishes_of(single, "", gpus).ok());
  const auto twice = *read_mig_parted(
      "version: v1\nmig-configs:\n  x:\n"
      "  - {devices: all, mig-enabled: false}\n"
      "  - {devices: [0], mig-enabled: true, mig-devices: {}}\n",
      "t.yaml");
  EXPECT_EQ(wishes_of(twice, "x", gpus).error().what,
            "t.yaml:5: GPU 0 is also spoken of by the entry in line 4, which wants something else");
}

TEST(MigParted, RefusesWithLineAndNearestKey) {
  EXPECT_EQ(refusal("version: v1\nmig-config:\n"),
            "f.yaml:2: unknown key 'mig-config'; did you mean 'mig-configs'?");
  EXPECT_EQ(refusal(one("{device: all, mig-enabled: false}")),
            "f.yaml:4: mig-configs.x: unknown key 'device'; did you mean 'devices'?");
  EXPECT_THAT(refusal(one("{devices: all}")), HasSubstr("the key 'mig-enabled' is missing"));
  EXPECT_THAT(refusal(one("{mig-enabled: false}")), HasSubstr("the key 'devices' is missing"));
  EXPECT_THAT(refusal(one("{devices: all, mig-enabled: true}")),
              HasSubstr("the key 'mig-devices' is missing; write 'mig-devices: {}'"));
  EXPECT_THAT(refusal(one("{devices: all, mig-enabled: false, mig-devices: {1g.5gb: 1}}")),
              HasSubstr("mig-enabled is false, and yet there are mig-devices"));
  EXPECT_THAT(refusal(one("{devices: some, mig-enabled: false}")),
              HasSubstr("should be all, or a list of GPU numbers such as [0, 1], and is 'some'"));
  EXPECT_THAT(refusal(one("{devices: [-1], mig-enabled: false}")), HasSubstr("is '-1'"));
  EXPECT_THAT(refusal(one("{devices: all, mig-enabled: maybe}")),
              HasSubstr("should be true or false, and is 'maybe'"));
  EXPECT_THAT(refusal(one("{devices: all, mig-enabled: true, mig-devices: {1g5gb: 1}}")),
              HasSubstr("'1g5gb' is no MIG profile; write for example 1g.5gb"));
  EXPECT_THAT(refusal(one("{devices: all, mig-enabled: true, mig-devices: {1g.5gb: many}}")),
              HasSubstr("should be a whole number from 0 to 1000, and is 'many'"));
  EXPECT_THAT(refusal(one("{device-filter: A100, devices: all, mig-enabled: false}")),
              HasSubstr("should be a PCI device id such as 0x20B010DE, and is 'A100'"));
  EXPECT_THAT(refusal("version: v2\nmig-configs: {}\n"),
              HasSubstr("f.yaml:1: version: should be v1, and is 'v2'"));
  EXPECT_THAT(refusal("mig-configs: {x: [{devices: all, mig-enabled: false}]}\n"),
              HasSubstr("the key 'version' is missing; write 'version: v1'"));
  EXPECT_THAT(refusal("version: v1\nmig-configs: {}\n"), HasSubstr("there is no layout"));
  EXPECT_THAT(refusal("version: v1\nmig-configs:\n  x: []\n"), HasSubstr("at least one entry"));
  EXPECT_THAT(refusal("version: v1\nversion: v1\n"), HasSubstr("stands here twice"));
  EXPECT_EQ(refusal("version: v1\nmig-configs:\n\tx:\n"),
            "f.yaml:3: the line begins with a tab; YAML is indented with spaces");
  EXPECT_THAT(refusal("version: [v1\n"), HasSubstr("this is not YAML"));
  EXPECT_THAT(refusal(""), HasSubstr("the key 'version' is missing"));
}

TEST(MigParted, WhatIsExportedIsReadBack) {
  const MigWishes present = {{0, {true, {{"1g.5gb", 7}}}},
                             {1, {false, {}}},
                             {2, {true, {{"1g.5gb", 7}}}},
                             {3, {true, {}}}};
  const std::string text = mig_parted_yaml("current", present);
  EXPECT_EQ(text,
            "version: v1\nmig-configs:\n  current:\n  - devices: [0, 2]\n    mig-enabled: true\n"
            "    mig-devices:\n      \"1g.5gb\": 7\n  - devices: [1]\n    mig-enabled: false\n"
            "  - devices: [3]\n    mig-enabled: true\n    mig-devices: {}\n");
  const auto file = read_mig_parted(text, "e.yaml");
  ASSERT_TRUE(file.ok()) << file.error().what;
  EXPECT_EQ(*wishes_of(*file, "current", gpus_of("a100-40gb,a100-40gb,a100-40gb,a100-40gb")),
            present);
}

TEST(MigParted, IsToldFromAFleetsFile) {
  EXPECT_TRUE(looks_like_mig_parted(file_text("labels.yaml")));
  EXPECT_FALSE(looks_like_mig_parted("slices: {profile: 1g.5gb, count: 7}\n"));
  EXPECT_FALSE(looks_like_mig_parted("models:\n  mig-configs:\n"));
  EXPECT_FALSE(looks_like_mig_parted(""));
}

}  // namespace
}  // namespace corolla::slice
