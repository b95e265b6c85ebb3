// The compute thread: takes whole batches from the ring, runs them through the engine, answers.
//
// attach() and detach() are called by the control thread; batches of a front that was detached run
// to their end, and nobody reads their answers.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/time.h"
#include "engine/engine.h"
#include "serve/worker/batch.h"

namespace corolla::worker {

struct ComputeOptions {
  Duration spin{0};  // look at the ring for so long before sleeping
  // Both run on the compute thread. The front has sent what cannot be and was detached:
  std::function<void(const Error&)> front_broken;
  // Every request of the batch was answered; the engine cannot go on. Does not return in a real
  // worker.
  std::function<void(const Error&)> engine_broken;
};

class ComputeLoop {
 public:
  ComputeLoop(engine::Engine& engine, ModelTable& models, ComputeOptions options);
  // Waits for the batches under way.
  ~ComputeLoop();

  void attach(std::shared_ptr<FrontLink> front);
  void detach() { attach(nullptr); }

 private:
  struct Finished {
    std::unique_ptr<Batch> batch;
    Status status;
    engine::Timing timing;
  };
  void run();
  bool take_orders();  // false: stop
  void answer_finished();
  void start(std::span<const link::SubmitEntry> entries);
  void wait(bool watch_ring);

  engine::Engine& engine_;
  ModelTable& models_;
  const ComputeOptions options_;
  const int depth_;
  Fd wake_;

  std::mutex mutex_;  // guards the next four
  bool stop_ = false;
  bool ordered_ = false;
  std::shared_ptr<FrontLink> order_;
  std::vector<Finished> finished_;

  // Compute thread only.
  std::shared_ptr<Session> session_;
  int under_way_ = 0;
  std::vector<Finished> answering_;
  std::thread thread_;
};

}  // namespace corolla::worker
