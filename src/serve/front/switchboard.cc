#include "serve/front/switchboard.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"

namespace corolla::front {
namespace {

constexpr uint64_t kFirstGuess = 64 << 10;  // reply bytes a row where output shapes are open

}  // namespace

Switchboard::Switchboard(const DispatcherOptions& options, std::vector<TaskSlab*> slabs,
                         std::vector<Deliver> deliver, Alarm alarm)
    : dispatcher_(make_dispatcher(options)),
      slabs_(std::move(slabs)),
      deliver_(std::move(deliver)),
      alarm_(std::move(alarm)) {}

Status Switchboard::submit(TimePoint now, InferTask& task) {
  Outbox out;
  {
    std::lock_guard lock(mutex_);
    Ticket ticket;
    ticket.id = task.id;
    ticket.model = task.model->id;
    ticket.rows = task.checked.rows;
    ticket.shape_key = task.checked.shape_key;
    ticket.priority = static_cast<uint32_t>(std::min<uint64_t>(task.request.priority, UINT32_MAX));
    if (const auto limit = task.exchange->timeout()) ticket.deadline = task.arrived + *limit;
    if (task.request.timeout_us > 0 && task.request.timeout_us < uint64_t{1} << 50)
      ticket.queue_deadline = task.arrived + std::chrono::microseconds(task.request.timeout_us);
    // Before offer(): the dispatcher may bind it in the very poll below.
    task.dispatch = {};
    if (auto status = dispatcher_->offer(now, ticket); !status) return std::move(status).error();
    task.dispatch.waiting = true;
    task.queued = now;
    ++in_play_;
    poll_and_bind(now, out);
  }
  flush(out);
  return ok();
}

bool Switchboard::cancel(InferTask& task) {
  std::lock_guard lock(mutex_);
  if (!task.dispatch.waiting) return true;
  if (!dispatcher_->cancel(task.id)) return false;
  task.dispatch = {};
  --in_play_;
  return true;
}

void Switchboard::collect(TimePoint now, std::vector<Arrival>& arrivals) {
  Outbox out;
  {
    std::lock_guard lock(mutex_);
    for (auto& arrival : arrivals) {
      const auto& completion = arrival.completion;
      InferTask* task = find(completion.request);
      // Stale: the worker was lost and another has, or had, this request.
      if (!task || arrival.worker->gone || task->dispatch.worker != arrival.worker ||
          task->dispatch.batch != completion.batch)
        continue;
      arrival.worker->last_progress = now;
      arrival.worker->outstanding.erase(task->id);
      ++arrival.worker->completed;
      if (completion.last)
        arrival.worker->busy += Duration(
            (int64_t{completion.input_us10} + completion.infer_us10 + completion.output_us10) *
            100);
      // Neither is the client's business: the reply needs more room, or the worker let go of the
      // model with the request already in its ring.
      const bool too_small = completion.outcome == link::Outcome::kReplyTooSmall;
      const bool unloaded = completion.outcome == link::Outcome::kUnknownModel;
      if ((too_small || unloaded) && task->dispatch.tries < 8) {
        if (too_small) {
          auto& learnt = learnt_reply_bytes_[task->model->id];
          learnt =
              std::max(learnt, completion.bytes / std::max<uint32_t>(1, task->checked.rows) + 1);
        }
        const uint32_t tries = task->dispatch.tries;
        unbind(*task);
        task->dispatch.tries = tries;
        if (too_small) task->dispatch.reply_wanted = completion.bytes;
        dispatcher_->give_back(now, arrival.worker->id, task->id);
        continue;
      }
      dispatcher_->finished(now, arrival.worker->id, task->id);
      task->dispatch.waiting = false;
      --in_play_;
      if (!task->exchange) ++counters_.wasted;
      task->collected = true;
      arrival.task = task;
    }
    poll_and_bind(now, out);
  }
  flush(out);
}

void Switchboard::poll_and_bind(TimePoint now, Outbox& out) {
  dispatcher_->poll(now, orders_);
  Orders& orders = orders_;
  for (const auto& batch : orders.send) bind(now, batch, out);
  for (auto& refusal : orders.refuse) {
    if (InferTask* task = find(refusal.request)) {
      unbind(*task);
      task->dispatch.waiting = false;
      --in_play_;
    }
    out.refusals.push_back(std::move(refusal));
  }
  if (orders.wake_at < alarm_at_) {
    alarm_at_ = orders.wake_at;
    out.wake_at = orders.wake_at;
  }
}

uint64_t Switchboard::reply_bytes_for(const InferTask& task) const {
  uint64_t row = task.model->reply_row_bytes;
  if (row == 0) {
    const auto learnt = learnt_reply_bytes_.find(task.model->id);
    row = learnt == learnt_reply_bytes_.end() ? kFirstGuess : learnt->second;
  }
  const uint64_t slack = link::kTableBytes + link::kMaxTensors * link::kTensorAlign;
  return std::max(row * task.checked.rows + slack, task.dispatch.reply_wanted);
}

void Switchboard::bind(TimePoint now, const Batch& batch, Outbox& out) {
  WorkerLink* found = find_worker(batch.worker);
  CHECK(found, "the dispatcher named a worker that has not joined");
  auto worker = *std::ranges::find(links_, found, &std::shared_ptr<WorkerLink>::get);
  entries_.clear();
  std::optional<Error> problem;
  for (const RequestId id : batch.requests) {
    InferTask* task = find(id);
    CHECK(task && task->slot, "the dispatcher named a request that has ended");
    const uint64_t capacity = reply_bytes_for(*task);
    const auto reply = worker->allocate_reply(capacity);
    if (!reply) {
      problem = Error{Code::kOverloaded,
                      "worker " + std::to_string(worker->id) + " has no room for a reply of " +
                          std::to_string(capacity) + " bytes: clients that read slowly hold it"};
      break;
    }
    task->dispatch.worker = worker;
    task->dispatch.batch = batch.id;
    task->dispatch.reply = *reply;
    task->dispatch.reply_capacity = capacity;
    task->dispatch.bound = now;
    ++task->dispatch.tries;
    entries_.push_back({.request = id,
                        .slot = *task->slot,
                        .reply = link::kReplyDataOffset + *reply,
                        .reply_capacity = capacity,
                        .batch = batch.id,
                        .model = batch.model,
                        .batch_size = static_cast<uint16_t>(batch.requests.size()),
                        .io_thread = task->thread,
                        .outputs_wanted = task->checked.outputs_wanted,
                        .unused = 0});
  }
  if (!problem) {
    if (auto pushed = worker->submit(entries_); !pushed) problem = std::move(pushed).error();
  }
  if (problem) {
    for (const RequestId id : batch.requests) {
      InferTask* task = find(id);
      unbind(*task);
      task->dispatch.waiting = false;
      --in_play_;
      dispatcher_->finished(now, batch.worker, id);
      out.refusals.push_back({id, *problem});
    }
    return;
  }
  if (worker->outstanding.empty()) worker->last_progress = now;
  worker->outstanding.insert(batch.requests.begin(), batch.requests.end());
}

void Switchboard::unbind(InferTask& task) {
  auto& dispatch = task.dispatch;
  if (!dispatch.worker) return;
  dispatch.worker->free_reply(dispatch.reply);
  dispatch.worker->outstanding.erase(task.id);
  dispatch.worker.reset();
  dispatch.reply = dispatch.batch = 0;
}

std::vector<std::shared_ptr<WorkerLink>> Switchboard::tick(TimePoint now, Duration hang_limit) {
  Outbox out;
  std::vector<std::shared_ptr<WorkerLink>> hung;
  {
    std::lock_guard lock(mutex_);
    alarm_at_ = kNever;
    for (const auto& link : links_)
      if (!link->outstanding.empty() && now - link->last_progress > hang_limit)
        hung.push_back(link);
    poll_and_bind(now, out);
  }
  flush(out);
  return hung;
}

void Switchboard::set_model(ModelId model, const ModelPolicy& policy) {
  std::lock_guard lock(mutex_);
  dispatcher_->set_model(model, policy);
}

void Switchboard::remove_model(TimePoint now, ModelId model) {
  Outbox out;
  {
    std::lock_guard lock(mutex_);
    dispatcher_->remove_model(model);
    learnt_reply_bytes_.erase(model);
    poll_and_bind(now, out);
  }
  flush(out);
}

void Switchboard::joined(TimePoint now, std::shared_ptr<WorkerLink> worker) {
  std::lock_guard lock(mutex_);
  dispatcher_->joined(now, worker->id, worker->kind, worker->lanes);
  worker->last_progress = now;
  ++joined_by_slice_[worker->slice.id()];
  links_.push_back(std::move(worker));
  publish_workers();
}

void Switchboard::serves(TimePoint now, WorkerId worker, ModelId model, bool yes) {
  Outbox out;
  {
    std::lock_guard lock(mutex_);
    if (!find_worker(worker)) return;
    dispatcher_->serves(now, worker, model, yes);
    poll_and_bind(now, out);
  }
  flush(out);
}

void Switchboard::drain(TimePoint now, WorkerId worker) {
  Outbox out;
  {
    std::lock_guard lock(mutex_);
    if (!find_worker(worker)) return;
    dispatcher_->drain(worker);
    poll_and_bind(now, out);
  }
  flush(out);
}

size_t Switchboard::outstanding(WorkerId worker) const {
  std::lock_guard lock(mutex_);
  const WorkerLink* link = find_worker(worker);
  return link ? link->outstanding.size() : 0;
}

size_t Switchboard::outstanding() const {
  std::lock_guard lock(mutex_);
  return in_play_;
}

std::vector<std::shared_ptr<const ServedModel>> Switchboard::lost(TimePoint now, WorkerId worker) {
  Outbox out;
  std::vector<std::shared_ptr<const ServedModel>> held;
  {
    std::lock_guard lock(mutex_);
    WorkerLink* link = find_worker(worker);
    if (!link) return held;
    link->gone = true;
    ++counters_.workers_lost;
    for (const RequestId id : std::set(link->outstanding))
      if (InferTask* task = find(id)) {
        held.push_back(task->model);
        const uint32_t tries = task->dispatch.tries;
        unbind(*task);
        task->dispatch.tries = tries;
      }
    counters_.retries += held.size();
    dispatcher_->lost(now, worker);
    std::erase_if(links_, [worker](const auto& each) { return each->id == worker; });
    publish_workers();
    poll_and_bind(now, out);
  }
  flush(out);
  return held;
}

void Switchboard::set_hopeless(TimePoint now, ModelId model, const std::string& why) {
  Outbox out;
  {
    std::lock_guard lock(mutex_);
    dispatcher_->set_hopeless(model, why);
    poll_and_bind(now, out);
  }
  flush(out);
}

size_t Switchboard::waiting(ModelId model) const {
  std::lock_guard lock(mutex_);
  return dispatcher_->waiting(model);
}

std::optional<Duration> Switchboard::expected_wait(TimePoint now, ModelId model,
                                                   uint32_t rows) const {
  std::lock_guard lock(mutex_);
  return dispatcher_->expected_wait(now, model, rows);
}

SwitchboardCounters Switchboard::counters() const {
  std::lock_guard lock(mutex_);
  return counters_;
}

std::vector<WorkerView> Switchboard::views() const {
  std::lock_guard lock(mutex_);
  std::vector<WorkerView> views;
  for (const auto& link : links_)
    views.push_back({.id = link->id,
                     .slice = link->slice.id(),
                     .kind = link->slice.profile(),
                     .restarts = joined_by_slice_.at(link->slice.id()) - 1,
                     .outstanding = link->outstanding.size(),
                     .completed = link->completed,
                     .busy = link->busy});
  return views;
}

std::shared_ptr<const Switchboard::Workers> Switchboard::workers() const {
  std::lock_guard lock(mutex_);
  return published_;
}

void Switchboard::publish_workers() {
  published_ = std::make_shared<Workers>(links_);
  workers_version_.fetch_add(1, std::memory_order_release);
}

InferTask* Switchboard::find(RequestId id) const {
  const uint16_t thread = TaskSlab::thread_of(id);
  return thread < slabs_.size() ? slabs_[thread]->find(id) : nullptr;
}

WorkerLink* Switchboard::find_worker(WorkerId id) const {
  const auto found = std::ranges::find(links_, id, [](const auto& link) { return link->id; });
  return found == links_.end() ? nullptr : found->get();
}

void Switchboard::flush(Outbox& out) {
  for (auto& refusal : out.refusals)
    deliver_[TaskSlab::thread_of(refusal.request)](refusal.request, std::move(refusal.why));
  if (out.wake_at != kNever) alarm_(out.wake_at);
}

}  // namespace corolla::front
