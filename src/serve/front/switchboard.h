// The Switchboard joins the dispatcher's decisions to the world: it holds the one lock around the
// dispatcher, binds what it orders to workers' rings, takes answers back, and hands on what was
// refused or lost.
//
// Thread-safe. I/O threads call submit(), cancel() and collect(); the control thread the rest.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "serve/front/dispatcher.h"
#include "serve/front/infer_task.h"
#include "serve/front/worker_link.h"

namespace corolla::front {

// A completion as read from a worker's ring. collect() sets `task`, or leaves nullptr when the
// answer is stale (the request was given to another worker meanwhile) or goes back to the queue.
struct Arrival {
  std::shared_ptr<WorkerLink> worker;
  link::Completion completion;
  InferTask* task = nullptr;
};

// What one worker has done, for status and metrics.
struct WorkerView {
  WorkerId id = 0;
  std::string slice, kind;
  uint64_t restarts = 0;  // of that slice's worker, while this front has lived
  size_t outstanding = 0;
  uint64_t completed = 0;  // requests
  Duration busy{0};        // its batches' times, as it measured them
};

struct SwitchboardCounters {
  uint64_t retries = 0;  // requests handed out again after a worker was lost
  uint64_t workers_lost = 0;
  uint64_t wasted = 0;  // answers whose client had gone
};

class Switchboard {
 public:
  using Workers = std::vector<std::shared_ptr<WorkerLink>>;
  // Called from any thread, without the lock: the request ended without an answer; its owner must
  // be told on its own loop.
  using Deliver = std::function<void(RequestId, Error)>;
  // Called from any thread, without the lock: call tick() no later than then.
  using Alarm = std::function<void(TimePoint)>;

  Switchboard(const DispatcherOptions& options, std::vector<TaskSlab*> slabs,
              std::vector<Deliver> deliver, Alarm alarm);

  // Puts the task up for dispatch. On an Error it was refused at the door and is the caller's
  // again.
  Status submit(TimePoint now, InferTask& task);
  // The client has gone. True: nobody else holds the task (any more); it is the caller's to
  // destroy. False: it is with a worker, and collect() or Deliver will bring it back.
  bool cancel(InferTask& task);
  // Takes in what one I/O thread read; also binds what the freed workers can take now.
  void collect(TimePoint now, std::vector<Arrival>& arrivals);

  // Deadlines, queue delays, and workers that hang: returns those that have answered nothing for
  // `hang_limit` though they have work.
  std::vector<std::shared_ptr<WorkerLink>> tick(TimePoint now, Duration hang_limit);

  void set_model(ModelId model, const ModelPolicy& policy);
  void remove_model(TimePoint now, ModelId model);
  void joined(TimePoint now, std::shared_ptr<WorkerLink> worker);
  void serves(TimePoint now, WorkerId worker, ModelId model, bool yes);
  void drain(TimePoint now, WorkerId worker);
  size_t outstanding(WorkerId worker) const;
  size_t outstanding() const;  // of all requests: waiting and bound
  // Forgets the worker; what it held goes to others. Returns the model of each request that it
  // held.
  std::vector<std::shared_ptr<const ServedModel>> lost(TimePoint now, WorkerId worker);
  // No worker serves the model and none has for long: its requests are refused with `why` until one
  // does. Empty: takes that back.
  void set_hopeless(TimePoint now, ModelId model, const std::string& why);

  size_t waiting(ModelId model) const;
  std::optional<Duration> expected_wait(TimePoint now, ModelId model, uint32_t rows) const;
  SwitchboardCounters counters() const;
  std::vector<WorkerView> views() const;

  // For the I/O threads: the workers whose rings to read. The version changes with the list.
  uint64_t workers_version() const { return workers_version_.load(std::memory_order_acquire); }
  std::shared_ptr<const Workers> workers() const;

 private:
  struct Outbox {
    std::vector<Refusal> refusals;
    TimePoint wake_at = kNever;
  };
  // All of these: under the lock.
  void poll_and_bind(TimePoint now, Outbox& out);
  void bind(TimePoint now, const Batch& batch, Outbox& out);
  void unbind(InferTask& task);
  uint64_t reply_bytes_for(const InferTask& task) const;
  InferTask* find(RequestId id) const;
  WorkerLink* find_worker(WorkerId id) const;
  void publish_workers();

  void flush(Outbox& out);  // without the lock

  mutable std::mutex mutex_;
  std::unique_ptr<Dispatcher> dispatcher_;
  Workers links_;
  std::shared_ptr<const Workers> published_ = std::make_shared<Workers>();
  std::atomic<uint64_t> workers_version_{1};
  std::vector<link::SubmitEntry> entries_;
  Orders orders_;  // kept for its buffers
  std::map<std::string, uint64_t> joined_by_slice_;
  std::map<ModelId, uint64_t> learnt_reply_bytes_;  // a row's, for models with open output shapes
  size_t in_play_ = 0;
  SwitchboardCounters counters_;
  TimePoint alarm_at_ = kNever;

  const std::vector<TaskSlab*> slabs_;
  const std::vector<Deliver> deliver_;
  const Alarm alarm_;
};

}  // namespace corolla::front
