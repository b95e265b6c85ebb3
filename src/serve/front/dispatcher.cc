#include "serve/front/dispatcher.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "serve/front/admission.h"
#include "serve/front/dispatcher_state.h"
#include "serve/front/dispatcher_tickets.h"
#include "serve/front/id_map.h"
#include "serve/front/service_times.h"

namespace corolla::front {
namespace {

// How far a batch looks past tickets of other shapes for more of its own.
constexpr uint32_t kLookAhead = 64;
// A worker's own pace against its kind's is learnt this fast.
constexpr float kPaceWeight = 1.0F / 16;

double ms(Duration d) { return to_seconds(d) * 1e3; }

class LateBinding final : public Dispatcher {
 public:
  explicit LateBinding(const DispatcherOptions& options) : options_(options), expiry_(slab_) {
    CHECK(options.batches_per_worker >= 1 && options.batches_per_worker <= kMostBatches);
  }

  void set_model(ModelId id, const ModelPolicy& policy) override;
  void remove_model(ModelId id) override;
  Status offer(TimePoint now, const Ticket& ticket) override;
  bool cancel(RequestId request) override;
  void joined(TimePoint now, WorkerId id, const std::string& kind) override;
  void serves(TimePoint now, WorkerId id, ModelId model, bool yes) override;
  void drain(WorkerId id) override;
  size_t outstanding(WorkerId id) const override;
  bool finished(TimePoint now, WorkerId id, RequestId request) override;
  void lost(TimePoint now, WorkerId id) override;
  bool give_back(TimePoint now, WorkerId id, RequestId request) override;
  void set_hopeless(ModelId id, const std::string& why) override;
  void poll(TimePoint now, Orders& orders) override;
  size_t waiting(ModelId id) const override;
  std::optional<Duration> expected_wait(TimePoint now, ModelId id, uint32_t rows) const override;

 private:
  // What one model could do at this moment.
  struct Chance {
    uint32_t worker = kNil;
    uint32_t take_rows = 0;
    TimePoint again = kNever;  // no chance before then, if nothing else happens
  };

  void enqueue(uint32_t at, bool back);
  void dequeue(uint32_t at);
  void forget(uint32_t at);
  void refuse(uint32_t at, Code code, std::string what);
  void refuse_waiting(uint32_t model, const std::string& why);
  void requeue(uint32_t at, bool worker_lost);
  void settle_model(uint32_t model);
  void set_room(uint32_t worker);
  // The request leaves its worker; true if its batch ended with it.
  bool unbind(TimePoint now, uint32_t at, bool measured);

  Chance chance(TimePoint now, uint32_t model);
  uint32_t pick_idle(uint32_t model, uint32_t rows) const;
  uint32_t rows_to_take(TimePoint now, const ModelState& m, TimePoint& again) const;
  void bind(TimePoint now, uint32_t model, uint32_t worker, uint32_t take_rows, Orders& orders);
  void expire(TimePoint now);
  void end_rests(TimePoint now, Orders& orders);

  std::optional<ServiceTimes::Estimate> estimate(uint32_t worker, uint32_t model,
                                                 uint32_t rows) const;
  std::optional<Duration> expected(TimePoint now, uint32_t model, uint32_t rows,
                                   uint32_t rows_ahead) const;
  // Of the workers that the last expected() looked at.
  Duration fastest_of_last() const;
  uint32_t rows_before(const ModelState& m, uint32_t priority) const;

  uint32_t batch_limit(const ModelPolicy& p) const {
    return p.batching && p.max_batch > 1 ? p.max_batch : 1;
  }
  std::string name_of(const ModelState& m) const {
    return m.policy.name.empty() ? fmt::format("model {}", m.id)
                                 : fmt::format("model '{}'", m.policy.name);
  }

  const DispatcherOptions options_;
  TicketSlab slab_;
  ExpiryHeap expiry_;
  IdMap tickets_, models_by_id_, workers_by_id_;
  std::vector<ModelState> models_;
  std::vector<WorkerState> workers_;
  std::vector<uint32_t> active_;   // models with something waiting
  std::vector<uint32_t> resting_;  // workers that gave something back
  WorkerSet idle_, room_;          // room_: fewer batches than they may have; idle_: none at all
  WorkerSet fresh_;                // in room_, and got a batch in this poll
  ServiceTimes times_;
  std::vector<Refusal> refused_;  // since the last poll
  std::vector<uint32_t> sizes_;   // of the batches of this poll
  mutable std::vector<WorkerLoad> loads_;
  uint64_t next_seq_ = 0;
  BatchId next_batch_ = 1;
};

// ---- Models
// --------------------------------------------------------------------------------------------------------------------

void LateBinding::set_model(ModelId id, const ModelPolicy& policy) {
  uint32_t index = models_by_id_.find(id);
  if (index == IdMap::kNone) {
    for (index = 0; index < models_.size(); ++index)
      if (!models_[index].live && models_[index].bound == 0) break;
    if (index == models_.size()) models_.emplace_back();
    models_[index] = ModelState{};
    models_by_id_.add(id, index);
    times_.forget(index);
  }
  ModelState& m = models_[index];
  m.id = id;
  m.live = true;
  m.policy = policy;
  std::sort(m.policy.preferred.begin(), m.policy.preferred.end());
  const uint32_t levels = std::clamp(policy.priority_levels, 1U, kMostLevels);
  // A list that is no longer wanted stays until it is empty; it is the last, so its tickets are the
  // least urgent.
  if (m.levels.size() < levels) m.levels.resize(levels);
}

void LateBinding::remove_model(ModelId id) {
  const uint32_t index = models_by_id_.find(id);
  if (index == IdMap::kNone) return;
  ModelState& m = models_[index];
  refuse_waiting(index, fmt::format("{} was unloaded while the request waited", name_of(m)));
  m.live = false;
  m.serves = WorkerSet{};
  models_by_id_.remove(id);
}

void LateBinding::set_hopeless(ModelId id, const std::string& why) {
  const uint32_t index = models_by_id_.find(id);
  if (index == IdMap::kNone) return;
  ModelState& m = models_[index];
  m.hopeless = why;
  if (!why.empty() && !m.serves.any())
    refuse_waiting(index, fmt::format("no worker serves {}: {}", name_of(m), why));
}

void LateBinding::refuse_waiting(uint32_t model, const std::string& why) {
  while (models_[model].filled) refuse(models_[model].head(), Code::kUnavailable, why);
}

// ---- Tickets
// -------------------------------------------------------------------------------------------------------------------

Status LateBinding::offer(TimePoint now, const Ticket& ticket) {
  const uint32_t index = models_by_id_.find(ticket.model);
  if (index == IdMap::kNone)
    return Error{Code::kNotFound, fmt::format("model {} is not loaded", ticket.model)};
  ModelState& m = models_[index];
  const ModelPolicy& p = m.policy;
  const uint32_t rows = std::max(ticket.rows, 1U);
  if (rows > std::max(p.max_batch, 1U))
    return Error{Code::kInvalidArgument,
                 fmt::format("the request has {} rows, more than the {} that {} takes in one batch",
                             rows, std::max(p.max_batch, 1U), name_of(m))};
  const uint32_t limit = p.max_queue ? p.max_queue : options_.default_queue_limit;
  if (m.waiting >= limit)
    return Error{
        Code::kOverloaded,
        fmt::format("{} requests wait for {} already, and its queue holds {}; come back later",
                    m.waiting, name_of(m), limit)};
  if (!m.hopeless.empty() && !m.serves.any())
    return Error{Code::kUnavailable,
                 fmt::format("no worker serves {}: {}", name_of(m), m.hopeless)};

  const uint32_t priority = ticket.priority >= 1 && ticket.priority <= p.priority_levels
                                ? ticket.priority
                                : std::max(p.default_priority, 1U);
  TimePoint expires = std::min(ticket.queue_deadline, ticket.deadline);
  if (p.default_timeout.count() > 0) {
    const TimePoint limit_at = now + p.default_timeout;
    expires = p.allow_timeout_override ? std::min(expires, limit_at)
                                       : std::min(limit_at, ticket.deadline);
  }
  if (ticket.deadline != kNever) {
    const auto done = expected(now, index, rows, rows_before(m, priority));
    if (ticket.deadline <= now || (done && now + *done > ticket.deadline))
      return Error{
          Code::kDeadlineExceeded,
          fmt::format("a request to {} offered now would take {:.1f} ms and is allowed {:.1f} ms; "
                      "allow more time or lower the load",
                      name_of(m), done ? ms(*done) : 0.0,
                      ms(std::max(Duration{0}, Duration(ticket.deadline - now))))};
    // Once it can no longer be done in time, even at the fastest worker, binding it would be wasted
    // work.
    if (done) expires = std::min(expires, ticket.deadline - fastest_of_last());
  }

  CHECK(tickets_.find(ticket.id) == IdMap::kNone, "a request was offered twice");
  const uint32_t at = slab_.take();
  TicketEntry& e = slab_[at];
  e.ticket = ticket;
  e.ticket.rows = rows;
  e.arrived = now;
  e.expires = expires;
  e.seq = next_seq_++;
  e.model = index;
  e.priority = priority;
  tickets_.add(ticket.id, at);
  enqueue(at, false);
  return ok();
}

bool LateBinding::cancel(RequestId request) {
  const uint32_t at = tickets_.find(request);
  if (at == IdMap::kNone) return false;
  if (slab_[at].worker != kNil) {
    slab_[at].cancelled = true;
    return false;
  }
  dequeue(at);
  forget(at);
  return true;
}

void LateBinding::enqueue(uint32_t at, bool back) {
  TicketEntry& e = slab_[at];
  ModelState& m = models_[e.model];
  const auto level = std::min<uint32_t>(e.priority - 1, static_cast<uint32_t>(m.levels.size()) - 1);
  if (back)
    m.levels[level].list.insert_from_head(slab_, at);
  else
    m.levels[level].list.insert_from_tail(slab_, at);
  m.levels[level].rows += e.ticket.rows;
  m.filled |= uint64_t{1} << level;
  m.waiting_rows += e.ticket.rows;
  if (m.waiting++ == 0) {
    m.active_at = static_cast<uint32_t>(active_.size());
    active_.push_back(e.model);
  }
  if (e.expires != kNever) expiry_.add(at);
}

void LateBinding::dequeue(uint32_t at) {
  TicketEntry& e = slab_[at];
  ModelState& m = models_[e.model];
  const auto level = std::min<uint32_t>(e.priority - 1, static_cast<uint32_t>(m.levels.size()) - 1);
  m.levels[level].list.remove(slab_, at);
  m.levels[level].rows -= e.ticket.rows;
  if (m.levels[level].list.empty()) m.filled &= ~(uint64_t{1} << level);
  m.waiting_rows -= e.ticket.rows;
  if (--m.waiting == 0) {
    const uint32_t last = active_.back();
    active_[m.active_at] = last;
    models_[last].active_at = m.active_at;
    active_.pop_back();
    m.active_at = kNil;
  }
  expiry_.remove(at);
}

void LateBinding::forget(uint32_t at) {
  tickets_.remove(slab_[at].ticket.id);
  slab_.give(at);
}

// REQUIRES: it waits.
void LateBinding::refuse(uint32_t at, Code code, std::string what) {
  refused_.push_back({slab_[at].ticket.id, Error{code, std::move(what)}});
  dequeue(at);
  forget(at);
}

// A ticket that has left its worker unanswered: back to its place in the queue, or out.
void LateBinding::requeue(uint32_t at, bool worker_lost) {
  TicketEntry& e = slab_[at];
  const ModelState& m = models_[e.model];
  enqueue(at, true);
  if (e.cancelled) return refuse(at, Code::kCancelled, "the client has gone");
  if (!m.live)
    return refuse(at, Code::kUnavailable,
                  fmt::format("{} was unloaded while the request waited", name_of(m)));
  if (!m.hopeless.empty() && !m.serves.any())
    return refuse(at, Code::kUnavailable,
                  fmt::format("no worker serves {}: {}", name_of(m), m.hopeless));
  if (!worker_lost) return;
  if (e.ticket.tries_left <= 0)
    return refuse(
        at, Code::kUnavailable,
        fmt::format(
            "the worker died while it held a request to {}, as did those that had it before; "
            "it has no try left",
            name_of(m)));
  e.alone = --e.ticket.tries_left == 0;
}

// ---- Workers
// -------------------------------------------------------------------------------------------------------------------

void LateBinding::joined(TimePoint now, WorkerId id, const std::string& kind) {
  CHECK(workers_by_id_.find(id) == IdMap::kNone, "a worker joined twice");
  uint32_t index = 0;
  while (index < workers_.size() && workers_[index].live) ++index;
  if (index == workers_.size()) workers_.emplace_back();
  WorkerState& w = workers_[index];
  w = WorkerState{};
  w.id = id;
  w.live = true;
  w.kind = times_.kind(kind);
  w.idle_since = now;
  workers_by_id_.add(id, index);
  set_room(index);
}

void LateBinding::serves(TimePoint, WorkerId id, ModelId model, bool yes) {
  const uint32_t worker = workers_by_id_.find(id);
  const uint32_t index = models_by_id_.find(model);
  if (worker == IdMap::kNone || index == IdMap::kNone) return;
  models_[index].serves.set(worker, yes);
  settle_model(index);
}

// Nobody is left to wait for.
void LateBinding::settle_model(uint32_t model) {
  ModelState& m = models_[model];
  if (!m.hopeless.empty() && !m.serves.any())
    refuse_waiting(model, fmt::format("no worker serves {}: {}", name_of(m), m.hopeless));
}

void LateBinding::drain(WorkerId id) {
  const uint32_t index = workers_by_id_.find(id);
  if (index == IdMap::kNone) return;
  workers_[index].draining = true;
  set_room(index);
}

size_t LateBinding::outstanding(WorkerId id) const {
  const uint32_t index = workers_by_id_.find(id);
  return index == IdMap::kNone ? 0 : workers_[index].requests;
}

void LateBinding::set_room(uint32_t worker) {
  const WorkerState& w = workers_[worker];
  const bool may = w.live && !w.draining && !w.resting;
  idle_.set(worker, may && w.batches == 0);
  room_.set(worker, may && w.batches < options_.batches_per_worker);
}

bool LateBinding::unbind(TimePoint now, uint32_t at, bool measured) {
  TicketEntry& e = slab_[at];
  WorkerState& w = workers_[e.worker];
  const uint32_t worker = e.worker;
  BatchState& b = w.slots[e.batch];
  b.tickets.remove(slab_, at);
  b.returned |= !measured;
  --w.requests;
  --models_[e.model].bound;
  e.worker = kNil;
  if (--b.left > 0) return false;

  const auto place = std::find(w.order.begin(), w.order.begin() + w.batches, e.batch);
  const bool first = place == w.order.begin();
  std::copy(place + 1, w.order.begin() + w.batches, place);
  --w.batches;
  if (!b.returned) {
    const Duration took = now - b.began;
    if (const auto usual = times_.estimate(w.kind, b.model, b.rows);
        usual && usual->mean.count() > 0) {
      const float pace = std::clamp(
          static_cast<float>(took.count()) / static_cast<float>(usual->mean.count()), 0.25F, 4.0F);
      w.slowness += kPaceWeight * (pace - w.slowness);
    }
    times_.record(w.kind, b.model, b.rows, took);
  }
  // The next one could begin when this one ended.
  if (first && w.batches > 0) w.slots[w.order[0]].began = std::max(w.slots[w.order[0]].began, now);
  if (w.batches == 0) w.idle_since = now;
  set_room(worker);
  return true;
}

bool LateBinding::finished(TimePoint now, WorkerId id, RequestId request) {
  const uint32_t at = tickets_.find(request);
  if (at == IdMap::kNone || slab_[at].worker == kNil || workers_[slab_[at].worker].id != id)
    return false;
  unbind(now, at, true);
  forget(at);
  return true;
}

bool LateBinding::give_back(TimePoint now, WorkerId id, RequestId request) {
  const uint32_t at = tickets_.find(request);
  if (at == IdMap::kNone || slab_[at].worker == kNil || workers_[slab_[at].worker].id != id)
    return false;
  const uint32_t worker = slab_[at].worker;
  WorkerState& w = workers_[worker];
  unbind(now, at, false);
  w.rests_until = now + options_.give_back_rest;
  if (!w.resting) {
    w.resting = true;
    resting_.push_back(worker);
  }
  set_room(worker);
  requeue(at, false);
  return true;
}

void LateBinding::lost(TimePoint now, WorkerId id) {
  const uint32_t index = workers_by_id_.find(id);
  if (index == IdMap::kNone) return;
  WorkerState& w = workers_[index];
  for (ModelState& m : models_) m.serves.set(index, false);
  while (w.batches > 0) {
    BatchState& b = w.slots[w.order[0]];
    const uint32_t at = b.tickets.head;
    unbind(now, at, false);
    requeue(at, true);
  }
  w.live = false;
  workers_by_id_.remove(id);
  if (w.resting) std::erase(resting_, index);
  w.resting = false;
  set_room(index);
  for (uint32_t m = 0; m < models_.size(); ++m) settle_model(m);
}

// ---- Binding
// -------------------------------------------------------------------------------------------------------------------

std::optional<ServiceTimes::Estimate> LateBinding::estimate(uint32_t worker, uint32_t model,
                                                            uint32_t rows) const {
  auto e = times_.estimate(workers_[worker].kind, model, rows);
  if (e) {
    const auto mean = static_cast<double>(e->mean.count()) * workers_[worker].slowness;
    e->mean = Duration(static_cast<int64_t>(mean));
  }
  return e;
}

// Among the idle: the fastest; among those about as fast, the one idle the longest.
uint32_t LateBinding::pick_idle(uint32_t model, uint32_t rows) const {
  constexpr double kAboutAsFast = 1.15;
  const ModelState& m = models_[model];
  double best = 0;
  uint32_t picked = kNil;
  WorkerSet::each(idle_, m.serves, [&](uint32_t worker) {
    const auto e = estimate(worker, model, rows);
    // Nothing known: try it, so that something becomes known.
    const double time = e ? static_cast<double>(e->mean.count()) : 0;
    const bool better =
        picked == kNil || time * kAboutAsFast < best ||
        (time < best * kAboutAsFast && workers_[worker].idle_since < workers_[picked].idle_since);
    if (better) {
      picked = worker;
      best = time;
    }
  });
  return picked;
}

// 0: it is worth waiting for more, until `again` at the latest.
uint32_t LateBinding::rows_to_take(TimePoint now, const ModelState& m, TimePoint& again) const {
  const ModelPolicy& p = m.policy;
  const uint32_t limit = batch_limit(p);
  if (limit == 1) return 1;
  if (p.max_queue_delay.count() > 0) {
    // The largest preferred size that can be filled goes at once; without preferences that is a
    // full batch.
    uint32_t fill = p.preferred.empty() && m.waiting_rows >= limit ? limit : 0;
    for (const uint32_t size : p.preferred)
      if (size <= m.waiting_rows && size <= limit) fill = size;
    if (fill) return fill;
    TimePoint oldest = kNever;
    for (const Level& level : m.levels)
      if (!level.list.empty()) oldest = std::min(oldest, slab_[level.list.head].arrived);
    if (now < oldest + p.max_queue_delay) {
      again = std::min(again, oldest + p.max_queue_delay);
      return 0;
    }
    return std::min(limit, m.waiting_rows);
  }
  // Those that got a batch in this very poll have had their share.
  const uint32_t with_room =
      std::max(1U, WorkerSet::count(room_, m.serves) - WorkerSet::count(fresh_, m.serves));
  const uint32_t share = std::min(limit, (m.waiting_rows + with_room - 1) / with_room);
  for (const uint32_t size : p.preferred)
    if (size >= share && size <= m.waiting_rows && size <= limit) return size;
  return share;
}

LateBinding::Chance LateBinding::chance(TimePoint now, uint32_t model) {
  Chance c;
  const ModelState& m = models_[model];
  const bool idle = WorkerSet::count(idle_, m.serves) > 0;
  if (!idle && WorkerSet::count(room_, m.serves) == 0) return c;
  c.take_rows = rows_to_take(now, m, c.again);
  if (c.take_rows == 0) return c;
  if (idle) {
    c.worker = pick_idle(model, c.take_rows);
    return c;
  }
  // All are busy: stage where the running batch ends soonest, but only shortly before it ends. A
  // worker that is overdue gets nothing: it may have stalled, and what is staged there could not be
  // taken back.
  TimePoint soonest = kNever;
  WorkerSet::each(room_, m.serves, [&](uint32_t worker) {
    const WorkerState& w = workers_[worker];
    const BatchState& running = w.slots[w.order[0]];
    TimePoint end = running.began;
    if (const auto e = estimate(worker, running.model, running.rows)) {
      const Duration lead = options_.stage_lead + e->mean / 8;
      end += e->mean;
      if (now < end - lead) {
        c.again = std::min(c.again, end - lead);
        return;
      }
      if (now > end + std::max(lead, e->mean / 4)) return;
    }
    if (end < soonest) {
      soonest = end;
      c.worker = worker;
    }
  });
  return c;
}

void LateBinding::bind(TimePoint now, uint32_t model, uint32_t worker, uint32_t take_rows,
                       Orders& orders) {
  ModelState& m = models_[model];
  WorkerState& w = workers_[worker];
  uint8_t slot = 0;
  while (w.slots[slot].left > 0) ++slot;
  BatchState& b = w.slots[slot];
  b = BatchState{.id = next_batch_++, .model = model, .began = now};

  const auto take = [&](uint32_t at) {
    dequeue(at);
    TicketEntry& e = slab_[at];
    e.worker = worker;
    e.batch = slot;
    b.tickets.push_back(slab_, at);
    b.rows += e.ticket.rows;
    ++b.left;
    orders.ids.push_back(e.ticket.id);
  };
  const uint32_t first = m.head();
  const uint64_t shape = slab_[first].ticket.shape_key;
  const bool joinable = batch_limit(m.policy) > 1 && !slab_[first].alone;
  take(first);
  const uint32_t limit = std::max(take_rows, b.rows);
  uint32_t passed = 0;
  bool full = !joinable || b.rows >= limit;
  for (size_t level = 0; !full && level < m.levels.size(); ++level) {
    for (uint32_t at = m.levels[level].list.head; !full && at != kNil;) {
      const TicketEntry& e = slab_[at];
      const uint32_t next = e.next;
      if (e.ticket.shape_key != shape || e.alone) {
        full = ++passed > kLookAhead;
      } else if (b.rows + e.ticket.rows > limit) {
        full = true;  // a smaller one further back must not overtake it
      } else {
        take(at);
        full = b.rows >= limit;
      }
      at = next;
    }
  }
  m.bound += b.left;
  w.requests += b.left;
  w.order[w.batches++] = slot;
  set_room(worker);
  fresh_.set(worker, room_.has(worker));
  orders.send.push_back({.worker = w.id, .model = m.id, .id = b.id, .rows = b.rows});
  sizes_.push_back(b.left);
}

void LateBinding::expire(TimePoint now) {
  while (!expiry_.empty() && slab_[expiry_.top()].expires <= now) {
    const uint32_t at = expiry_.top();
    const TicketEntry& e = slab_[at];
    const bool finish = e.ticket.deadline != kNever && e.expires <= e.ticket.deadline &&
                        e.expires != e.ticket.queue_deadline;
    refuse(
        at, Code::kDeadlineExceeded,
        fmt::format("the request to {} waited {:.1f} ms for a worker, and {}",
                    name_of(models_[e.model]), ms(now - e.arrived),
                    finish ? "can no longer be finished by its deadline" : "may not wait longer"));
  }
}

void LateBinding::end_rests(TimePoint now, Orders& orders) {
  for (size_t i = 0; i < resting_.size();) {
    WorkerState& w = workers_[resting_[i]];
    if (w.rests_until > now) {
      orders.wake_at = std::min(orders.wake_at, w.rests_until);
      ++i;
      continue;
    }
    w.resting = false;
    set_room(resting_[i]);
    resting_[i] = resting_.back();
    resting_.pop_back();
  }
}

void LateBinding::poll(TimePoint now, Orders& orders) {
  orders.send.clear();
  orders.refuse.clear();
  orders.ids.clear();
  orders.wake_at = kNever;
  sizes_.clear();
  fresh_.clear();
  expire(now);
  TimePoint rests_end = kNever;
  if (!resting_.empty()) {
    end_rests(now, orders);
    rests_end = orders.wake_at;
  }
  for (;;) {
    // Between models that could all have a worker, the oldest request goes first.
    uint32_t model = kNil;
    Chance best;
    TimePoint again = kNever;
    for (const uint32_t candidate : active_) {
      const Chance c = chance(now, candidate);
      again = std::min(again, c.again);
      if (c.worker == kNil) continue;
      if (model != kNil && slab_[models_[model].head()].seq <= slab_[models_[candidate].head()].seq)
        continue;
      model = candidate;
      best = c;
    }
    if (model == kNil) {
      orders.wake_at = std::min(rests_end, again);
      break;
    }
    bind(now, model, best.worker, best.take_rows, orders);
  }
  if (!expiry_.empty()) orders.wake_at = std::min(orders.wake_at, slab_[expiry_.top()].expires);
  size_t begin = 0;
  for (size_t i = 0; i < orders.send.size(); begin += sizes_[i++])
    orders.send[i].requests = {orders.ids.data() + begin, sizes_[i]};
  orders.refuse.swap(refused_);
}

// ---- Expectations
// --------------------------------------------------------------------------------------------------------------

size_t LateBinding::waiting(ModelId id) const {
  const uint32_t index = models_by_id_.find(id);
  return index == IdMap::kNone ? 0 : models_[index].waiting;
}

uint32_t LateBinding::rows_before(const ModelState& m, uint32_t priority) const {
  if (m.levels.size() == 1) return m.waiting_rows;
  uint32_t rows = 0;
  for (size_t l = 0; l < m.levels.size() && l < priority; ++l) rows += m.levels[l].rows;
  return rows;
}

Duration LateBinding::fastest_of_last() const {
  Duration least = Duration::max();
  for (const WorkerLoad& load : loads_) least = std::min(least, load.service);
  return least;
}

std::optional<Duration> LateBinding::expected(TimePoint now, uint32_t model, uint32_t rows,
                                              uint32_t rows_ahead) const {
  const ModelState& m = models_[model];
  const uint32_t limit = batch_limit(m.policy);
  const uint32_t usual = std::clamp(rows_ahead + rows, rows, std::max(limit, rows));
  loads_.clear();
  WorkerSet::each(m.serves, m.serves, [&](uint32_t worker) {
    const WorkerState& w = workers_[worker];
    const auto own = estimate(worker, model, rows);
    const auto batch = estimate(worker, model, usual);
    if (w.draining || !own || !batch) return;
    WorkerLoad load;
    load.service = own->mean;
    load.rows_per_ns = usual / std::max(1.0, static_cast<double>(batch->mean.count()));
    for (uint32_t i = 0; i < w.batches; ++i) {
      const BatchState& b = w.slots[w.order[i]];
      const auto bound = estimate(worker, b.model, b.rows);
      if (!bound) continue;
      // What has run already counts for the first batch only; an overdue one is expected any
      // moment.
      const Duration ran = i == 0 ? Duration(now - b.began) : Duration{0};
      load.busy += std::max(Duration{0}, bound->mean - ran);
    }
    loads_.push_back(load);
  });
  return expected_completion(loads_, rows_ahead);
}

std::optional<Duration> LateBinding::expected_wait(TimePoint now, ModelId id, uint32_t rows) const {
  const uint32_t index = models_by_id_.find(id);
  if (index == IdMap::kNone) return std::nullopt;
  return expected(now, index, std::max(rows, 1U), models_[index].waiting_rows);
}

}  // namespace

std::unique_ptr<Dispatcher> make_dispatcher(const DispatcherOptions& options) {
  return std::make_unique<LateBinding>(options);
}

}  // namespace corolla::front
