#include "serve/front/dispatcher.h"

#include <gtest/gtest.h>

#include <chrono>

namespace corolla::front {
namespace {

using namespace std::chrono_literals;

constexpr ModelId kModel = 7;

class DispatcherTest : public testing::Test {
 protected:
  void make(ModelPolicy policy, uint32_t workers, DispatcherOptions options = {}) {
    policy.name = "flower";
    d_ = make_dispatcher(options);
    d_->set_model(kModel, policy);
    for (WorkerId w = 0; w < workers; ++w) join(w);
  }
  void join(WorkerId w, const std::string& kind = "cores:1") {
    d_->joined(t_, w, kind);
    d_->serves(t_, w, kModel, true);
  }
  void offer(RequestId id, uint32_t rows = 1) { ASSERT_TRUE(d_->offer(t_, ticket(id, rows)).ok()); }
  Ticket ticket(RequestId id, uint32_t rows = 1) {
    return Ticket{.id = id, .model = kModel, .rows = rows};
  }
  Orders poll() { return d_->poll(t_); }
  static std::vector<RequestId> ids(const Batch& b) {
    return {b.requests.begin(), b.requests.end()};
  }
  // Teaches the dispatcher that a batch of `rows` takes `took`, by one request through each of
  // `workers` workers.
  void teach(Duration took, uint32_t rows, uint32_t workers) {
    for (uint32_t w = 0; w < workers; ++w) offer(900000 + w, rows);
    const Orders o = poll();
    ASSERT_EQ(o.send.size(), workers);
    t_ += took;
    for (const Batch& b : o.send)
      for (RequestId r : b.requests) ASSERT_TRUE(d_->finished(t_, b.worker, r));
  }

  std::unique_ptr<Dispatcher> d_;
  TimePoint t_{1h};
};

using Ids = std::vector<RequestId>;
const ModelPolicy kSingle{};
const ModelPolicy kBatch8{.max_batch = 8, .batching = true};

// Green contexts: one worker that runs several batches at once.
TEST_F(DispatcherTest, AWorkerOfSeveralLanesRunsThatManyAndHasOneStaged) {
  make(kSingle, 0);
  d_->joined(t_, 1, "sm:16+16+100", 3);
  d_->serves(t_, 1, kModel, true);
  for (RequestId id = 1; id <= 6; ++id) offer(id);
  EXPECT_EQ(poll().send.size(), 4u) << "three run, one is staged, two wait";
  EXPECT_EQ(d_->waiting(kModel), 2u);
  t_ += 10ms;
  ASSERT_TRUE(d_->finished(t_, 1, 2));
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(ids(o.send[0]), Ids{5});
  for (RequestId id : {1, 3, 4, 5}) {
    EXPECT_TRUE(d_->finished(t_, 1, id));
    poll();
  }
  EXPECT_TRUE(d_->finished(t_, 1, 6));
  EXPECT_EQ(d_->outstanding(1), 0u);
}

TEST_F(DispatcherTest, WhatWaitsIsSharedAmongTheLanes) {
  make(kBatch8, 0);
  d_->joined(t_, 1, "sm:16+16+16", 3);
  d_->serves(t_, 1, kModel, true);
  for (RequestId id = 1; id <= 6; ++id) offer(id);
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 3u);
  for (const Batch& b : o.send) EXPECT_EQ(b.requests.size(), 2u);
}

TEST_F(DispatcherTest, AStagedBatchIsTimedFromWhenALaneIsFree) {
  make(kSingle, 0);
  d_->joined(t_, 1, "sm:16+16", 2);
  d_->serves(t_, 1, kModel, true);
  for (RequestId id = 1; id <= 3; ++id) offer(id);
  ASSERT_EQ(poll().send.size(), 3u);
  t_ += 10ms;
  ASSERT_TRUE(d_->finished(t_, 1, 2));  // the younger of the two that run: number 3 begins
  t_ += 10ms;
  ASSERT_TRUE(d_->finished(t_, 1, 3));
  t_ += 10ms;
  ASSERT_TRUE(d_->finished(t_, 1, 1));
  // 10, 10 and 30 ms were measured. Two lanes, both free: a new one needs one such time.
  const auto wait = d_->expected_wait(t_, kModel, 1);
  ASSERT_TRUE(wait.has_value());
  EXPECT_GE(*wait, 10ms);
  EXPECT_LE(*wait, 30ms);
}

TEST_F(DispatcherTest, LanesShareWhatWaitsAsWorkersDo) {
  make(kBatch8, 0, {.stage_lead = 1h});
  d_->joined(t_, 1, "sm:16+16+16+16", 4);
  d_->serves(t_, 1, kModel, true);
  for (RequestId id = 1; id <= 8; ++id) offer(id);
  const Orders first = poll();
  for (const auto& batch : first.send) EXPECT_EQ(batch.rows, 2u);
  ASSERT_EQ(first.send.size(), 4u);
  // All are busy. What is staged for the lane that ends first leaves the others their share.
  for (RequestId id = 9; id <= 16; ++id) offer(id);
  const Orders staged = poll();
  ASSERT_EQ(staged.send.size(), 1u);
  EXPECT_EQ(staged.send[0].rows, 2u);
  EXPECT_EQ(d_->waiting(kModel), 6u);
}

TEST_F(DispatcherTest, LanesOfALostWorkerGiveAllBack) {
  make(kSingle, 0);
  d_->joined(t_, 1, "sm:16+16", 2);
  d_->serves(t_, 1, kModel, true);
  for (RequestId id = 1; id <= 3; ++id) offer(id);
  ASSERT_EQ(poll().send.size(), 3u);
  d_->lost(t_, 1);
  EXPECT_EQ(d_->waiting(kModel), 3u);
  join(2);
  EXPECT_EQ(ids(poll().send.at(0)), Ids{1});
}

TEST_F(DispatcherTest, BindsAtOnceToAnIdleWorker) {
  make(kSingle, 2);
  offer(1);
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(o.send[0].model, kModel);
  EXPECT_EQ(ids(o.send[0]), Ids{1});
  EXPECT_EQ(d_->waiting(kModel), 0u);
  EXPECT_EQ(d_->outstanding(o.send[0].worker), 1u);
  EXPECT_TRUE(d_->finished(t_, o.send[0].worker, 1));
  EXPECT_EQ(d_->outstanding(o.send[0].worker), 0u);
}

TEST_F(DispatcherTest, HoldsAtMostTwoBatchesAWorkerAndUsesAllIdleOnesFirst) {
  make(kSingle, 2, {.stage_lead = 1h});
  for (RequestId r = 1; r <= 6; ++r) offer(r);
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 4u);
  EXPECT_NE(o.send[0].worker, o.send[1].worker);
  EXPECT_NE(o.send[2].worker, o.send[3].worker);
  EXPECT_EQ(d_->waiting(kModel), 2u);
  EXPECT_TRUE(poll().send.empty());
  EXPECT_TRUE(d_->finished(t_ + 1ms, o.send[0].worker, 1));
  const Orders next = d_->poll(t_ + 1ms);
  ASSERT_EQ(next.send.size(), 1u);
  EXPECT_EQ(ids(next.send[0]), Ids{5});
  EXPECT_EQ(next.send[0].worker, o.send[0].worker);
}

TEST_F(DispatcherTest, AWorkerTakesItsShare) {
  make(kBatch8, 3);
  for (RequestId r = 1; r <= 9; ++r) offer(r);
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 3u);
  EXPECT_EQ(ids(o.send[0]), (Ids{1, 2, 3}));
  EXPECT_EQ(ids(o.send[1]), (Ids{4, 5, 6}));
  EXPECT_EQ(ids(o.send[2]), (Ids{7, 8, 9}));
}

TEST_F(DispatcherTest, NoBatchExceedsMaxBatchAndALargeRequestRunsAlone) {
  make(kBatch8, 1);
  offer(1, 6);
  offer(2, 3);
  offer(3, 5);
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 2u);
  EXPECT_EQ(ids(o.send[0]), Ids{1});
  EXPECT_EQ(ids(o.send[1]), (Ids{2, 3}));
  EXPECT_EQ(o.send[1].rows, 8u);
  const Status refused = d_->offer(t_, ticket(9, 9));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
}

TEST_F(DispatcherTest, JoinsOnlyEqualShapes) {
  make(kBatch8, 1, {.batches_per_worker = 1});
  for (RequestId r = 1; r <= 4; ++r) {
    Ticket t = ticket(r);
    t.shape_key = r % 2;
    ASSERT_TRUE(d_->offer(t_, t).ok());
  }
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(ids(o.send[0]), (Ids{1, 3}));
}

TEST_F(DispatcherTest, WithoutDynamicBatchingRequestsStayApart) {
  make({.max_batch = 8}, 1, {.batches_per_worker = 1});
  offer(1);
  offer(2);
  EXPECT_EQ(ids(poll().send.at(0)), Ids{1});
}

TEST_F(DispatcherTest, UrgentFirstThenArrival) {
  make({.priority_levels = 3, .default_priority = 2}, 1, {.batches_per_worker = 1});
  for (const auto& [id, priority] : std::vector<std::pair<RequestId, uint32_t>>{
           {1, 3}, {2, 0}, {3, 1}, {4, 2}, {5, 1}, {6, 99}}) {
    Ticket t = ticket(id);
    t.priority = priority;
    ASSERT_TRUE(d_->offer(t_, t).ok());
  }
  Ids order;
  for (int i = 0; i < 6; ++i) {
    const Orders o = poll();
    ASSERT_EQ(o.send.size(), 1u);
    order.push_back(o.send[0].requests[0]);
    d_->finished(t_, 0, order.back());
  }
  EXPECT_EQ(order, (Ids{3, 5, 2, 4, 6, 1}));
}

TEST_F(DispatcherTest, WaitsForAFullerBatchOnlyIfAsked) {
  ModelPolicy p = kBatch8;
  p.max_queue_delay = 5ms;
  p.preferred = {4};
  make(p, 2);
  for (RequestId r = 1; r <= 3; ++r) offer(r);
  Orders o = poll();
  EXPECT_TRUE(o.send.empty());
  EXPECT_EQ(o.wake_at, t_ + 5ms);
  offer(4);
  offer(5);
  o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(ids(o.send[0]), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(o.wake_at, t_ + 5ms);
  t_ += 5ms;
  o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(ids(o.send[0]), Ids{5});
}

TEST_F(DispatcherTest, ALostWorkersTicketsGoBackToTheHeadInOrder) {
  make(kBatch8, 1);
  for (RequestId r = 1; r <= 3; ++r) offer(r);
  ASSERT_EQ(poll().send.size(), 1u);
  for (RequestId r = 4; r <= 6; ++r) offer(r);
  d_->lost(t_, 0);
  EXPECT_EQ(d_->waiting(kModel), 6u);
  EXPECT_TRUE(poll().send.empty());
  join(1);
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(ids(o.send[0]), (Ids{1, 2, 3, 4, 5, 6}));
}

TEST_F(DispatcherTest, ATicketThatKillsWorkersRunsAloneAndThenEnds) {
  make(kBatch8, 1);
  offer(1);
  offer(2);
  poll();
  d_->lost(t_, 0);
  join(1);
  ASSERT_EQ(poll().send.at(0).requests.size(), 2u);
  d_->lost(t_, 1);
  join(2);
  Orders o = poll();
  ASSERT_EQ(o.send.size(), 2u) << "on the last try each runs alone";
  EXPECT_EQ(ids(o.send[0]), Ids{1});
  EXPECT_TRUE(d_->finished(t_, 2, 2));
  d_->lost(t_, 2);
  o = poll();
  ASSERT_EQ(o.refuse.size(), 1u);
  EXPECT_EQ(o.refuse[0].request, 1u);
  EXPECT_EQ(o.refuse[0].why.code, Code::kUnavailable);
}

TEST_F(DispatcherTest, CancelForgetsWhatWaitsAndIgnoresWhatRuns) {
  make(kSingle, 1, {.batches_per_worker = 1});
  offer(1);
  offer(2);
  poll();
  EXPECT_TRUE(d_->cancel(2));
  EXPECT_FALSE(d_->cancel(1));
  EXPECT_EQ(d_->waiting(kModel), 0u);
  EXPECT_TRUE(d_->finished(t_, 0, 1));
  EXPECT_FALSE(d_->finished(t_, 0, 2));
}

TEST_F(DispatcherTest, ACancelledTicketOfALostWorkerEndsAsCancelled) {
  make(kSingle, 1);
  offer(1);
  poll();
  EXPECT_FALSE(d_->cancel(1));
  d_->lost(t_, 0);
  const Orders o = poll();
  ASSERT_EQ(o.refuse.size(), 1u);
  EXPECT_EQ(o.refuse[0].why.code, Code::kCancelled);
}

TEST_F(DispatcherTest, ExpiresWhatHasWaitedTooLong) {
  make({.default_timeout = 10ms}, 0);
  offer(1);
  Ticket t = ticket(2);
  t.queue_deadline = t_ + 4ms;
  ASSERT_TRUE(d_->offer(t_, t).ok());
  Orders o = poll();
  EXPECT_EQ(o.wake_at, t_ + 4ms);
  t_ += 4ms;
  o = poll();
  ASSERT_EQ(o.refuse.size(), 1u);
  EXPECT_EQ(o.refuse[0].request, 2u);
  EXPECT_EQ(o.refuse[0].why.code, Code::kDeadlineExceeded);
  EXPECT_NE(o.refuse[0].why.what.find("'flower' waited 4.0 ms"), std::string::npos)
      << o.refuse[0].why.what;
  t_ += 6ms;
  EXPECT_EQ(poll().refuse.size(), 1u);
  EXPECT_EQ(d_->waiting(kModel), 0u);
}

TEST_F(DispatcherTest, RefusesAtTheDoorWhatCannotBeDoneInTime) {
  make(kSingle, 2);
  teach(20ms, 1, 2);
  for (RequestId r = 1; r <= 6; ++r) offer(r);
  poll();
  EXPECT_EQ(d_->waiting(kModel), 4u)
      << "nothing is staged before the running ones are about to end";
  // Two run until 20 ms, two batches of two after them: a new one would end at 80 ms.
  EXPECT_EQ(d_->expected_wait(t_, kModel, 1), Duration(80ms));
  Ticket t = ticket(50);
  t.deadline = t_ + 70ms;
  const Status refused = d_->offer(t_, t);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kDeadlineExceeded);
  EXPECT_NE(refused.error().what.find("80.0 ms and is allowed 70.0 ms"), std::string::npos)
      << refused.error().what;
  t.deadline = t_ + 90ms;
  EXPECT_TRUE(d_->offer(t_, t).ok());
  // It expires when even an idle worker could no longer finish it.
  t_ += 70ms;
  const Orders o = poll();
  ASSERT_EQ(o.refuse.size(), 1u);
  EXPECT_EQ(o.refuse[0].request, 50u);
}

TEST_F(DispatcherTest, OldMeasurementsDoNotRefuseForEver) {
  make(kSingle, 1);
  teach(1s, 1, 1);  // the first batch, cold
  Ticket t = ticket(1);
  t.deadline = t_ + 100ms;
  EXPECT_FALSE(d_->offer(t_, t).ok());
  t_ += 1s;
  t.deadline = t_ + 100ms;
  EXPECT_TRUE(d_->offer(t_, t).ok()) << "one is let through";
  EXPECT_EQ(poll().send.size(), 1u);
  t.id = 2;
  EXPECT_FALSE(d_->offer(t_, t).ok()) << "but only one";
  t_ += 10ms;
  EXPECT_TRUE(d_->finished(t_, 0, 1));
}

TEST_F(DispatcherTest, ALostWorkerDoesNotMakeItsTicketsLate) {
  make({.default_timeout = 10ms}, 1);
  offer(1);
  poll();
  t_ += 15ms;
  d_->lost(t_, 0);
  join(1);
  const Orders o = poll();
  EXPECT_TRUE(o.refuse.empty());
  EXPECT_EQ(o.send.size(), 1u);
}

TEST_F(DispatcherTest, MorePrioritiesWhileTicketsWait) {
  make({.priority_levels = 2, .default_priority = 2}, 0);
  offer(1);
  d_->set_model(kModel, {.priority_levels = 5, .default_priority = 1});
  offer(2);
  join(0);
  const Orders o = poll();
  ASSERT_EQ(o.send.size(), 2u);
  EXPECT_EQ(ids(o.send[0]), Ids{2});
  EXPECT_EQ(d_->waiting(kModel), 0u);
}

TEST_F(DispatcherTest, WaitingForCompanyLetsNothingExpire) {
  ModelPolicy p = kBatch8;
  p.max_queue_delay = 50ms;
  make(p, 1);
  Ticket t = ticket(1);
  t.queue_deadline = t_ + 10ms;
  ASSERT_TRUE(d_->offer(t_, t).ok());
  Orders o = poll();
  EXPECT_TRUE(o.send.empty());
  t_ = o.wake_at;
  o = poll();
  EXPECT_EQ(o.send.size(), 1u);
  EXPECT_TRUE(o.refuse.empty());
}

TEST_F(DispatcherTest, WhatNeverRanTeachesNothing) {
  make(kSingle, 1);
  teach(20ms, 1, 1);
  for (RequestId r = 1; r <= 50; ++r) {
    offer(r);
    ASSERT_EQ(poll().send.size(), 1u);
    EXPECT_TRUE(d_->finished(t_, 0, r)) << "answered by the front itself";
  }
  EXPECT_EQ(d_->expected_wait(t_, kModel, 1), Duration(20ms));
}

TEST_F(DispatcherTest, StagesTheSecondBatchShortlyBeforeTheFirstEnds) {
  make(kSingle, 1, {.stage_lead = 1ms});
  teach(20ms, 1, 1);
  offer(1);
  offer(2);
  Orders o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(o.wake_at, t_ + 16500us);
  t_ += 16500us;
  o = poll();
  ASSERT_EQ(o.send.size(), 1u);
  EXPECT_EQ(ids(o.send[0]), Ids{2});
}

TEST_F(DispatcherTest, StagesNothingAtAWorkerThatIsOverdue) {
  make(kSingle, 1);
  teach(20ms, 1, 1);
  offer(1);
  poll();
  t_ += 60ms;
  offer(2);
  EXPECT_TRUE(poll().send.empty());
  d_->finished(t_, 0, 1);
  EXPECT_EQ(poll().send.size(), 1u);
}

TEST_F(DispatcherTest, PrefersTheFasterOfTwoIdleWorkers) {
  make(kSingle, 0);
  join(0, "slow");
  join(1, "fast");
  offer(1);
  offer(2);
  for (const Batch& b : poll().send)
    d_->finished(t_ + (b.worker == 0 ? 30ms : 10ms), b.worker, b.requests[0]);
  t_ += 50ms;
  for (RequestId r = 10; r < 20; ++r) {
    offer(r);
    const Orders o = poll();
    ASSERT_EQ(o.send.size(), 1u);
    EXPECT_EQ(o.send[0].worker, 1u);
    t_ += 10ms;
    d_->finished(t_, 1, r);
  }
}

TEST_F(DispatcherTest, AFullQueueRefusesWithItsLength) {
  make({.max_queue = 2}, 0);
  offer(1);
  offer(2);
  const Status refused = d_->offer(t_, ticket(3));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_NE(refused.error().what.find("2 requests wait for model 'flower'"), std::string::npos);
}

TEST_F(DispatcherTest, UnknownAndRemovedModels) {
  make(kSingle, 0);
  EXPECT_EQ(d_->offer(t_, Ticket{.id = 1, .model = 99}).error().code, Code::kNotFound);
  offer(2);
  d_->remove_model(kModel);
  const Orders o = poll();
  ASSERT_EQ(o.refuse.size(), 1u);
  EXPECT_EQ(o.refuse[0].why.code, Code::kUnavailable);
  EXPECT_EQ(d_->offer(t_, ticket(3)).error().code, Code::kNotFound);
}

TEST_F(DispatcherTest, RemovingAModelLetsRunningBatchesEnd) {
  make(kSingle, 2);
  offer(1);
  offer(2);
  const Orders o = poll();
  d_->remove_model(kModel);
  EXPECT_TRUE(d_->finished(t_, o.send[0].worker, o.send[0].requests[0]));
  d_->lost(t_, o.send[1].worker);
  EXPECT_EQ(poll().refuse.size(), 1u);
  // The same number may come again, as another model.
  d_->set_model(kModel, kSingle);
  d_->serves(t_, o.send[0].worker, kModel, true);
  offer(5);
  EXPECT_EQ(poll().send.size(), 1u);
}

TEST_F(DispatcherTest, HopelessModelsRefuseUntilAWorkerServesThem) {
  make(kSingle, 0);
  offer(1);
  d_->set_hopeless(kModel, "all 2 workers are parked after 5 crashes");
  EXPECT_EQ(poll().refuse.size(), 1u);
  const Status refused = d_->offer(t_, ticket(2));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("parked after 5 crashes"), std::string::npos);
  join(0);
  offer(3);
  EXPECT_EQ(poll().send.size(), 1u);
  d_->lost(t_, 0);
  EXPECT_EQ(poll().refuse.size(), 1u);
}

TEST_F(DispatcherTest, DrainBindsNothingMore) {
  make(kSingle, 1);
  offer(1);
  poll();
  d_->drain(0);
  offer(2);
  EXPECT_TRUE(poll().send.empty());
  EXPECT_TRUE(d_->finished(t_, 0, 1));
  EXPECT_TRUE(poll().send.empty());
  EXPECT_EQ(d_->outstanding(0), 0u);
  join(1);
  EXPECT_EQ(poll().send.size(), 1u);
}

TEST_F(DispatcherTest, WhatIsGivenBackCostsNoTryAndTheWorkerRests) {
  make(kSingle, 1);
  Ticket t = ticket(1);
  t.tries_left = 0;
  ASSERT_TRUE(d_->offer(t_, t).ok());
  ASSERT_EQ(poll().send.size(), 1u);
  EXPECT_TRUE(d_->give_back(t_, 0, 1));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(poll().send.size(), 1u) << "the first time it goes out again at once";
    EXPECT_TRUE(d_->give_back(t_, 0, 1));
    const Orders o = poll();
    EXPECT_TRUE(o.send.empty());
    EXPECT_TRUE(o.refuse.empty());
    EXPECT_EQ(o.wake_at, t_ + 1ms);
    t_ += 1ms;
  }
}

TEST_F(DispatcherTest, AWorkerOfSeveralModelsServesTheOldestHead) {
  make(kSingle, 1, {.batches_per_worker = 1});
  d_->set_model(8, kSingle);
  d_->serves(t_, 0, 8, true);
  ASSERT_TRUE(d_->offer(t_, ticket(1)).ok());
  ASSERT_TRUE(d_->offer(t_, Ticket{.id = 2, .model = 8}).ok());
  ASSERT_TRUE(d_->offer(t_, ticket(3)).ok());
  for (RequestId expected = 1; expected <= 3; ++expected) {
    const Orders o = poll();
    ASSERT_EQ(o.send.size(), 1u);
    EXPECT_EQ(o.send[0].requests[0], expected);
    d_->finished(t_, 0, expected);
  }
}

TEST_F(DispatcherTest, AnswersForOthersRequestsAreIgnored) {
  make(kSingle, 2);
  offer(1);
  const WorkerId holder = poll().send.at(0).worker;
  EXPECT_FALSE(d_->finished(t_, 1 - holder, 1));
  EXPECT_FALSE(d_->finished(t_, 77, 1));
  EXPECT_FALSE(d_->give_back(t_, 1 - holder, 1));
  EXPECT_FALSE(d_->finished(t_, holder, 2));
  EXPECT_TRUE(d_->finished(t_, holder, 1));
}

}  // namespace
}  // namespace corolla::front
