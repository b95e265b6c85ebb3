// One I/O thread of the front: its event loop, its connections' exchanges, its inference tasks, and
// its end of every worker's completion ring.
//
// Threads: construct, then run() on its own thread. post-like functions are marked; everything else
// belongs to the loop's thread.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "serve/front/call.h"
#include "serve/front/infer_task.h"
#include "serve/front/shared.h"
#include "wire/event_loop.h"
#include "wire/v2_json.h"

namespace corolla::front {

class IoThread final : public wire::Handler, private wire::EventLoop::Watcher {
 public:
  // Makes the call for an exchange whose head is complete; nullptr when it has answered at once.
  using Router = std::function<std::unique_ptr<Call>(IoThread&, wire::Exchange&)>;

  static Result<std::unique_ptr<IoThread>> create(uint16_t index, Router router);
  ~IoThread() override;

  // Before run(): what the threads share, once it exists.
  void use(Shared& shared) { shared_ = &shared; }
  void run();

  // --- any thread ---
  wire::EventLoop& loop() { return *loop_; }
  int doorbell() const { return doorbell_.get(); }
  TaskSlab& slab() { return slab_; }
  void deliver(RequestId request, Error why);  // the task ended without an answer
  void wake_slot_waiters();

  // --- the loop's thread ---
  uint16_t index() const { return index_; }
  Shared& shared() { return *shared_; }
  wire::V2Decoder& decoder() { return decoder_; }

  Statistics::Row& statistics_row(const ServedModel& model, const WorkerLink& worker);

  // Waits for a slot: call.slot_freed() is called when one might be there.
  void wait_for_slot(Call& call);
  void forget_waiter(Call& call);
  // The exchange is answered or gone: deletes the call, later than now.
  void end(Call& call);
  // Puts the task up for dispatch. On an Error the task is the caller's again.
  Status submit(InferTask& task);
  // The client has gone: frees the task now, or when the worker answers.
  void abandon(InferTask& task);
  // Frees slot, regions and the task itself, but not the worker's reply slot.
  void finish(InferTask& task);

  // wire::Handler
  void on_head(wire::Exchange& exchange) override;
  wire::BodySink* on_message(wire::Exchange& exchange, std::optional<size_t> length) override;
  void on_message_end(wire::Exchange& exchange) override;
  void on_cancel(wire::Exchange& exchange) override;
  void on_half_close(wire::Exchange& exchange) override;

 private:
  IoThread(uint16_t index, Router router, std::unique_ptr<wire::EventLoop> loop, Fd doorbell);
  void on_events(uint32_t) override;
  bool before_wait();
  void after_wait();
  bool read_completions();
  void refresh_workers();
  void serve_slot_waiters();

  const uint16_t index_;
  const Router router_;
  std::unique_ptr<wire::EventLoop> loop_;
  const Fd doorbell_;
  Shared* shared_ = nullptr;
  TaskSlab slab_;
  wire::V2Decoder decoder_;
  uint64_t workers_version_ = 0;
  std::shared_ptr<const Switchboard::Workers> workers_ = std::make_shared<Switchboard::Workers>();
  std::vector<link::Completion> completions_;
  std::vector<Arrival> arrivals_;
  std::map<std::pair<const Statistics::Model*, WorkerId>, Statistics::Row*> rows_;
  std::deque<Call*> slot_waiters_;
  std::atomic<bool> slot_wake_posted_{false};
  bool asleep_ = false;
  std::vector<std::unique_ptr<Call>> ended_;
};

}  // namespace corolla::front
