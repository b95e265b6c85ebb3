#include "wire/connection.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace corolla::wire {

ConnectionSet::ConnectionSet(EventLoop& loop, Handler& handler, const TransportLimits& limits)
    : loop_(loop), handler_(handler), limits_(limits) {
  const Duration shortest = std::min(
      {limits.header_timeout, limits.body_timeout, limits.idle_timeout, limits.write_timeout});
  sweep_every_ =
      std::clamp<Duration>(shortest / 4, std::chrono::milliseconds(5), std::chrono::seconds(1));
}

ConnectionSet::~ConnectionSet() {
  *alive_ = false;
  if (sweep_timer_ != 0) loop_.cancel(sweep_timer_);
}

void ConnectionSet::add(std::unique_ptr<Connection> connection) {
  reserve();
  add_reserved(std::move(connection));
}

void ConnectionSet::add_reserved(std::unique_ptr<Connection> connection) {
  Connection& added = *connection;
  added.place_ = connections_.size();
  connections_.push_back(std::move(connection));
  if (sweep_timer_ == 0) sweep_timer_ = loop_.at(loop_.now() + sweep_every_, [this] { sweep(); });
  added.start();
  // start() may have closed it; the dead are deleted only later, so its place can still be asked
  // for.
  if (draining_ && added.place_ != SIZE_MAX) added.drain();
}

void ConnectionSet::remove(Connection& connection) {
  const size_t place = std::exchange(connection.place_, SIZE_MAX);
  CHECK(place < connections_.size() && connections_[place].get() == &connection);
  if (dead_.empty())
    loop_.post([this, alive = alive_] {
      if (*alive) bury();
    });
  dead_.push_back(std::move(connections_[place]));
  if (place + 1 != connections_.size()) {
    connections_[place] = std::move(connections_.back());
    connections_[place]->place_ = place;
  }
  connections_.pop_back();
  open_.fetch_sub(1, std::memory_order_relaxed);
}

void ConnectionSet::replace(Connection& old, std::unique_ptr<Connection> next) {
  remove(old);
  add(std::move(next));
}

void ConnectionSet::drain(std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  // A drained connection leaves the vector, and the last one takes its place: going backwards meets
  // each once.
  for (size_t i = connections_.size(); i-- > 0;)
    if (i < connections_.size()) connections_[i]->drain();
  loop_.post([this, alive = alive_] {
    if (*alive) bury();
  });
}

void ConnectionSet::abort_all() {
  for (size_t i = connections_.size(); i-- > 0;)
    if (i < connections_.size()) connections_[i]->abort();
}

void ConnectionSet::sweep() {
  sweep_timer_ = 0;
  if (connections_.empty()) return;  // an idle process sleeps; the next add() sets the timer again
  for (size_t i = connections_.size(); i-- > 0;)
    if (i < connections_.size()) connections_[i]->sweep(loop_.now());
  sweep_timer_ = loop_.at(loop_.now() + sweep_every_, [this] { sweep(); });
}

void ConnectionSet::bury() {
  // Destructors may close further connections of the set.
  const auto dead = std::exchange(dead_, {});
  if (draining_ && connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

}  // namespace corolla::wire
