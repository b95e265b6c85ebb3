#include "fleet/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::fleet {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TimePoint kNow{seconds(1000)};

slice::Slice cores(std::vector<uint32_t> cpus) {
  slice::Slice slice;
  slice.kind = "cores";
  slice.id = "cores:";
  for (uint32_t cpu : cpus) slice.id += std::to_string(cpu) + ",";
  slice.cores = std::move(cpus);
  return slice;
}
slice::Slice gpu(const std::string& id) {
  slice::Slice slice;
  slice.kind = "mig";
  slice.id = id;
  return slice;
}
WorkerWish wish(slice::Slice slice, std::string birth = "v1",
                std::vector<std::string> models = {}) {
  return {std::move(slice), {}, std::move(birth), std::move(models), TimePoint{}};
}
WorkerView worker(uint32_t id, slice::Slice slice, Phase phase, std::string birth = "v1",
                  std::vector<std::string> models = {}) {
  return {id, std::move(slice), std::move(birth), std::move(models), phase};
}
Action start(size_t wish) { return {Action::Verb::kStart, wish, 0}; }
Action models(size_t wish, uint32_t worker) { return {Action::Verb::kTellModels, wish, worker}; }
Action drain(uint32_t worker) { return {Action::Verb::kDrain, 0, worker}; }
Action quit(uint32_t worker) { return {Action::Verb::kQuit, 0, worker}; }

std::vector<Action> actions(const std::vector<WorkerWish>& wishes,
                            const std::vector<WorkerView>& workers) {
  return reconcile(wishes, workers, kNow).actions;
}

TEST(Reconciler, AtFirstEverySliceGetsItsWorkerAtOnce) {
  EXPECT_THAT(actions({wish(cores({0})), wish(cores({1})), wish(cores({2}))}, {}),
              ElementsAre(start(0), start(1), start(2)));
}

TEST(Reconciler, NothingToDoWhenAllIsAsDesired) {
  const Plan plan = reconcile(std::vector{wish(cores({0}))},
                              std::vector{worker(1, cores({0}), Phase::kServing)}, kNow);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_TRUE(plan.settled);
}

TEST(Reconciler, AStartingWorkerIsWaitedFor) {
  const Plan plan = reconcile(std::vector{wish(cores({0}))},
                              std::vector{worker(1, cores({0}), Phase::kStarting)}, kNow);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_FALSE(plan.settled);
}

TEST(Reconciler, ASliceThatMustWaitIsLookedAtAgainThen) {
  WorkerWish later = wish(cores({0}));
  later.not_before = kNow + seconds(2);
  WorkerWish sooner = wish(cores({1}));
  sooner.not_before = kNow + seconds(1);
  const Plan plan = reconcile(std::vector{later, sooner}, {}, kNow);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_EQ(plan.look_again, kNow + seconds(1));
  EXPECT_THAT(reconcile(std::vector{later, sooner}, {}, kNow + seconds(1)).actions,
              ElementsAre(start(1)));
}

TEST(Reconciler, AParkedSliceStaysDeadAndTheOthersGoOn) {
  WorkerWish parked = wish(cores({0}));
  parked.not_before.reset();
  const Plan plan = reconcile(std::vector{parked, wish(cores({1}))},
                              std::vector{worker(2, cores({1}), Phase::kServing)}, kNow);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_FALSE(plan.look_again.has_value());
  EXPECT_FALSE(plan.settled);
}

TEST(Reconciler, ASliceThatIsNotWishedForIsDrainedThenQuit) {
  const auto kept = wish(cores({0}));
  const auto serving = worker(1, cores({0}), Phase::kServing);
  EXPECT_THAT(actions({kept}, {serving, worker(2, cores({1}), Phase::kServing)}),
              ElementsAre(drain(2)));
  EXPECT_THAT(actions({kept}, {serving, worker(2, cores({1}), Phase::kDraining)}), IsEmpty());
  EXPECT_THAT(actions({kept}, {serving, worker(2, cores({1}), Phase::kDrained)}),
              ElementsAre(quit(2)));
  EXPECT_THAT(actions({kept}, {serving, worker(2, cores({1}), Phase::kLeaving)}), IsEmpty());
}

TEST(Reconciler, NewListsOfModelsAreTold) {
  EXPECT_THAT(actions({wish(cores({0}), "v1", {"rose"})}, {worker(1, cores({0}), Phase::kServing)}),
              ElementsAre(models(0, 1)));
}

// CPU cores can be shared for a moment: the new worker serves before the old one goes.
TEST(Reconciler, AWorkerBornWithOtherOptionsIsReplacedOnceTheNewOneServes) {
  const auto wished = wish(cores({0}), "v2");
  const auto old = worker(1, cores({0}), Phase::kServing, "v1");
  EXPECT_THAT(actions({wished}, {old}), ElementsAre(start(0)));
  EXPECT_THAT(actions({wished}, {old, worker(2, cores({0}), Phase::kStarting, "v2")}), IsEmpty());
  EXPECT_THAT(actions({wished}, {old, worker(2, cores({0}), Phase::kServing, "v2")}),
              ElementsAre(drain(1)));
}

TEST(Reconciler, ReplacesOneSliceAfterTheOther) {
  const std::vector wished = {wish(cores({0}), "v2"), wish(cores({1}), "v2")};
  const auto old0 = worker(1, cores({0}), Phase::kServing, "v1");
  const auto old1 = worker(2, cores({1}), Phase::kServing, "v1");
  EXPECT_THAT(actions(wished, {old0, old1}), ElementsAre(start(0)));
  EXPECT_THAT(actions(wished, {old0, old1, worker(3, cores({0}), Phase::kStarting, "v2")}),
              IsEmpty());
  EXPECT_THAT(actions(wished, {old0, old1, worker(3, cores({0}), Phase::kServing, "v2")}),
              ElementsAre(start(1), drain(1)));
}

TEST(Reconciler, ALargerSliceServesBeforeTheSmallOnesItReplacesGo) {
  const std::vector wished = {wish(cores({0, 1}))};
  const auto old0 = worker(1, cores({0}), Phase::kServing);
  const auto old1 = worker(2, cores({1}), Phase::kServing);
  EXPECT_THAT(actions(wished, {old0, old1}), ElementsAre(start(0)));
  EXPECT_THAT(actions(wished, {old0, old1, worker(3, cores({0, 1}), Phase::kStarting)}), IsEmpty());
  EXPECT_THAT(actions(wished, {old0, old1, worker(3, cores({0, 1}), Phase::kServing)}),
              ElementsAre(drain(1), drain(2)));
}

TEST(Reconciler, AReplacementThatIsParkedKeepsNobodyWaiting) {
  WorkerWish parked = wish(cores({0}), "v2");
  parked.not_before.reset();
  EXPECT_THAT(actions({parked}, {worker(1, cores({0}), Phase::kServing, "v1")}),
              ElementsAre(drain(1)));
}

// A piece of a GPU holds one worker's memory: the old one must be gone first.
TEST(Reconciler, OtherDevicesMakeRoomFirst) {
  const auto wished = wish(gpu("MIG-1"), "v2");
  EXPECT_THAT(actions({wished}, {worker(1, gpu("MIG-1"), Phase::kServing, "v1")}),
              ElementsAre(drain(1)));
  EXPECT_THAT(actions({wished}, {worker(1, gpu("MIG-1"), Phase::kLeaving, "v1")}), IsEmpty());
  EXPECT_THAT(actions({wished}, {}), ElementsAre(start(0)));
}

// Under MPS and with green contexts two processes only slow each other, so nobody has to wait.
TEST(Reconciler, ANewShareServesBeforeTheOldOneGoes) {
  const auto share = [](const std::string& id, uint32_t device = 0) {
    slice::Slice slice;
    slice.kind = "mps";
    slice.id = id;
    slice.device = device;
    return slice;
  };
  const std::vector<WorkerWish> wished = {wish(share("kept")), wish(share("new"))};
  const auto kept = worker(1, share("kept"), Phase::kServing);
  const auto old = worker(2, share("old"), Phase::kServing);
  EXPECT_THAT(actions(wished, {kept, old}), ElementsAre(start(1)));
  EXPECT_THAT(actions(wished, {kept, old, worker(3, share("new"), Phase::kStarting)}), IsEmpty());
  EXPECT_THAT(actions(wished, {kept, old, worker(3, share("new"), Phase::kServing)}),
              ElementsAre(drain(2)));
  // Another GPU is another matter.
  const auto far = worker(4, share("far", 1), Phase::kServing);
  EXPECT_THAT(actions(wished, {kept, far}), ElementsAre(start(1), drain(4)));
}

TEST(Reconciler, AWorkerOnItsWayOutIsNotCountedOn) {
  EXPECT_THAT(actions({wish(cores({0}))}, {worker(1, cores({0}), Phase::kLeaving)}),
              ElementsAre(start(0)));
}

// Whatever the state, acting on every plan leads to the desired one, and then nothing more is to
// do.
TEST(Reconciler, SettlesFromEveryStart) {
  const std::vector<std::vector<WorkerWish>> targets = {
      {},
      {wish(cores({0}))},
      {wish(cores({0})), wish(cores({1}))},
      {wish(cores({0, 1}))},
      {wish(cores({0}), "v2", {"rose"}), wish(cores({1}), "v2")},
      {wish(gpu("a")), wish(gpu("b"), "v2")}};
  std::vector<std::vector<WorkerView>> starts = {{}};
  for (const Phase phase :
       {Phase::kStarting, Phase::kServing, Phase::kDraining, Phase::kDrained, Phase::kLeaving})
    for (const auto& target : targets) {
      std::vector<WorkerView> workers;
      for (const WorkerWish& w : target)
        workers.push_back(
            worker(static_cast<uint32_t>(workers.size() + 1), w.slice, phase, w.birth, w.models));
      starts.push_back(workers);
    }
  for (const auto& wishes : targets) {
    for (auto workers : starts) {
      uint32_t next = 100;
      int rounds = 0;
      for (;; ++rounds) {
        ASSERT_LT(rounds, 50) << "it never settles";
        const Plan plan = reconcile(wishes, workers, kNow);
        if (plan.settled) break;
        for (const Action& action : plan.actions) {
          const auto at = std::find_if(workers.begin(), workers.end(), [&](const WorkerView& w) {
            return w.worker == action.worker;
          });
          switch (action.verb) {
            case Action::Verb::kStart: {
              const WorkerWish& w = wishes[action.wish];
              workers.push_back(worker(next++, w.slice, Phase::kStarting, w.birth, w.models));
              break;
            }
            case Action::Verb::kTellModels:
              at->models = wishes[action.wish].models;
              break;
            case Action::Verb::kDrain:
              at->phase = Phase::kDraining;
              break;
            case Action::Verb::kQuit:
              at->phase = Phase::kLeaving;
              break;
          }
        }
        if (!plan.actions.empty()) continue;
        // Nothing to do now, so something has to happen: every process gets one step further.
        std::erase_if(workers, [](const WorkerView& w) { return w.phase == Phase::kLeaving; });
        for (WorkerView& w : workers) {
          if (w.phase == Phase::kStarting) w.phase = Phase::kServing;
          if (w.phase == Phase::kDraining) w.phase = Phase::kDrained;
        }
      }
      EXPECT_EQ(workers.size(), wishes.size());
    }
  }
}

}  // namespace
}  // namespace corolla::fleet
