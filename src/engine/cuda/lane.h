// One batch under way at a time: a stream, and the thread that waits for it. An engine has a few,
// so that one batch's copies overlap with another's kernels; or one for each green context.
//
// start() is for the engine's compute thread; the job's second half runs on the lane's own thread.
#pragma once
#include <cuda_runtime_api.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/result.h"

namespace corolla::engine::cuda {

class Lane {
 public:
  // Takes both streams (destroys them at the end). Jobs run with `device` current.
  Lane(int number, int device, cudaStream_t stream, cudaStream_t loading);
  ~Lane();  // REQUIRES: idle

  int number() const { return number_; }
  cudaStream_t stream() const { return stream_; }
  // For loading models, which may be while batches are on the other: what a thread puts on a stream
  // that another thread records is recorded, and does not run.
  cudaStream_t loading() const { return loading_; }
  // Runs `job` on the lane's thread, after the one that may just be ending. REQUIRES: at most one
  // job is under way, and it has done all but return.
  void start(std::function<void()> job);

 private:
  void loop();

  const int number_, device_;
  cudaStream_t const stream_, loading_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::function<void()> job_;
  bool ends_ = false;
  std::thread thread_;
};

// Waits for the stream: sleeps for most of the time that was needed lately, then spins. Not
// thread-safe.
class Waiter {
 public:
  ~Waiter();
  Status make(bool spin);
  // Marks what is on the stream now, and waits for it.
  cudaError_t wait(cudaStream_t stream);

 private:
  cudaEvent_t event_ = nullptr;
  bool spin_ = true;
  double usual_us_ = 0;
};

}  // namespace corolla::engine::cuda
