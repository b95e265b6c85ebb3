// The Dispatcher holds requests that have no worker yet, and gives one away only at the moment a
// worker has room for it. That is late binding: nothing queues behind a slow worker, and a free
// worker never idles while a request waits.
//
// One queue a model (by priority, then arrival). A worker holds at most two batches, one running
// and one staged; one that runs several at once (green contexts) holds so many and one staged. A
// worker with room takes its share, min(max_batch, ceil(waiting rows / workers with room)).
//
// Pure: no clock, no sockets, no threads of its own. Time is an argument, so an hour of traffic can
// be simulated in a second. Not thread-safe: the front holds a lock around it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace corolla::front {

using RequestId = uint64_t;
using WorkerId = uint32_t;
using ModelId = uint32_t;
using BatchId = uint64_t;

struct ModelPolicy {
  uint32_t max_batch = 0;           // rows; 0: no batch dimension, one request a batch
  bool batching = false;            // dynamic_batching present: requests may be joined
  Duration max_queue_delay{0};      // wait this long for a fuller batch
  std::vector<uint32_t> preferred;  // preferred batch sizes
  uint32_t priority_levels = 0,
           default_priority = 0;       // 1 is the most urgent; 0 levels: all the same
  uint32_t max_queue = 0;              // waiting requests; 0: `default_queue_limit`
  Duration default_timeout{0};         // in the queue; 0: none
  bool allow_timeout_override = true;  // a request may bring a shorter one
  std::string name;                    // for the sentences of refusals
};

struct Ticket {
  RequestId id = 0;
  ModelId model = 0;
  uint32_t rows = 1;
  uint64_t shape_key = 0;             // only requests of equal key run in one batch
  uint32_t priority = 0;              // 0: the model's default
  TimePoint deadline = kNever;        // to be finished by
  TimePoint queue_deadline = kNever;  // to be started by
  int tries_left = 2;                 // times it may be handed out again after its worker is lost
};

struct Batch {
  WorkerId worker = 0;
  ModelId model = 0;
  BatchId id = 0;
  uint32_t rows = 0;
  std::span<const RequestId> requests;  // lies in the Orders that the batch came in
};
struct Refusal {
  RequestId request = 0;
  Error why;
};

// What the caller must now do. Every accepted ticket ends exactly once: in finished(), in a
// cancel() that says true, or in `refuse`.
struct Orders {
  std::vector<Batch> send;
  std::vector<Refusal> refuse;
  TimePoint wake_at = kNever;  // call poll() again no later than then
  std::vector<RequestId> ids;  // what Batch::requests points into

  Orders() = default;
  Orders(Orders&&) = default;
  Orders& operator=(Orders&&) = default;
  Orders(const Orders&) = delete;
  Orders& operator=(const Orders&) = delete;
};

inline constexpr uint32_t kMostLanes = 24;

class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  virtual void set_model(ModelId model, const ModelPolicy& policy) = 0;
  // Its waiting tickets are refused (kUnavailable) by the next poll().
  virtual void remove_model(ModelId model) = 0;

  // Takes the ticket, or refuses it now: kNotFound, kInvalidArgument (more rows than max_batch),
  // kOverloaded (queue full, with the length), kDeadlineExceeded (by the measured service times it
  // cannot finish in time), kUnavailable (no worker serves the model and none is coming back: see
  // `set_hopeless`).
  virtual Status offer(TimePoint now, const Ticket& ticket) = 0;
  // The client has gone. True: it was waiting and is forgotten. False: it is with a worker;
  // finished() will come, and is then ignored (or, if that worker is lost or gives it back, it ends
  // in `refuse` with kCancelled).
  virtual bool cancel(RequestId request) = 0;

  // `kind`: slice kind and profile; workers of one kind share a table of service times. `lanes`:
  // how many batches it runs at once; at most kMostLanes count.
  virtual void joined(TimePoint now, WorkerId worker, const std::string& kind, uint32_t lanes) = 0;
  void joined(TimePoint now, WorkerId worker, const std::string& kind) {
    joined(now, worker, kind, 1);
  }
  virtual void serves(TimePoint now, WorkerId worker, ModelId model, bool yes) = 0;
  virtual void drain(WorkerId worker) = 0;  // binds nothing more to it
  virtual size_t outstanding(WorkerId worker) const = 0;
  // Once for each request of a batch; the last one frees the worker's room. The time from when the
  // batch could begin (it was sent, or the one before it ended) until then is the batch's measured
  // service time. False: that request is not with that worker (a broken worker's answer); nothing
  // has changed.
  virtual bool finished(TimePoint now, WorkerId worker, RequestId request) = 0;
  // Its tickets go back to the head of their queues while they have tries left and time; else they
  // are in the next `refuse`.
  virtual void lost(TimePoint now, WorkerId worker) = 0;
  // Like lost(), for one request: the worker could not take it now, or not so. Does not cost a try.
  // From the second time that a request comes back, the worker that gives it back gets nothing for
  // `give_back_rest`. False as for finished().
  virtual bool give_back(TimePoint now, WorkerId worker, RequestId request) = 0;

  // No worker serves the model and none is coming back (all are parked): its tickets are refused
  // (kUnavailable, with `why`) while no worker serves it. An empty `why` takes that back.
  virtual void set_hopeless(ModelId model, const std::string& why) = 0;

  // Binds what can be bound, expires what is too late. Call it after every handful of events, and
  // at wake_at. `orders` is emptied first; one that is used again and again makes the call free of
  // allocations.
  virtual void poll(TimePoint now, Orders& orders) = 0;
  Orders poll(TimePoint now) {
    Orders orders;
    poll(now, orders);
    return orders;
  }

  virtual size_t waiting(ModelId model) const = 0;  // requests bound to no worker
  // When a request of `rows` offered now would probably be done, by the measured service times;
  // nullopt: nothing is known yet.
  virtual std::optional<Duration> expected_wait(TimePoint now, ModelId model,
                                                uint32_t rows) const = 0;
};

struct DispatcherOptions {
  uint32_t default_queue_limit = 4096;  // requests waiting for one model
  uint32_t batches_per_worker = 2;      // 1 ... 8
  // A second batch is staged at a busy worker only this long, and an eighth of the running batch's
  // expected time, before that one is expected to end: early enough to hide the way there and back,
  // late enough not to queue behind a slow worker.
  Duration stage_lead = std::chrono::microseconds(300);
  Duration give_back_rest = std::chrono::milliseconds(1);
  // A model that has run nothing for so long lets one request through that the measured times would
  // refuse, to measure anew.
  Duration probe_after = std::chrono::seconds(1);
};
std::unique_ptr<Dispatcher> make_dispatcher(const DispatcherOptions& options);

}  // namespace corolla::front
