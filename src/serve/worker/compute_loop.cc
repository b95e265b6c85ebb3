#include "serve/worker/compute_loop.h"

#include <poll.h>

#include "base/log.h"

namespace corolla::worker {

ComputeLoop::ComputeLoop(engine::Engine& engine, ModelTable& models, ComputeOptions options)
    : engine_(engine),
      models_(models),
      options_(std::move(options)),
      depth_(engine.depth()),
      wake_(*link::create_doorbell()),
      thread_([this] { run(); }) {}

ComputeLoop::~ComputeLoop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  link::ring_doorbell(wake_.get());
  thread_.join();
}

void ComputeLoop::attach(std::shared_ptr<FrontLink> front) {
  {
    std::lock_guard lock(mutex_);
    ordered_ = true;
    order_ = std::move(front);
  }
  link::ring_doorbell(wake_.get());
}

bool ComputeLoop::take_orders() {
  std::shared_ptr<FrontLink> front;
  {
    std::lock_guard lock(mutex_);
    std::swap(answering_, finished_);
    if (stop_) return false;
    if (!ordered_) return true;
    ordered_ = false;
    front = std::move(order_);
  }
  session_ = front ? std::make_shared<Session>(std::move(front)) : nullptr;
  return true;
}

void ComputeLoop::answer_finished() {
  for (Finished& done : answering_) {
    --under_way_;
    done.batch->complete(done.status, done.timing);
    done.batch->session().completions.publish();
    const Status status = done.status;
    done.batch.reset();
    if (!status.ok()) options_.engine_broken(status.error());
  }
  answering_.clear();
}

void ComputeLoop::start(std::span<const link::SubmitEntry> entries) {
  auto batch = std::make_unique<Batch>(session_, entries, models_, to_ns(now()));
  ++under_way_;
  if (batch->runnable().empty()) {
    answering_.push_back({std::move(batch), ok(), {}});
    answer_finished();
    return;
  }
  Batch& running = *batch;
  engine_.submit(running.model(), running.runnable(),
                 [this, owned = std::make_shared<std::unique_ptr<Batch>>(std::move(batch))](
                     Status status, const engine::Timing& timing) {
                   {
                     std::lock_guard lock(mutex_);
                     finished_.push_back({std::move(*owned), std::move(status), timing});
                   }
                   if (std::this_thread::get_id() != thread_.get_id())
                     link::ring_doorbell(wake_.get());
                 });
}

void ComputeLoop::wait(bool watch_ring) {
  if (watch_ring) {
    for (const TimePoint until = now() + options_.spin; options_.spin.count() > 0 && now() < until;)
      if (session_->submit.looks_ready()) return;
    if (!session_->submit.prepare_sleep()) return;
  }
  pollfd watched[2] = {{wake_.get(), POLLIN, 0},
                       {watch_ring ? session_->front->doorbell.get() : -1, POLLIN, 0}};
  (void)::poll(watched, watch_ring ? 2 : 1, -1);
  if (watched[0].revents) link::clear_doorbell(wake_.get());
  if (watch_ring) {
    session_->submit.woke();
    if (watched[1].revents) link::clear_doorbell(session_->front->doorbell.get());
  }
}

void ComputeLoop::run() {
  for (;;) {
    const bool go_on = take_orders();
    answer_finished();
    if (!go_on && under_way_ == 0) return;
    const bool room = go_on && session_ && under_way_ < depth_;
    if (room) {
      auto entries = session_->submit.take();
      if (!entries.ok()) {
        session_.reset();
        options_.front_broken(entries.error());
        continue;
      }
      if (!entries->empty()) {
        start(*entries);
        continue;
      }
    }
    wait(room);
  }
}

}  // namespace corolla::worker
