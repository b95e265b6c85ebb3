// Who gets what, and when: shares, staging, expiry, and what is to be expected.
#include "serve/front/late_binding.h"

namespace corolla::front {
namespace {

// How far a batch looks past tickets of other shapes for more of its own.
constexpr uint32_t kLookAhead = 64;

double ms(Duration d) { return to_seconds(d) * 1e3; }

}  // namespace

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

// Who may take a share of what waits. Those that got a batch in this very poll have had theirs. A
// worker of several lanes counts for each of them, busy ones too: they will be back for their
// share.
uint32_t LateBinding::with_room(const ModelState& m) const {
  uint32_t takers = WorkerSet::count(room_, m.serves) - WorkerSet::count(fresh_, m.serves);
  if (!wide_.any()) return takers;
  WorkerSet::each(wide_, m.serves, [&](uint32_t worker) {
    if (!room_.has(worker)) return;
    const WorkerState& w = workers_[worker];
    if (!fresh_.has(worker)) --takers;  // counted once above
    takers += w.lanes - std::min(w.lanes, w.fresh_poll == polls_ ? w.fresh : 0);
  });
  return takers;
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
    // Rather a small batch than a head that expires while it waits for company.
    constexpr Duration kBeforeExpiry = std::chrono::microseconds(200);
    const TimePoint until =
        std::min(oldest + p.max_queue_delay, slab_[m.head()].expires - kBeforeExpiry);
    if (now < until) {
      again = std::min(again, until);
      return 0;
    }
    return std::min(limit, m.waiting_rows);
  }
  const uint32_t takers = std::max(1U, with_room(m));
  const uint32_t share = std::min(limit, (m.waiting_rows + takers - 1) / takers);
  for (const uint32_t size : p.preferred)
    if (size >= share && size <= m.waiting_rows && size <= limit) return size;
  return share;
}

LateBinding::Chance LateBinding::chance(TimePoint now, uint32_t model) {
  Chance c;
  ModelState& m = models_[model];
  const bool idle = WorkerSet::count(idle_, m.serves) > 0;
  if (!idle && WorkerSet::count(room_, m.serves) == 0) return c;
  c.take_rows = rows_to_take(now, m, c.again);
  if (c.take_rows == 0) return c;
  if (idle) {
    c.worker = pick_idle(model, c.take_rows);
    return c;
  }
  // Most polls follow the arrival of one more request while nothing has changed at the workers.
  if (m.no_stage_change == changes_ && now < m.no_stage_until) {
    c.again = std::min(c.again, m.no_stage_until);
    return c;
  }
  // All are busy: stage where the running batch ends soonest, but only shortly before it ends. A
  // worker that is overdue gets nothing: it may have stalled, and what is staged there could not be
  // taken back.
  TimePoint soonest = kNever, window = kNever;
  WorkerSet::each(room_, m.serves, [&](uint32_t worker) {
    const WorkerState& w = workers_[worker];
    for (uint32_t i = 0; i < std::min(w.lanes, w.batches); ++i) {
      const BatchState& running = w.slots[w.order[i]];
      TimePoint end = running.began;
      if (const auto e = estimate(worker, running.model, running.rows)) {
        const Duration lead = options_.stage_lead + e->mean / 8;
        end += e->mean;
        if (now < end - lead) {
          window = std::min(window, end - lead);
          continue;
        }
        if (now > end + std::max(lead, e->mean / 4)) continue;
      }
      if (end < soonest) {
        soonest = end;
        c.worker = worker;
      }
    }
  });
  c.again = std::min(c.again, window);
  if (c.worker == kNil) {
    m.no_stage_change = changes_;
    m.no_stage_until = window;
  }
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
  w.fresh = w.fresh_poll == polls_ ? w.fresh + 1 : 1;
  w.fresh_poll = polls_;
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
  ++polls_;
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
    const size_t first = loads_.size();
    loads_.resize(first + w.lanes, load);  // each lane is a worker of its own here
    for (uint32_t i = 0; i < w.batches; ++i) {
      const BatchState& b = w.slots[w.order[i]];
      const auto bound = estimate(worker, b.model, b.rows);
      if (!bound) continue;
      // What has run already counts for the batches that run only; an overdue one is expected any
      // moment.
      const Duration ran = i < w.lanes ? Duration(now - b.began) : Duration{0};
      loads_[first + i % w.lanes].busy += std::max(Duration{0}, bound->mean - ran);
    }
  });
  return expected_completion(loads_, rows_ahead);
}

std::optional<Duration> LateBinding::expected_wait(TimePoint now, ModelId id, uint32_t rows) const {
  const uint32_t index = models_by_id_.find(id);
  if (index == IdMap::kNone) return std::nullopt;
  return expected(now, index, std::max(rows, 1U), models_[index].waiting_rows);
}

}  // namespace corolla::front
