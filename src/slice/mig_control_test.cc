#include "slice/mig_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>

#include "slice/mig_journal.h"
#include "slice/mig_provider.h"
#include "slice/testing/fake_gpus.h"

namespace corolla::slice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const MigWishes kSeven = {{0, {true, {{"1g.5gb", 7}}}}};
const MigWishes kFourAndThree = {{0, {true, {{"1g.5gb", 4}, {"3g.20gb", 1}}}}};

Result<std::vector<MigPlan>> change_to(const FakeGpus& gpus, const MigWishes& wishes) {
  const auto nvml = gpus.open();
  return MigControl(*nvml, gpus.folder()).apply(wishes);
}

std::string refusal(const Result<std::vector<MigPlan>>& result, Code code) {
  EXPECT_FALSE(result.ok());
  if (result) return {};
  EXPECT_EQ(result.error().code, code) << result.error().what;
  return result.error().what;
}

// "off", or "1g.5gb@0 3g.20gb@4[2,1]".
std::string present(const FakeGpus& gpus, uint32_t device = 0) {
  const auto nvml = gpus.open();
  if (!nvml->gpu(device)->mig_on) return "off";
  const ProfileTable table = *nvml->profiles(device);
  std::string text;
  const std::vector<GpuInstance> instances = *nvml->instances(device);
  for (const GpuInstance& instance : instances) {
    const MigProfile& profile = *table.find(instance.profile_id);
    text += (text.empty() ? "" : " ") + profile.name + "@" + std::to_string(instance.extent.start);
    if (instance.devices.size() == 1 && instance.devices[0].slices == profile.slices) continue;
    text += "[";
    for (size_t i = 0; i < instance.devices.size(); ++i)
      text += (i ? "," : "") + std::to_string(instance.devices[i].slices);
    text += "]";
  }
  return text;
}

std::vector<std::string> uuids(const FakeGpus& gpus, uint32_t device = 0) {
  std::vector<std::string> all;
  const auto instances = *gpus.open()->instances(device);
  for (const GpuInstance& instance : instances)
    for (const MigDevice& one : instance.devices) all.push_back(one.uuid);
  return all;
}

constexpr char kSevenText[] = "1g.5gb@0 1g.5gb@1 1g.5gb@2 1g.5gb@3 1g.5gb@4 1g.5gb@5 1g.5gb@6";
constexpr char kFourAndThreeText[] = "1g.5gb@0 1g.5gb@1 1g.5gb@2 1g.5gb@3 3g.20gb@4";

TEST(MigControl, SevenSlicesFromNothingAndTheSecondRunCallsNothing) {
  FakeGpus gpus("a100-40gb");
  const auto first = change_to(gpus, kSeven);
  ASSERT_TRUE(first.ok()) << first.error().what;
  EXPECT_THAT(first->front().created, SizeIs(7));
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(first->front().created[i].uuid, uuids(gpus)[i]);
  EXPECT_EQ(present(gpus), kSevenText);
  EXPECT_THAT(gpus.calls(), SizeIs(1 + 7 + 7));
  EXPECT_EQ(gpus.calls().front(), "set_mig_mode 0 on");
  gpus.forget_calls();
  const auto second = change_to(gpus, kSeven);
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->front().changes());
  EXPECT_THAT(second->front().kept, SizeIs(7));
  EXPECT_THAT(gpus.calls(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(gpus.journal()));
}

TEST(MigControl, AChangeKeepsWhatStays) {
  FakeGpus gpus("a100-40gb");
  ASSERT_TRUE(change_to(gpus, kSeven).ok());
  const std::vector<std::string> before = uuids(gpus);
  // Four of them serve: had one to go, it would be refused.
  std::string serving;
  for (int i = 0; i < 4; ++i)
    serving += (i ? "," : "") + before[i] + "=" + std::to_string(::getpid());
  gpus.set("PROCESSES", serving);
  const auto done = change_to(gpus, kFourAndThree);
  ASSERT_TRUE(done.ok()) << done.error().what;
  EXPECT_EQ(present(gpus), kFourAndThreeText);
  const std::vector<std::string> after = uuids(gpus);
  EXPECT_THAT(std::vector(after.begin(), after.begin() + 4),
              ElementsAre(before[0], before[1], before[2], before[3]));
  EXPECT_EQ(std::count(before.begin(), before.end(), after[4]), 0);
}

TEST(MigControl, PlanTellsAndChangesNothing) {
  FakeGpus gpus("a100-40gb");
  ASSERT_TRUE(change_to(gpus, kSeven).ok());
  gpus.forget_calls();
  const auto nvml = gpus.open();
  const auto plans = MigControl(*nvml, gpus.folder()).plan(kFourAndThree);
  ASSERT_TRUE(plans.ok());
  EXPECT_THAT(plans->front().kept, SizeIs(4));
  EXPECT_THAT(plans->front().destroyed, SizeIs(3));
  ASSERT_THAT(plans->front().created, SizeIs(1));
  EXPECT_EQ(plans->front().created[0].profile, "3g.20gb");
  EXPECT_EQ(plans->front().created[0].extent, (Extent{4, 4}));
  EXPECT_THAT(gpus.calls(), IsEmpty());
}

TEST(MigControl, ComputeInstancesAreChangedWithinTheirGpuInstance) {
  FakeGpus gpus("a100-40gb*");
  ASSERT_TRUE(change_to(gpus, {{0, {true, {{"1c.3g.20gb", 3}}}}}).ok());
  EXPECT_EQ(present(gpus), "3g.20gb@4[1,1,1]");
  const std::vector<std::string> before = uuids(gpus);
  gpus.forget_calls();
  ASSERT_TRUE(change_to(gpus, {{0, {true, {{"1c.3g.20gb", 2}}}}}).ok());
  EXPECT_EQ(present(gpus), "3g.20gb@4[1,1]");
  EXPECT_THAT(gpus.calls(), ElementsAre(HasSubstr("destroy_compute_instance 0 1 ")));
  const std::vector<std::string> after = uuids(gpus);
  EXPECT_EQ(before[0], after[0]);
  EXPECT_EQ(before[1], after[1]);
  // One whole in the place of three parts: the GPU instance stays.
  gpus.forget_calls();
  ASSERT_TRUE(change_to(gpus, {{0, {true, {{"3g.20gb", 1}}}}}).ok());
  EXPECT_EQ(present(gpus), "3g.20gb@4");
  EXPECT_THAT(gpus.calls(), SizeIs(3));
}

TEST(MigControl, OffRemovesEverything) {
  FakeGpus gpus("a100-40gb,a100-40gb");
  ASSERT_TRUE(change_to(gpus, {{0, {true, {{"1g.5gb", 2}}}}, {1, {true, {{"7g.40gb", 1}}}}}).ok());
  EXPECT_EQ(present(gpus, 1), "7g.40gb@0");
  ASSERT_TRUE(change_to(gpus, {{0, {false, {}}}}).ok());
  EXPECT_EQ(present(gpus, 0), "off");
  EXPECT_EQ(present(gpus, 1), "7g.40gb@0");  // not named: as it was
}

TEST(MigControl, ImpossibleLayoutsAreRefusedBeforeAnyCall) {
  FakeGpus gpus("a100-40gb,h100-80gb");
  EXPECT_THAT(refusal(change_to(gpus, {{0, {true, {{"1g.5gb", 8}}}}}), Code::kInvalidArgument),
              HasSubstr("GPU 0: 8 of 1g.5gb are wished"));
  // A layout for another GPU; the first GPU's part, which could be had, is not begun.
  EXPECT_THAT(refusal(change_to(gpus, {{0, {true, {{"1g.5gb", 7}}}}, {1, {true, {{"1g.5gb", 7}}}}}),
                      Code::kInvalidArgument),
              HasSubstr("GPU 1: '1g.5gb' is no profile of NVIDIA H100"));
  EXPECT_THAT(gpus.calls(), IsEmpty());
  EXPECT_EQ(present(gpus), "off");
}

TEST(MigControl, BusySlicesAreNamedWithTheirProcesses) {
  FakeGpus gpus("a100-40gb");
  ASSERT_TRUE(change_to(gpus, kSeven).ok());
  gpus.forget_calls();
  const std::vector<std::string> there = uuids(gpus);
  std::string all;
  for (const std::string& uuid : there) all += uuid + "=" + std::to_string(::getpid()) + ",";
  gpus.set("PROCESSES", all);
  const std::string sentence = refusal(change_to(gpus, kFourAndThree), Code::kBusy);
  EXPECT_EQ(sentence, "GPU 0: 1g.5gb (" + there[4] + ") would go, and is in use by " +
                          "corolla_slice_test (PID " + std::to_string(::getpid()) +
                          "); nothing was changed");
  EXPECT_THAT(gpus.calls(), IsEmpty());
  EXPECT_EQ(uuids(gpus), there);
}

TEST(MigControl, ModeDoesNotChangeUnderRunningProcesses) {
  FakeGpus gpus("a100-40gb");
  gpus.set("PROCESSES", gpus.open()->gpu(0)->uuid + "=" + std::to_string(::getpid()));
  EXPECT_THAT(
      refusal(change_to(gpus, kSeven), Code::kBusy),
      HasSubstr("its MIG mode cannot change while it is in use by corolla_slice_test (PID"));
  EXPECT_THAT(gpus.calls(), IsEmpty());
}

TEST(MigControl, PendingModeIsToldAndNotAskedForTwice) {
  FakeGpus gpus("a100-40gb");
  gpus.set("RESET", "16");
  EXPECT_THAT(
      refusal(change_to(gpus, kSeven), Code::kUnavailable),
      testing::AllOf(HasSubstr("MIG mode of GPU 0 is now pending on"),
                     HasSubstr("GPU requires reset"), HasSubstr("nvidia-smi --gpu-reset -i 0")));
  EXPECT_THAT(gpus.calls(), SizeIs(1));
  EXPECT_THAT(refusal(change_to(gpus, kSeven), Code::kUnavailable), HasSubstr("is pending on"));
  EXPECT_THAT(gpus.calls(), SizeIs(1));
  EXPECT_FALSE(std::filesystem::exists(gpus.journal()));
}

TEST(MigControl, WithoutMigOrRootOrDeviceItSaysSo) {
  {
    FakeGpus gpus("t4");
    EXPECT_EQ(refusal(change_to(gpus, kSeven), Code::kUnsupported),
              "GPU 0 (Tesla T4) has no MIG; slices of it can be had by MPS or green contexts");
    EXPECT_TRUE(change_to(gpus, {{0, {false, {}}}}).ok());  // off is what it is
  }
  FakeGpus gpus("a100-40gb*");
  gpus.set("NO_PERMISSION", "1");
  EXPECT_THAT(refusal(change_to(gpus, kSeven), Code::kPermission),
              HasSubstr("Insufficient Permissions"));
  gpus.set("NO_PERMISSION", "");
  EXPECT_EQ(refusal(change_to(gpus, {{3, {true, {}}}}), Code::kNotFound),
            "there is no GPU 3; this machine has 1");
  EXPECT_THAT(gpus.calls(), IsEmpty());
}

TEST(MigControl, TwoDoNotMeet) {
  FakeGpus gpus("a100-40gb");
  int ready[2], leave[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(leave), 0);
  // Another process holds the lock as apply does, until told to leave.
  const pid_t other = ::fork();
  if (other == 0) {
    class Stuck : public Nvml {  // never answers until it may
     public:
      Stuck(int ready, int leave) : ready_(ready), leave_(leave) {}
      std::string driver_version() override { return ""; }
      Result<uint32_t> device_count() override { return 0u; }
      Result<Gpu> gpu(uint32_t) override {
        char c = 0;
        if (::write(ready_, &c, 1) != 1 || ::read(leave_, &c, 1) < 0) ::_exit(2);
        ::_exit(0);
      }
      Result<std::vector<Process>> processes(uint32_t) override { return std::vector<Process>(); }
      Result<ProfileTable> profiles(uint32_t) override { return ProfileTable(); }
      Result<uint32_t> room_for(uint32_t, uint32_t) override { return 0u; }
      Result<std::vector<MigDevice>> mig_devices(uint32_t) override {
        return std::vector<MigDevice>();
      }
      Result<std::vector<GpuInstance>> instances(uint32_t) override {
        return std::vector<GpuInstance>();
      }
      Status set_mig_mode(uint32_t, bool) override { return ok(); }
      Result<uint32_t> create_gpu_instance(uint32_t, uint32_t, Extent) override { return 0u; }
      Status destroy_gpu_instance(uint32_t, uint32_t) override { return ok(); }
      Result<uint32_t> create_compute_instance(uint32_t, uint32_t, uint32_t) override { return 0u; }
      Status destroy_compute_instance(uint32_t, uint32_t, uint32_t) override { return ok(); }

     private:
      int ready_, leave_;
    };
    Stuck stuck(ready[1], leave[0]);
    (void)MigControl(stuck, gpus.folder()).apply(kSeven).ok();
    ::_exit(1);
  }
  char c = 0;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  EXPECT_EQ(refusal(change_to(gpus, kSeven), Code::kBusy),
            "another change of MIG slices is at work (PID " + std::to_string(other) +
                "); nothing was changed; repeat when it has ended");
  EXPECT_THAT(gpus.calls(), IsEmpty());
  ASSERT_EQ(::write(leave[1], &c, 1), 1);
  int status = 0;
  ::waitpid(other, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(change_to(gpus, kSeven).ok());
  for (const int fd : {ready[0], ready[1], leave[0], leave[1]}) ::close(fd);
}

// A change from one layout to another, and how to get to the first.
struct Change {
  const char* devices;
  MigWishes first, second;
};

class EveryCall : public testing::TestWithParam<int> {
 protected:
  static const std::vector<Change>& changes() {
    static const std::vector<Change> all = {
        {"a100-40gb", {}, kSeven},
        {"a100-40gb", kSeven, kFourAndThree},
        {"a100-40gb", kFourAndThree, kSeven},
        {"a100-40gb", kFourAndThree, {{0, {false, {}}}}},
        {"a100-40gb*",
         {{0, {true, {{"1c.3g.20gb", 3}, {"2c.3g.20gb", 1}}}}},
         {{0, {true, {{"2c.3g.20gb", 1}, {"2g.10gb", 1}}}}}},
        {"a100-40gb,h100-80gb",
         {{0, {true, {{"1g.5gb", 2}}}}},
         {{0, {true, {{"2g.10gb", 1}, {"1g.5gb", 1}}}},
          {1, {true, {{"3g.40gb", 1}, {"1g.10gb+me", 1}}}}}},
    };
    return all;
  }
  const Change& change() const { return changes()[GetParam()]; }

  static std::string all_present(const FakeGpus& gpus) {
    std::string text;
    const uint32_t count = *gpus.open()->device_count();
    for (uint32_t i = 0; i < count; ++i) text += present(gpus, i) + "; ";
    return text;
  }
  void begin(FakeGpus& gpus) const {
    ASSERT_TRUE(change_to(gpus, change().first).ok());
    gpus.forget_calls();
  }
  // What stands before and after, and how many calls lie between.
  void measure() {
    FakeGpus gpus(change().devices);
    begin(gpus);
    old_ = all_present(gpus);
    const auto done = change_to(gpus, change().second);
    ASSERT_TRUE(done.ok()) << done.error().what;
    new_ = all_present(gpus);
    calls_ = static_cast<int>(gpus.calls().size());
    ASSERT_GT(calls_, 2);
  }

  std::string old_, new_;
  int calls_ = 0;
};

TEST_P(EveryCall, ThatFailsLeavesTheOldLayout) {
  measure();
  for (const char* code : {"999", "23", "19", "4"}) {
    for (int n = 1; n <= calls_; ++n) {
      FakeGpus gpus(change().devices);
      begin(gpus);
      gpus.set("FAIL", std::to_string(n));
      gpus.set("FAIL_CODE", code);
      const auto done = change_to(gpus, change().second);
      ASSERT_FALSE(done.ok()) << n;
      EXPECT_THAT(done.error().what, HasSubstr("; the old layout stands")) << n;
      EXPECT_EQ(all_present(gpus), old_) << n << ": " << done.error().what;
      EXPECT_FALSE(std::filesystem::exists(gpus.journal()));
      gpus.set("FAIL", "");
      EXPECT_TRUE(change_to(gpus, change().second).ok());
      EXPECT_EQ(all_present(gpus), new_);
    }
  }
}

// The n-th call and all after it fail, also those that would restore: told, and mended by the next.
TEST_P(EveryCall, ThatFailsForGoodIsMendedByTheNextRun) {
  measure();
  for (int n = 1; n <= calls_; ++n) {
    FakeGpus gpus(change().devices);
    begin(gpus);
    gpus.set("FAIL", std::to_string(n));
    gpus.set("FAIL_ALL", "1");
    const auto done = change_to(gpus, change().second);
    ASSERT_FALSE(done.ok()) << n;
    if (all_present(gpus) != old_) {
      EXPECT_THAT(done.error().what, HasSubstr("could not be put back")) << n;
      EXPECT_THAT(done.error().what, HasSubstr("has now")) << n;
      EXPECT_TRUE(std::filesystem::exists(gpus.journal())) << n;
    }
    gpus.set("FAIL", "");
    const auto again = change_to(gpus, change().second);
    ASSERT_TRUE(again.ok()) << n << again.error().what;
    EXPECT_EQ(all_present(gpus), new_) << n;
    EXPECT_FALSE(std::filesystem::exists(gpus.journal()));
  }
}

TEST_P(EveryCall, FollowedByKillIsCompletedOrUndoneByTheNextRun) {
  measure();
  for (int n = 1; n <= calls_; ++n) {
    FakeGpus gpus(change().devices);
    begin(gpus);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      gpus.set("KILL", std::to_string(n));
      (void)change_to(gpus, change().second).ok();
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << n;
    ASSERT_TRUE(std::filesystem::exists(gpus.journal())) << n;
    // A run that wishes nothing is enough: what was begun is completed, or undone.
    const auto next = change_to(gpus, {});
    ASSERT_TRUE(next.ok()) << n << ": " << next.error().what;
    const std::string stands = all_present(gpus);
    EXPECT_TRUE(stands == old_ || stands == new_) << n << ": " << stands;
    EXPECT_FALSE(std::filesystem::exists(gpus.journal())) << n;
  }
}

// Killed, and the run that mends it killed too, at each call of its own; the third has to cope.
TEST_P(EveryCall, FollowedByTwoKillsIsMendedByTheThirdRun) {
  measure();
  const auto killed_at = [&](FakeGpus& gpus, int call) {
    const pid_t child = ::fork();
    if (child == 0) {
      gpus.set("KILL", std::to_string(call));
      (void)change_to(gpus, change().second).ok();
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
  };
  for (int n = 1; n <= calls_; n += 3) {
    for (int m = 1; m <= calls_; m += 2) {
      FakeGpus gpus(change().devices);
      begin(gpus);
      ASSERT_TRUE(killed_at(gpus, n));
      killed_at(gpus, m);  // it may be done before
      const auto third = change_to(gpus, {});
      ASSERT_TRUE(third.ok()) << n << ", " << m << ": " << third.error().what;
      const std::string stands = all_present(gpus);
      EXPECT_TRUE(stands == old_ || stands == new_) << n << ", " << m << ": " << stands;
    }
  }
}

// What was begun can neither be completed nor undone: told, nothing lost, and mended when it can
// be.
TEST_P(EveryCall, FollowedByKillOnAGpuThatFailsKeepsItsJournal) {
  measure();
  FakeGpus gpus(change().devices);
  begin(gpus);
  const pid_t child = ::fork();
  if (child == 0) {
    gpus.set("KILL", "2");
    (void)change_to(gpus, change().second).ok();
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  gpus.set("FAIL", "1");
  gpus.set("FAIL_ALL", "1");
  gpus.set("FAIL_CODE", "15");
  const std::string before = all_present(gpus);
  const auto failed = change_to(gpus, change().second);
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().what, HasSubstr("GPU is lost"));
  EXPECT_EQ(all_present(gpus), before);
  EXPECT_TRUE(std::filesystem::exists(gpus.journal()));
  gpus.set("FAIL", "");
  EXPECT_TRUE(change_to(gpus, change().second).ok());
  EXPECT_EQ(all_present(gpus), new_);
}

constexpr const char* kChangeNames[] = {"FromNothing", "SevenToFourAndThree", "BackToSeven", "Off",
                                        "Parts",       "TwoDevices"};
INSTANTIATE_TEST_SUITE_P(OfAChange, EveryCall, testing::Range(0, 6),
                         [](const auto& info) { return std::string(kChangeNames[info.param]); });

TEST(MigJournalFile, StaleOnesAreToldAndNothingIsChanged) {
  FakeGpus gpus("a100-40gb");
  ASSERT_TRUE(change_to(gpus, {{0, {true, {{"3g.20gb", 1}}}}}).ok());
  gpus.forget_calls();
  const std::string uuid = gpus.open()->gpu(0)->uuid;
  // Somebody else's instance: in neither layout of the journal.
  const MigState before{true, {{19, {0, 1}, {1}}}}, after{true, {{19, {1, 1}, {1}}}};
  ASSERT_TRUE(write_journal(gpus.journal(), {boot_id(), {{uuid, before, after}}}).ok());
  EXPECT_THAT(refusal(change_to(gpus, kSeven), Code::kInternal),
              testing::AllOf(HasSubstr("is stale"), HasSubstr("at memory slice 4 of GPU 0"),
                             HasSubstr("nothing was changed")));
  ASSERT_TRUE(write_journal(gpus.journal(), {boot_id(), {{"GPU-gone", before, after}}}).ok());
  EXPECT_THAT(refusal(change_to(gpus, kSeven), Code::kInternal),
              HasSubstr("it speaks of GPU-gone, which is not in this machine"));
  std::ofstream(gpus.journal()) << "corolla-mig-journal 1\nrubbish\n";
  EXPECT_THAT(refusal(change_to(gpus, kSeven), Code::kInternal), HasSubstr("is damaged"));
  EXPECT_THAT(gpus.calls(), IsEmpty());
  // One from before a reboot concerns nobody: the instances went with it.
  ASSERT_TRUE(write_journal(gpus.journal(), {"another-boot", {{uuid, before, after}}}).ok());
  EXPECT_TRUE(change_to(gpus, kSeven).ok());
}

TEST(MigJournalFile, ReadsWhatItWrites) {
  const MigJournal journal{
      "b-1",
      {{"GPU-a", {false, {}}, {true, {{19, {0, 1}, {1}}, {9, {4, 4}, {2, 1}}, {5, {0, 4}, {}}}}},
       {"GPU-b", {true, {}}, {false, {}}}}};
  const std::string text = journal_text(journal);
  EXPECT_EQ(parse_journal(text), journal);
  // No part of it passes for the whole, and no changed byte goes unnoticed.
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(parse_journal(text.substr(0, i)), std::nullopt) << i;
    std::string changed = text;
    changed[i] ^= 1;
    EXPECT_EQ(parse_journal(changed), std::nullopt) << i;
  }
}

TEST(MigProvider, SlicesCarryWhatTheirWorkersNeed) {
  FakeGpus gpus("h100-80gb");
  MigProvider provider(gpus.open(), 0, gpus.folder());
  EXPECT_THAT(*provider.observe(), IsEmpty());
  ASSERT_TRUE(provider.check({{"1g.10gb", 4}, {"3g.40gb", 1}}).ok());
  ASSERT_TRUE(provider.apply({{"1g.10gb", 4}, {"3g.40gb", 1}}).ok());
  const std::vector<Slice> slices = *provider.observe();
  ASSERT_THAT(slices, SizeIs(5));
  const Slice& large = *std::find_if(slices.begin(), slices.end(),
                                     [](const Slice& one) { return one.profile == "3g.40gb"; });
  EXPECT_EQ(large.kind, "mig");
  EXPECT_EQ(large.walls, Walls::kHardware);
  EXPECT_EQ(large.sm_count, 60);  // as the driver says, not 3 x 16
  EXPECT_EQ(large.memory_bytes, 40448ull << 20);
  EXPECT_EQ(large.worker_env.at("CUDA_VISIBLE_DEVICES"), large.id);
  EXPECT_THAT(large.id, testing::StartsWith("MIG-"));
  // What a change would cost is known beforehand.
  const auto leaving = provider.leaving({{"1g.10gb", 3}, {"3g.40gb", 1}});
  ASSERT_TRUE(leaving.ok());
  EXPECT_THAT(*leaving, SizeIs(1));
  EXPECT_FALSE(provider.check({{"7g.80gb", 2}}).ok());
  // Anybody may look, and find that nothing is to change.
  gpus.set("NO_PERMISSION", "1");
  EXPECT_EQ(*provider.observe(), slices);
  gpus.forget_calls();
  EXPECT_TRUE(provider.check({{"1g.10gb", 4}, {"3g.40gb", 1}}).ok());
  EXPECT_TRUE(provider.apply({{"1g.10gb", 4}, {"3g.40gb", 1}}).ok());
  EXPECT_THAT(*provider.leaving({{"1g.10gb", 4}, {"3g.40gb", 1}}), IsEmpty());
  EXPECT_EQ(provider.apply({{"1g.10gb", 3}}).error().code, Code::kPermission);
  EXPECT_THAT(gpus.calls(), IsEmpty());
}

TEST(NvmlLibrary, SaysWhatIsMissing) {
  const auto none = open_nvml("libno-such-nvidia-ml.so.1");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kUnavailable);
  EXPECT_THAT(none.error().what, HasSubstr("there is no NVIDIA driver on this machine"));
  const auto old = open_nvml(COROLLA_FAKE_OLD_NVML);
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.error().code, Code::kUnsupported);
  EXPECT_THAT(old.error().what, testing::AllOf(HasSubstr("the NVIDIA driver is too old"),
                                               HasSubstr("lacks nvmlDeviceGetMigMode, ")));
  FakeGpus gpus("a100-40gb");
  gpus.set("INIT", "9");
  const auto unloaded = open_nvml(COROLLA_FAKE_NVML);
  ASSERT_FALSE(unloaded.ok());
  EXPECT_EQ(unloaded.error().what, "the NVIDIA driver cannot be used: Driver Not Loaded");
}

TEST(MigControl, EightGpusOfSevenArePlannedInAFewMilliseconds) {
  FakeGpus gpus("a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb");
  MigWishes seven, changed;
  for (uint32_t i = 0; i < 8; ++i) {
    seven[i] = kSeven.at(0);
    changed[i] = kFourAndThree.at(0);
  }
  ASSERT_TRUE(change_to(gpus, seven).ok());
  const auto nvml = gpus.open();
  std::vector<ProfileTable> tables;
  std::vector<std::vector<GpuInstance>> there;
  for (uint32_t i = 0; i < 8; ++i) {
    tables.push_back(*nvml->profiles(i));
    there.push_back(*nvml->instances(i));
  }
  // The processor's time: other programs on this machine are not the planner's fault.
  const std::clock_t begin = std::clock();
  for (uint32_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(place(tables[i], seven[i].carve, {}).ok());
    ASSERT_TRUE(place(tables[i], changed[i].carve, there[i]).ok());
  }
  const double pure_ms = 1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const std::clock_t middle = std::clock();
  ASSERT_TRUE(MigControl(*nvml, gpus.folder()).plan(changed).ok());
  const double whole_ms = 1e3 * static_cast<double>(std::clock() - middle) / CLOCKS_PER_SEC;
  std::printf("8 GPUs x 7 slices: two plans %.3f ms, one with all driver calls %.3f ms\n", pure_ms,
              whole_ms);
  EXPECT_LT(pure_ms, 50);
}

// Every layout that the tables admit, made on the fake one after the other without starting over.
class EveryLayout : public testing::TestWithParam<const char*> {};

TEST_P(EveryLayout, CanBeReachedFromTheOneBefore) {
  FakeGpus gpus(GetParam());
  const auto nvml = gpus.open();
  MigControl control(*nvml, gpus.folder());
  const ProfileTable table = *nvml->profiles(0);
  size_t made = 0, refused = 0;
  Carve carve;
  const std::function<void(size_t)> choose = [&](size_t row) {
    if (row < table.profiles.size()) {
      const MigProfile& profile = table.profiles[row];
      for (int count = 0; count <= static_cast<int>(profile.instances); ++count) {
        if (count > 0) carve[profile.name] = count;
        choose(row + 1);
      }
      carve.erase(profile.name);
      return;
    }
    const bool possible = place(table, carve, {}).ok();
    if (!possible) gpus.forget_calls();
    const auto done = control.apply({{0, {true, carve}}});
    ASSERT_EQ(done.ok(), possible) << (done ? "" : done.error().what);
    if (!possible) {
      ASSERT_THAT(gpus.calls(), IsEmpty());
      ++refused;
      return;
    }
    Carve got;
    const auto devices = *nvml->mig_devices(0);
    for (const MigDevice& device : devices) ++got[device.profile];
    ASSERT_EQ(got, carve);
    ++made;
  };
  choose(0);
  std::printf("%s: %zu layouts made, %zu refused without a call\n", GetParam(), made, refused);
}

INSTANTIATE_TEST_SUITE_P(Tables, EveryLayout, testing::Values("a100-40gb", "h100-80gb"),
                         [](const auto& info) { return std::string(info.param, 4); });

}  // namespace
}  // namespace corolla::slice
