#include "serve/front/dispatcher.h"

#include "serve/front/late_binding.h"

namespace corolla::front {
namespace {

// A worker's own pace against its kind's is learnt this fast.
constexpr float kPaceWeight = 1.0F / 16;

double ms(Duration d) { return to_seconds(d) * 1e3; }

}  // namespace

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
  // Lists that are no longer wanted stay: what waits in them keeps its place.
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
    const bool late = ticket.deadline <= now || (done && now + *done > ticket.deadline);
    // What was measured long ago may no longer be true, and refusing everything would never show
    // it: now and then, when the model has nothing else to do, one is let through.
    const bool probe =
        late && ticket.deadline > now && m.bound == 0 && m.waiting == 0 && now >= m.probe_at;
    if (late && !probe)
      return Error{
          Code::kDeadlineExceeded,
          fmt::format("a request to {} offered now would take {:.1f} ms and is allowed {:.1f} ms; "
                      "allow more time or lower the load",
                      name_of(m), done ? ms(*done) : 0.0,
                      ms(std::max(Duration{0}, Duration(ticket.deadline - now))))};
    if (probe) m.probe_at = now + options_.probe_after;
    // Once it can no longer be done in time, even at the fastest worker, binding it would be wasted
    // work.
    if (done && !probe) expires = std::min(expires, ticket.deadline - fastest_of_last());
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
  e.level = std::min<uint32_t>(e.priority - 1, static_cast<uint32_t>(m.levels.size()) - 1);
  Level& level = m.levels[e.level];
  if (back)
    level.list.insert_from_head(slab_, at);
  else
    level.list.insert_from_tail(slab_, at);
  level.rows += e.ticket.rows;
  m.filled |= uint64_t{1} << e.level;
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
  Level& level = m.levels[e.level];
  level.list.remove(slab_, at);
  level.rows -= e.ticket.rows;
  if (level.list.empty()) m.filled &= ~(uint64_t{1} << e.level);
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
  // It was started in time; that its worker died must not make it late.
  if (worker_lost) e.expires = e.ticket.deadline;
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

void LateBinding::joined(TimePoint now, WorkerId id, const std::string& kind, uint32_t lanes) {
  CHECK(workers_by_id_.find(id) == IdMap::kNone, "a worker joined twice");
  uint32_t index = 0;
  while (index < workers_.size() && workers_[index].live) ++index;
  if (index == workers_.size()) workers_.emplace_back();
  WorkerState& w = workers_[index];
  w = WorkerState{};
  w.id = id;
  w.live = true;
  w.kind = times_.kind(kind);
  w.lanes = std::clamp(lanes, 1U, kMostLanes);
  wide_.set(index, w.lanes > 1);
  w.idle_since = now;
  workers_by_id_.add(id, index);
  set_room(index);
}

void LateBinding::serves(TimePoint, WorkerId id, ModelId model, bool yes) {
  const uint32_t worker = workers_by_id_.find(id);
  const uint32_t index = models_by_id_.find(model);
  if (worker == IdMap::kNone || index == IdMap::kNone) return;
  ++changes_;
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
  ++changes_;
  const WorkerState& w = workers_[worker];
  const bool may = w.live && !w.draining && !w.resting;
  idle_.set(worker, may && w.batches < w.lanes);
  room_.set(worker, may && w.batches < w.lanes - 1 + options_.batches_per_worker);
}

void LateBinding::unbind(TimePoint now, uint32_t at, bool measured) {
  TicketEntry& e = slab_[at];
  WorkerState& w = workers_[e.worker];
  const uint32_t worker = e.worker;
  BatchState& b = w.slots[e.batch];
  b.tickets.remove(slab_, at);
  b.returned |= !measured;
  --w.requests;
  --models_[e.model].bound;
  e.worker = kNil;
  if (--b.left > 0) return;

  const auto place = std::find(w.order.begin(), w.order.begin() + w.batches, e.batch);
  const bool ran = place < w.order.begin() + w.lanes;
  std::copy(place + 1, w.order.begin() + w.batches, place);
  --w.batches;
  const Duration took = now - b.began;
  // What ended in the instant it was bound never ran.
  if (!b.returned && took.count() > 0) {
    if (const auto usual = times_.estimate(w.kind, b.model, b.rows);
        usual && usual->samples > 0 && usual->mean.count() > 0) {
      const float pace = std::clamp(
          static_cast<float>(took.count()) / static_cast<float>(usual->mean.count()), 0.25F, 4.0F);
      w.slowness += kPaceWeight * (pace - w.slowness);
    }
    times_.record(w.kind, b.model, b.rows, took);
    models_[b.model].probe_at = now + options_.probe_after;
  }
  // The first that was staged could begin when this one ended.
  if (ran && w.batches >= w.lanes) {
    BatchState& next = w.slots[w.order[w.lanes - 1]];
    next.began = std::max(next.began, now);
  }
  if (w.batches < w.lanes) w.idle_since = now;
  set_room(worker);
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
  // Once may be an accident of this request; again, and the two would go round in circles.
  if (slab_[at].returns++ > 0) {
    w.rests_until = now + options_.give_back_rest;
    if (!w.resting) resting_.push_back(worker);
    w.resting = true;
    set_room(worker);
  }
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

std::unique_ptr<Dispatcher> make_dispatcher(const DispatcherOptions& options) {
  return std::make_unique<LateBinding>(options);
}

}  // namespace corolla::front
