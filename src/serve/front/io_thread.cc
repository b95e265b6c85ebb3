#include "serve/front/io_thread.h"

#include <sys/epoll.h>

#include <algorithm>

#include "base/log.h"

namespace corolla::front {
namespace {

Call* call_of(wire::Exchange& exchange) { return static_cast<Call*>(exchange.user); }

}  // namespace

Result<std::unique_ptr<IoThread>> IoThread::create(uint16_t index, Router router) {
  ASSIGN_OR_RETURN(auto loop, wire::EventLoop::create());
  ASSIGN_OR_RETURN(auto doorbell, link::create_doorbell());
  std::unique_ptr<IoThread> made(
      new IoThread(index, std::move(router), std::move(loop), std::move(doorbell)));
  RETURN_IF_ERROR(made->loop_->watch(made->doorbell_.get(), EPOLLIN, *made));
  return made;
}

IoThread::IoThread(uint16_t index, Router router, std::unique_ptr<wire::EventLoop> loop,
                   Fd doorbell)
    : index_(index),
      router_(std::move(router)),
      loop_(std::move(loop)),
      doorbell_(std::move(doorbell)),
      slab_(index),
      completions_(64) {
  loop_->set_hooks([this] { return before_wait(); }, [this] { after_wait(); });
}

IoThread::~IoThread() { loop_->unwatch(doorbell_.get()); }

void IoThread::run() { loop_->run(); }

void IoThread::on_events(uint32_t) { link::clear_doorbell(doorbell_.get()); }

void IoThread::refresh_workers() {
  const uint64_t version = shared_->switchboard.workers_version();
  if (version == workers_version_) return;
  workers_version_ = version;
  workers_ = shared_->switchboard.workers();
}

bool IoThread::before_wait() {
  if (!shared_) return true;
  ended_.clear();
  if (read_completions()) return false;
  for (const auto& worker : *workers_)
    if (!worker->broken && !worker->completions(index_).prepare_sleep()) {
      after_wait();
      return false;
    }
  // A worker that joined meanwhile does not know that we sleep: look once more next time round.
  if (shared_->switchboard.workers_version() != workers_version_) {
    after_wait();
    return false;
  }
  asleep_ = true;
  return true;
}

void IoThread::after_wait() {
  asleep_ = false;
  for (const auto& worker : *workers_) worker->completions(index_).woke();
}

bool IoThread::read_completions() {
  refresh_workers();
  arrivals_.clear();
  for (const auto& worker : *workers_) {
    if (worker->broken) continue;
    for (;;) {
      const auto count = worker->completions(index_).read(completions_);
      if (!count) {
        log::error("worker_broken", {{"worker", worker->id}, {"why", count.error().what}});
        worker->broken = true;
        break;
      }
      for (size_t i = 0; i < *count; ++i) arrivals_.push_back({worker, completions_[i], nullptr});
      if (*count < completions_.size()) break;
    }
  }
  if (arrivals_.empty()) return false;
  shared_->switchboard.collect(now(), arrivals_);
  auto& statistics = shared_->statistics;
  for (const auto& arrival : arrivals_) {
    if (!arrival.task) continue;
    const auto& completion = arrival.completion;
    const auto tenths = [](uint32_t us10) { return Duration(int64_t{us10} * 100); };
    if (completion.last)
      statistics.executed(statistics_row(*arrival.task->model, *arrival.worker),
                          completion.batch_rows, tenths(completion.input_us10),
                          tenths(completion.infer_us10), tenths(completion.output_us10));
    if (arrival.task->exchange) {
      call_of(*arrival.task->exchange)->completed(*arrival.task, arrival);
    } else {
      statistics.wasted(statistics_row(*arrival.task->model, *arrival.worker),
                        tenths(completion.infer_us10));
      arrival.worker->free_reply(arrival.task->dispatch.reply);
      finish(*arrival.task);
    }
  }
  return true;
}

Statistics::Row& IoThread::statistics_row(const ServedModel& model, const WorkerLink& worker) {
  auto& row = rows_[{model.statistics, worker.id}];
  if (!row) row = &shared_->statistics.row(*model.statistics, worker.slice.id());
  return *row;
}

void IoThread::deliver(RequestId request, Error why) {
  loop_->post([this, request, why = std::move(why)] {
    InferTask* task = slab_.find(request);
    if (!task) return;
    if (task->exchange)
      call_of(*task->exchange)->refused(*task, why);
    else
      finish(*task);
  });
}

void IoThread::wake_slot_waiters() {
  if (slot_wake_posted_.exchange(true)) return;
  loop_->post([this] {
    slot_wake_posted_ = false;
    serve_slot_waiters();
  });
}

void IoThread::serve_slot_waiters() {
  while (!slot_waiters_.empty()) {
    if (!slot_waiters_.front()->slot_freed()) return;
    slot_waiters_.pop_front();
  }
  shared_->slots.waiting(index_, false);
}

void IoThread::wait_for_slot(Call& call) {
  if (std::ranges::find(slot_waiters_, &call) != slot_waiters_.end()) return;
  slot_waiters_.push_back(&call);
  shared_->slots.waiting(index_, true);
  // One may have been freed between the failed attempt and the line above.
  wake_slot_waiters();
}

void IoThread::forget_waiter(Call& call) { std::erase(slot_waiters_, &call); }

void IoThread::end(Call& call) {
  forget_waiter(call);
  ended_.emplace_back(&call);
}

Status IoThread::submit(InferTask& task) { return shared_->switchboard.submit(now(), task); }

void IoThread::abandon(InferTask& task) {
  task.exchange = nullptr;
  // A collected task is handled later in the same round of completions.
  if (!task.collected && shared_->switchboard.cancel(task)) finish(task);
}

void IoThread::finish(InferTask& task) {
  if (task.slot) {
    shared_->slots.free(*task.slot);
    task.slot.reset();
  }
  task.shm_regions.clear();
  slab_.destroy(task);
}

void IoThread::on_head(wire::Exchange& exchange) {
  exchange.user = nullptr;
  if (auto call = router_(*this, exchange)) exchange.user = call.release();
}

wire::BodySink* IoThread::on_message(wire::Exchange& exchange, std::optional<size_t> length) {
  Call* call = call_of(exchange);
  return call ? call->message(length) : nullptr;
}

void IoThread::on_message_end(wire::Exchange& exchange) {
  if (Call* call = call_of(exchange)) call->message_end();
}

void IoThread::on_cancel(wire::Exchange& exchange) {
  if (Call* call = call_of(exchange)) {
    exchange.user = nullptr;
    call->cancelled();
    end(*call);
  }
}

void IoThread::on_half_close(wire::Exchange& exchange) {
  if (Call* call = call_of(exchange)) call->half_close();
}

}  // namespace corolla::front
