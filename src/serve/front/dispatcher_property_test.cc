// Random sequences of everything that can happen to a dispatcher, against what must hold after each
// step. A failure prints its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "serve/front/dispatcher.h"

namespace corolla::front {
namespace {

using namespace std::chrono_literals;

class Storm {
 public:
  explicit Storm(uint64_t seed) : rng_(seed), d_(make_dispatcher({.default_queue_limit = 200})) {
    for (ModelId m = 0; m < 3; ++m) set_model(m);
    for (int i = 0; i < 4; ++i) join();
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      t_ += Duration(pick(0, 300'000));
      step();
      poll();
    }
    // Then the storm is over: workers that stay answer everything, and nothing may be left.
    for (ModelId m = 0; m < 3; ++m) d_->set_hopeless(m, "");
    join();
    for (ModelId m = 0; m < 3; ++m) d_->serves(t_, newest_, m, true);
    workers_[newest_] = {0, 1, 2};
    for (int i = 0; i < 20'000 && !alive_.empty() && !testing::Test::HasFailure(); ++i) {
      t_ += 1ms;
      if (!batches_.empty()) answer_some();
      poll();
    }
    EXPECT_TRUE(alive_.empty()) << alive_.size() << " tickets never ended";
    for (ModelId m = 0; m < 3; ++m) EXPECT_EQ(d_->waiting(m), 0u);
    EXPECT_GT(ended_, 100u);
  }

 private:
  struct Live {
    Ticket ticket;
    uint64_t order = 0;
    bool cancelled = false;
    bool bound = false;
    bool returned = false;  // has been with a worker before
    uint32_t priority = 1;
    int deaths = 0;
  };
  struct Sent {
    WorkerId worker;
    ModelId model;
    std::set<RequestId> left;
  };

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(rng_);
  }
  bool chance(double p) { return std::uniform_real_distribution<>()(rng_) < p; }

  void set_model(ModelId m) {
    ModelPolicy p;
    p.max_batch = m == 0 ? 0 : 8;
    p.batching = m == 2 || chance(0.5);
    if (m == 2) p.max_queue_delay = 500us;
    if (chance(0.3)) p.preferred = {2, 4};
    p.priority_levels = m == 1 ? 3 : 0;
    p.default_priority = m == 1 ? 2 : 0;
    if (chance(0.3)) p.default_timeout = 20ms;
    policies_[m] = p;
    d_->set_model(m, p);
    for (auto& [w, models] : workers_)
      for (const ModelId s : models)
        if (s == m) d_->serves(t_, w, m, true);
  }

  void join() {
    newest_ = next_worker_++;
    d_->joined(t_, newest_, chance(0.5) ? "a" : "b");
    std::set<ModelId> models;
    for (ModelId m = 0; m < 3; ++m)
      if (chance(0.7)) models.insert(m);
    for (const ModelId m : models) d_->serves(t_, newest_, m, true);
    workers_[newest_] = models;
  }

  void step() {
    const double dice = std::uniform_real_distribution<>()(rng_);
    if (dice < 0.50) {
      const int64_t burst = chance(0.05) ? 40 : 1;
      for (int64_t i = 0; i < burst; ++i) offer();
    } else if (dice < 0.86) {
      if (!batches_.empty()) answer_some();
    } else if (dice < 0.91) {
      cancel();
    } else if (dice < 0.94) {
      lose();
    } else if (dice < 0.97) {
      if (workers_.size() < 70) join();
    } else if (dice < 0.98) {
      if (workers_.size() > 1 && chance(0.3)) d_->drain(random_worker());
    } else if (dice < 0.985) {
      const WorkerId w = random_worker();
      const auto m = static_cast<ModelId>(pick(0, 2));
      const bool yes = chance(0.7);
      d_->serves(t_, w, m, yes);
      if (yes)
        workers_[w].insert(m);
      else
        workers_[w].erase(m);
    } else if (dice < 0.99) {
      const auto m = static_cast<ModelId>(pick(0, 2));
      d_->remove_model(m);
      poll();
      set_model(m);
    } else if (dice < 0.995) {
      d_->set_hopeless(static_cast<ModelId>(pick(0, 2)), chance(0.5) ? "all are parked" : "");
    } else {
      // What a broken worker might answer.
      EXPECT_FALSE(d_->finished(t_, random_worker(), 1'000'000'000 + next_request_));
    }
  }

  void offer() {
    const auto m = static_cast<ModelId>(pick(0, 2));
    Ticket t{.id = next_request_++, .model = m};
    if (m > 0) t.rows = static_cast<uint32_t>(pick(1, chance(0.1) ? 8 : 2));
    t.shape_key = chance(0.2) ? 1 : 0;
    t.priority = static_cast<uint32_t>(pick(0, 4));
    t.tries_left = static_cast<int>(pick(0, 2));
    if (chance(0.2)) t.deadline = t_ + Duration(pick(0, 30'000'000));
    if (chance(0.2)) t.queue_deadline = t_ + Duration(pick(0, 10'000'000));
    if (d_->offer(t_, t).ok()) {
      Live live{.ticket = t, .order = next_order_++};
      const ModelPolicy& p = policies_[m];
      if (p.priority_levels) live.priority = t.priority >= 1 && t.priority <= 3 ? t.priority : 2;
      alive_[t.id] = live;
    }
  }

  WorkerId random_worker() {
    auto at = workers_.begin();
    std::advance(at, pick(0, static_cast<int64_t>(workers_.size()) - 1));
    return at->first;
  }

  void cancel() {
    if (alive_.empty()) return;
    auto at = alive_.begin();
    std::advance(at, pick(0, static_cast<int64_t>(alive_.size()) - 1));
    const bool bound = at->second.bound;
    EXPECT_EQ(d_->cancel(at->first), !bound);
    if (bound)
      at->second.cancelled = true;
    else
      end(at->first);
  }

  void answer_some() {
    auto at = batches_.begin();
    std::advance(at, pick(0, static_cast<int64_t>(batches_.size()) - 1));
    Sent& sent = at->second;
    const bool give_back = chance(0.05);
    // Not always the whole batch at once.
    for (int64_t n = chance(0.3) ? 1 : 1000; n > 0 && !sent.left.empty(); --n) {
      const RequestId r = *sent.left.begin();
      sent.left.erase(r);
      if (give_back) {
        EXPECT_TRUE(d_->give_back(t_, sent.worker, r));
        alive_[r].bound = false;
        alive_[r].returned = true;
      } else {
        EXPECT_TRUE(d_->finished(t_, sent.worker, r));
        end(r);
      }
    }
    if (sent.left.empty()) batches_.erase(at);
  }

  void lose() {
    if (workers_.empty()) return;
    const WorkerId w = random_worker();
    size_t held = 0;
    for (auto at = batches_.begin(); at != batches_.end();) {
      if (at->second.worker != w) {
        ++at;
        continue;
      }
      held += at->second.left.size();
      for (const RequestId r : at->second.left) {
        alive_[r].bound = false;
        alive_[r].returned = true;
        ++alive_[r].deaths;
      }
      at = batches_.erase(at);
    }
    EXPECT_EQ(d_->outstanding(w), held);
    d_->lost(t_, w);
    EXPECT_EQ(d_->outstanding(w), 0u);
    workers_.erase(w);
    if (workers_.empty()) join();
  }

  void end(RequestId r) {
    EXPECT_EQ(alive_.erase(r), 1u) << "request " << r << " ended twice";
    ++ended_;
  }

  void poll() {
    d_->poll(t_, orders_);
    for (const Refusal& refusal : orders_.refuse) {
      ASSERT_TRUE(alive_.contains(refusal.request)) << refusal.why.what;
      EXPECT_FALSE(alive_[refusal.request].bound);
      EXPECT_EQ(alive_[refusal.request].cancelled, refusal.why.code == Code::kCancelled);
      EXPECT_FALSE(refusal.why.what.empty());
      end(refusal.request);
    }
    EXPECT_TRUE(orders_.wake_at > t_) << "asked to be called at once again";
    for (const Batch& b : orders_.send) {
      ASSERT_TRUE(workers_.contains(b.worker));
      EXPECT_TRUE(workers_[b.worker].contains(b.model)) << "the worker does not serve that model";
      const ModelPolicy& p = policies_[b.model];
      uint32_t rows = 0;
      Sent sent{.worker = b.worker, .model = b.model};
      for (const RequestId r : b.requests) {
        ASSERT_TRUE(alive_.contains(r));
        Live& live = alive_[r];
        EXPECT_FALSE(live.bound) << "with two workers at once";
        EXPECT_EQ(live.ticket.model, b.model);
        EXPECT_EQ(live.ticket.shape_key, alive_[b.requests[0]].ticket.shape_key);
        EXPECT_LE(live.deaths, live.ticket.tries_left);
        EXPECT_GT(live.ticket.deadline, t_);
        live.bound = true;
        rows += live.ticket.rows;
        sent.left.insert(r);
      }
      // Among tickets of a priority that have never left the queue, the first of each batch follow
      // each other as they came.
      const Live& first = alive_[b.requests[0]];
      if (!first.returned) {
        for (const auto& [id, other] : alive_) {
          const bool behind = other.bound || other.ticket.model != b.model ||
                              other.priority != first.priority || other.order > first.order;
          EXPECT_TRUE(behind) << "request " << id << " was overtaken";
        }
      }
      EXPECT_EQ(rows, b.rows);
      EXPECT_LE(rows, std::max(1U, p.max_batch));
      EXPECT_TRUE(b.requests.size() == 1 || (p.batching && p.max_batch > 0));
      EXPECT_TRUE(batches_.emplace(b.id, sent).second);
    }
    std::map<WorkerId, int> count;
    for (const auto& [id, sent] : batches_) EXPECT_LE(++count[sent.worker], 2);
    size_t unbound = 0, waiting = 0;
    for (const auto& [id, live] : alive_) unbound += !live.bound;
    for (ModelId m = 0; m < 3; ++m) waiting += d_->waiting(m);
    EXPECT_EQ(waiting, unbound);
  }

  std::mt19937_64 rng_;
  std::unique_ptr<Dispatcher> d_;
  TimePoint t_{1h};
  std::map<ModelId, ModelPolicy> policies_;
  std::map<WorkerId, std::set<ModelId>> workers_;
  std::map<RequestId, Live> alive_;
  std::map<BatchId, Sent> batches_;
  Orders orders_;
  WorkerId newest_ = 0, next_worker_ = 0;
  RequestId next_request_ = 1;
  uint64_t next_order_ = 0;
  size_t ended_ = 0;
};

TEST(DispatcherProperty, HoldsThroughRandomStorms) {
  for (uint64_t seed = 1; seed <= 40 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm(seed).run(4'000);
  }
}

}  // namespace
}  // namespace corolla::front
