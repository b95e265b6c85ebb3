// The keeper with real processes: what happens when they die, hang, crash for ever, and are told to
// change.
#include "fleet/keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "fleet/testing/fleet_harness.h"

namespace corolla::fleet {
namespace {

using control::FleetStatus;
using testing::all_end;
using testing::children_of;
using testing::FleetHarness;
using ::testing::HasSubstr;

bool ready(const FleetStatus& s) { return s.state() == "ready"; }

std::set<pid_t> workers_of(const FleetStatus& s) {
  std::set<pid_t> pids;
  for (const auto& worker : s.workers()) pids.insert(worker.pid());
  return pids;
}

size_t descriptors_of(pid_t pid) {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

// Most tests want two slices; a machine with one core cannot give them.
class KeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (affinity_of(::getpid()).size() < 2) GTEST_SKIP() << "needs two cores";
  }
};

TEST_F(KeeperTest, EachWorkerRunsOnTheCoresOfItsSliceOnly) {
  FleetHarness fleet(2);
  fleet.start();
  const FleetStatus s = fleet.status();
  ASSERT_EQ(s.workers_size(), 2);
  std::set<uint32_t> used;
  for (const auto& worker : s.workers()) {
    EXPECT_EQ(worker.state(), "serving");
    EXPECT_EQ(worker.engine(), "fake 1");
    ASSERT_EQ(worker.cores_size(), 1);
    EXPECT_TRUE(used.insert(worker.cores(0)).second) << "two workers on one core";
  }
  EXPECT_EQ(fleet.http("/"), "2");
  EXPECT_EQ(s.front_json(), "{\"fake\":true}");
  EXPECT_THAT(fleet.log(), HasSubstr("front with 2 listeners"));
}

TEST_F(KeeperTest, AKilledWorkerIsReplacedAndTheOthersNoticeNothing) {
  FleetHarness fleet(2);
  fleet.start();
  const FleetStatus before = fleet.status();
  const pid_t victim = before.workers(0).pid(), other = before.workers(1).pid();
  ::kill(victim, SIGKILL);
  const FleetStatus after = fleet.await(
      [&](const FleetStatus& s) { return ready(s) && !workers_of(s).contains(victim); });
  EXPECT_TRUE(workers_of(after).contains(other));
  EXPECT_EQ(after.front().pid(), before.front().pid());
  for (const auto& worker : after.workers()) {
    if (worker.pid() == other) continue;
    EXPECT_EQ(worker.restarts(), 1u);
    EXPECT_EQ(worker.last_death(), "killed by SIGKILL");
    EXPECT_NE(worker.worker(), before.workers(0).worker()) << "numbers are never used again";
  }
  EXPECT_EQ(fleet.http("/"), "2");
}

TEST_F(KeeperTest, WhatAWorkerSharesOutlivesItAndGoesToTheNext) {
  FleetHarness fleet(2);
  fleet.env["FAKE_WORKER_SHARES"] = "1";
  fleet.start();
  const auto says = [&](const std::string& text) {
    fleet.await([&](const FleetStatus&) { return fleet.log().find(text) != std::string::npos; });
  };
  const auto holds = [&](uint32_t worker, uint32_t maker) {
    says("worker " + std::to_string(worker) + " has the memory of worker " + std::to_string(maker));
  };
  const bool first_made = [&] {
    says("has the memory of");
    return fleet.log().find("worker 1 has the memory of worker 1") != std::string::npos;
  }();
  const uint32_t maker = first_made ? 1 : 2;
  holds(3 - maker, maker);
  const FleetStatus before = fleet.status();
  for (const auto& worker : before.workers()) {
    if (worker.worker() != maker) continue;
    ASSERT_EQ(::kill(worker.pid(), SIGKILL), 0);
  }
  holds(3, maker);
}

TEST_F(KeeperTest, ACrashLoopIsParkedAndTheOthersGoOn) {
  FleetHarness fleet(2);
  fleet.config.restart.crash_limit = 3;
  const auto slices = affinity_of(::getpid());
  fleet.env["FAKE_WORKER_CRASHES"] = "cores:" + std::to_string(slices[1]);
  fleet.start_without_waiting();
  const FleetStatus s = fleet.await([](const FleetStatus& status) {
    bool parked = false, serving = false;
    for (const auto& worker : status.workers()) {
      parked |= worker.state() == "parked";
      serving |= worker.state() == "serving";
    }
    return parked && serving;
  });
  EXPECT_EQ(s.state(), "degraded");
  for (const auto& worker : s.workers()) {
    if (worker.state() != "parked") continue;
    EXPECT_EQ(worker.restarts(), 3u);
    EXPECT_THAT(worker.last_death(), HasSubstr("SIGABRT"));
  }
  EXPECT_THAT(fleet.log(), HasSubstr("worker_parked"));
  EXPECT_EQ(fleet.http("/"), "1");
  // Another try is had for the asking, and says what came of it.
  const Status again = fleet.apply("slices: 2\n");
  ASSERT_FALSE(again.ok());
  EXPECT_THAT(again.error().what, HasSubstr("is parked, since its worker keeps dying"));
}

TEST_F(KeeperTest, AFleetWhoseWorkersAllCrashFromTheStartGivesUp) {
  FleetHarness fleet(2);
  fleet.env["FAKE_WORKER_CRASHES"] = "all";
  fleet.start_without_waiting();
  EXPECT_EQ(fleet.wait(), 1);
}

TEST_F(KeeperTest, AFrontThatCrashesFromTheStartGivesUp) {
  FleetHarness fleet(1);
  fleet.env["FAKE_FRONT_CRASHES"] = "1";
  fleet.start_without_waiting();
  EXPECT_EQ(fleet.wait(), 1);
}

TEST_F(KeeperTest, AHungWorkerIsKilledAndReplaced) {
  FleetHarness fleet(2);
  fleet.start();
  const auto victim = fleet.status().workers(1);
  fleet.http("/hang/" + std::to_string(victim.worker()));
  const FleetStatus s = fleet.await([&](const FleetStatus& status) {
    return ready(status) && !workers_of(status).contains(victim.pid());
  });
  bool told = false;
  for (const auto& worker : s.workers())
    told |= worker.last_death() == "killed: it hung: a batch took 31 s";
  EXPECT_TRUE(told);
}

TEST_F(KeeperTest, ADeadFrontIsReplacedWithoutAWorkerRestarting) {
  FleetHarness fleet(2);
  fleet.start();
  const FleetStatus before = fleet.status();
  const TimePoint killed = now();
  ::kill(before.front().pid(), SIGKILL);
  // The connection waits in the listening socket that the keeper holds, and the next front answers
  // it.
  EXPECT_NE(fleet.http("/"), "");
  const auto took = (now() - killed) / std::chrono::milliseconds(1);
  RecordProperty("front_back_ms", static_cast<int>(took));
  const FleetStatus after = fleet.await(ready);
  EXPECT_NE(after.front().pid(), before.front().pid());
  EXPECT_EQ(after.front().restarts(), 1u);
  EXPECT_EQ(workers_of(after), workers_of(before));
  EXPECT_EQ(fleet.http("/"), "2");
}

TEST_F(KeeperTest, AFrontThatCrashesOnItsOwnComesBackToo) {
  FleetHarness fleet(2);
  fleet.start();
  const FleetStatus before = fleet.status();
  EXPECT_EQ(fleet.http("/crash"), "");
  const FleetStatus after = fleet.await(
      [&](const FleetStatus& s) { return ready(s) && s.front().pid() != before.front().pid(); });
  EXPECT_THAT(after.front().last_death(), HasSubstr("SIGABRT"));
  EXPECT_EQ(workers_of(after), workers_of(before));
}

TEST_F(KeeperTest, ADeadKeeperLeavesNobody) {
  FleetHarness fleet(2);
  fleet.start();
  const std::vector<Fd> children = children_of(fleet.status());
  ASSERT_EQ(children.size(), 3u);
  fleet.signal(SIGKILL);
  EXPECT_TRUE(all_end(children, testing::kPatience));
}

// Not even those that are stopped, and so cannot notice a closed channel.
TEST_F(KeeperTest, ADeadKeeperLeavesNobodyEvenIfTheyAreStopped) {
  FleetHarness fleet(2);
  fleet.start();
  const FleetStatus s = fleet.status();
  const std::vector<Fd> children = children_of(s);
  ::kill(s.front().pid(), SIGSTOP);
  for (const auto& worker : s.workers()) ::kill(worker.pid(), SIGSTOP);
  fleet.signal(SIGKILL);
  EXPECT_TRUE(all_end(children, testing::kPatience));
}

TEST_F(KeeperTest, NoDescriptorLeaksOver200Restarts) {
  FleetHarness fleet(2);
  fleet.start();
  const auto restart_one = [&](int i) {
    const pid_t victim = fleet.status().workers(i % 2).pid();
    ::kill(victim, SIGKILL);
    fleet.await([&](const FleetStatus& s) { return ready(s) && !workers_of(s).contains(victim); });
  };
  for (int i = 0; i < 2; ++i) restart_one(i);
  const size_t before = descriptors_of(fleet.keeper());
  for (int i = 0; i < 200 && !HasFailure(); ++i) restart_one(i);
  const size_t after = descriptors_of(fleet.keeper());
  EXPECT_LE(after, before + 2) << "two for whoever asks at the moment";
  const FleetStatus s = fleet.status();
  EXPECT_EQ(s.workers(0).restarts() + s.workers(1).restarts(), 202u);
}

TEST_F(KeeperTest, SigtermDrainsAndExitsZero) {
  FleetHarness fleet(2);
  fleet.start();
  const std::vector<Fd> children = children_of(fleet.status());
  fleet.signal(SIGTERM);
  EXPECT_EQ(fleet.wait(), 0);
  EXPECT_TRUE(all_end(children, Duration(0)));
}

TEST_F(KeeperTest, AFrontThatNeverDrainsIsCutOffAtTheLimit) {
  FleetHarness fleet(1);
  fleet.env["FAKE_FRONT_NEVER_DRAINS"] = "1";
  fleet.config.drain_limit = std::chrono::milliseconds(50);
  fleet.config.quit_limit = std::chrono::milliseconds(50);
  fleet.start();
  fleet.signal(SIGTERM);
  EXPECT_EQ(fleet.wait(), 0);
}

TEST_F(KeeperTest, WorkersThatDoNotLeaveAreKilled) {
  FleetHarness fleet(2);
  fleet.env["FAKE_WORKER_STAYS"] = "1";
  fleet.config.quit_limit = std::chrono::milliseconds(50);
  fleet.start();
  fleet.signal(SIGTERM);
  EXPECT_EQ(fleet.wait(), 0);
}

TEST_F(KeeperTest, ASecondInterruptKillsAtOnce) {
  FleetHarness fleet(2);
  fleet.env["FAKE_FRONT_NEVER_DRAINS"] = "1";
  fleet.config.drain_limit = std::chrono::hours(1);
  fleet.start();
  const std::vector<Fd> children = children_of(fleet.status());
  fleet.signal(SIGINT);
  fleet.await([](const FleetStatus& s) { return s.state() == "draining"; });
  fleet.signal(SIGINT);
  EXPECT_EQ(fleet.wait(), 1);
  EXPECT_TRUE(all_end(children, Duration(0)));
}

TEST_F(KeeperTest, StopEndsItAndFreesItsNameAndAddresses) {
  FleetHarness fleet(1);
  fleet.start();
  auto client = ControlClient::connect(fleet.config.name);
  ASSERT_TRUE(client.ok());
  control::Request request;
  request.mutable_stop();
  ASSERT_TRUE(client->ask(request).ok());
  EXPECT_TRUE(client->wait_for_end(testing::kPatience).ok());
  EXPECT_EQ(fleet.wait(), 0);
  EXPECT_EQ(ControlClient::connect(fleet.config.name).error().code, Code::kNotFound);
}

TEST_F(KeeperTest, ASecondFleetOfTheNameOrOnThePortIsToldWhoHasIt) {
  FleetHarness fleet(1);
  fleet.start();
  KeeperOptions options;
  options.bin_dir = std::filesystem::path(COROLLA_BIN_DIR).parent_path() / "fleet_testing";
  FleetConfig second = fleet.config;
  auto same_name = Keeper::create(second, options);
  ASSERT_FALSE(same_name.ok());
  EXPECT_EQ(same_name.error().code, Code::kBusy);
  EXPECT_THAT(same_name.error().what, HasSubstr("process " + std::to_string(fleet.keeper())));
  second.name += "-2";
  const std::string address = fleet.status().listeners(1).address();
  second.listen = {{"http", **parse_endpoint(address, "")}};
  auto same_port = Keeper::create(second, options);
  ASSERT_FALSE(same_port.ok());
  EXPECT_EQ(same_port.error().code, Code::kBusy);
  EXPECT_THAT(same_port.error().what,
              HasSubstr("is taken by process " + std::to_string(fleet.keeper())));
}

TEST_F(KeeperTest, RefusesWhatCannotWorkBeforeAnythingIsStarted) {
  FleetHarness fleet(1);
  KeeperOptions options;
  options.bin_dir = std::filesystem::path(COROLLA_BIN_DIR).parent_path() / "fleet_testing";
  const auto refusal = [&](const std::function<void(FleetConfig&)>& change) {
    FleetConfig config = fleet.config;
    change(config);
    auto keeper = Keeper::create(config, options);
    return keeper.ok() ? "(accepted)" : keeper.error().what;
  };
  EXPECT_THAT(refusal([](auto& c) { c.engine = "fkae"; }), HasSubstr("did you mean 'fake'?"));
  EXPECT_THAT(refusal([](auto& c) { c.models_dir = "/nowhere"; }),
              HasSubstr("models folder /nowhere: No such file"));
  EXPECT_THAT(refusal([](auto& c) { c.models["rsoe"] = {}; }), HasSubstr("did you mean 'rose'?"));
  EXPECT_THAT(refusal([](auto& c) { c.models["rose"].slices = 2; }),
              HasSubstr("models.rose.slices is 2, and the fleet has 1"));
  EXPECT_THAT(refusal([](auto& c) { c.slices = *parse_slices("cores:1024*3"); }),
              HasSubstr("3072 cores are asked for"));
  EXPECT_THAT(refusal([](auto& c) { c.listen.clear(); }), HasSubstr("every listener is off"));
  EXPECT_THAT(refusal([](auto& c) { c.certificate_file = c.key_file = "/nowhere.pem"; }),
              HasSubstr("cannot read the certificate /nowhere.pem"));
}

TEST_F(KeeperTest, ApplyAddsAndRemovesSlices) {
  FleetHarness fleet(1);
  fleet.start();
  const std::set<pid_t> first = workers_of(fleet.status());
  ASSERT_TRUE(fleet.apply("slices: 2\n").ok());
  const std::set<pid_t> both = workers_of(fleet.status());
  EXPECT_EQ(both.size(), 2u);
  EXPECT_TRUE(std::includes(both.begin(), both.end(), first.begin(), first.end()));
  ASSERT_TRUE(fleet.apply("slices: 1\n").ok());
  EXPECT_EQ(workers_of(fleet.status()), first);
  ASSERT_TRUE(fleet.apply("slices: cores:1x2\n").ok());
  const FleetStatus large = fleet.status();
  ASSERT_EQ(large.workers_size(), 1);
  EXPECT_EQ(large.workers(0).cores_size(), 2);
  EXPECT_EQ(large.workers(0).restarts(), 0u);
}

TEST_F(KeeperTest, ApplyReplacesWorkersWhoseOptionsChangedAndServesMeanwhile) {
  FleetHarness fleet(2);
  fleet.start();
  const std::set<pid_t> before = workers_of(fleet.status());
  ASSERT_TRUE(fleet.apply("slices: 2\nengine: {name: fake, options: {a: b}}\n").ok());
  const FleetStatus after = fleet.status();
  EXPECT_EQ(after.workers_size(), 2);
  for (const pid_t pid : workers_of(after)) EXPECT_FALSE(before.contains(pid));
  EXPECT_EQ(fleet.http("/"), "2");
  EXPECT_THAT(fleet.log(), ::testing::Not(HasSubstr("died")));
}

TEST_F(KeeperTest, ApplyChangesWhichModelsAreServed) {
  FleetHarness fleet(2);
  fleet.start();
  ASSERT_EQ(fleet.status().models_size(), 2);
  ASSERT_TRUE(fleet.apply("slices: 2\nmodels: {rose: {slices: 1}}\n").ok());
  const FleetStatus s = fleet.status();
  ASSERT_EQ(s.models_size(), 1);
  EXPECT_EQ(s.models(0).name(), "rose");
  EXPECT_EQ(s.workers_size(), 1) << "the second slice has nothing to serve";
}

TEST_F(KeeperTest, ApplyRefusesWhatCannotChangeAndWhatIsWrong) {
  FleetHarness fleet(1);
  fleet.start();
  const std::set<pid_t> before = workers_of(fleet.status());
  EXPECT_THAT(fleet.apply("log: {format: json}\nslices: 2\n").error().what,
              HasSubstr("cannot change while the fleet runs: log; nothing was changed"));
  EXPECT_THAT(fleet.apply("slice: 2\n").error().what,
              HasSubstr("new.yaml:1: unknown key 'slice'; did you mean 'slices'?"));
  EXPECT_THAT(fleet.apply("slices: cores:4x1024\n").error().what,
              HasSubstr("4096 cores are asked for"));
  EXPECT_THAT(fleet.apply("models: {lily: {}}\n").error().what, HasSubstr("there is no folder"));
  EXPECT_EQ(workers_of(fleet.status()), before);
}

TEST_F(KeeperTest, ScaleMovesModelsAndStopsWorkersThatHaveNone) {
  FleetHarness fleet(2);
  fleet.start();
  const FleetStatus before = fleet.status();
  ASSERT_TRUE(fleet.scale({{"rose", 1}}).ok());
  EXPECT_EQ(fleet.http("/models/" + std::to_string(before.workers(0).worker())), "all");
  EXPECT_EQ(fleet.http("/models/" + std::to_string(before.workers(1).worker())), "tulip ");
  ASSERT_TRUE(fleet.scale({{"tulip", 1}}).ok());
  EXPECT_EQ(fleet.status().workers_size(), 1);
  EXPECT_EQ(fleet.status().workers(0).pid(), before.workers(0).pid());
  ASSERT_TRUE(fleet.scale({{"rose", 2}, {"tulip", 2}}).ok());
  EXPECT_EQ(fleet.status().workers_size(), 2);
  EXPECT_THAT(fleet.scale({{"rsoe", 1}}).error().what, HasSubstr("did you mean 'rose'?"));
  EXPECT_THAT(fleet.scale({{"rose", 3}}).error().what, HasSubstr("the fleet has 2 slices"));
}

TEST_F(KeeperTest, HangUpReadsTheFileAgain) {
  FleetHarness fleet(1);
  fleet.config_file = fleet.models_dir + "/corolla.yaml";
  std::ofstream(fleet.config_file) << "slices: 2\n";
  fleet.start();
  EXPECT_EQ(fleet.status().workers_size(), 1);
  fleet.signal(SIGHUP);
  fleet.await([](const FleetStatus& s) { return ready(s) && s.workers_size() == 2; });
  std::ofstream(fleet.config_file) << "slices: two\n";
  fleet.signal(SIGHUP);
  fleet.await(
      [&](const FleetStatus&) { return fleet.log().find("reload_refused") != std::string::npos; });
  EXPECT_EQ(fleet.status().workers_size(), 2);
}

TEST_F(KeeperTest, AControlClientThatTalksNonsenseDisturbsNobody) {
  FleetHarness fleet(1);
  fleet.start();
  control::Request empty;
  EXPECT_EQ(fleet.ask(empty).error().code, Code::kUnsupported);
  std::vector<ControlClient> idle;
  for (int i = 0; i < 100; ++i) {
    auto client = ControlClient::connect(fleet.config.name);
    if (client.ok()) idle.push_back(*std::move(client));
  }
  idle.clear();
  fleet.await(ready);
}

}  // namespace
}  // namespace corolla::fleet
