#include "engine/cuda/lane.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "base/time.h"
#include "engine/cuda/cuda_error.h"

namespace corolla::engine::cuda {

Lane::Lane(int number, int device, cudaStream_t stream, cudaStream_t loading)
    : number_(number), device_(device), stream_(stream), loading_(loading), thread_([this] {
        loop();
      }) {}

Lane::~Lane() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  thread_.join();
  (void)cudaStreamDestroy(stream_);
  (void)cudaStreamDestroy(loading_);
}

void Lane::start(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(job_ == nullptr);
    job_ = std::move(job);
  }
  wake_.notify_one();
}

void Lane::loop() {
  (void)cudaSetDevice(device_);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return job_ != nullptr || ends_; });
    if (job_ == nullptr) return;
    const auto job = std::exchange(job_, nullptr);
    lock.unlock();
    job();
    lock.lock();
  }
}

Waiter::~Waiter() {
  if (event_ != nullptr) (void)cudaEventDestroy(event_);
}

Status Waiter::make(bool spin) {
  spin_ = spin;
  CUDA_OR_RETURN("cannot make an event",
                 cudaEventCreateWithFlags(
                     &event_, cudaEventDisableTiming | (spin ? 0 : cudaEventBlockingSync)));
  return ok();
}

cudaError_t Waiter::wait(cudaStream_t stream) {
  const TimePoint begin = now();
  if (const cudaError_t error = cudaEventRecord(event_, stream); error != cudaSuccess) return error;
  if (!spin_) return cudaEventSynchronize(event_);
  if (usual_us_ > 200) {
    const auto ns = static_cast<long>((usual_us_ - 120) * 1e3);
    const timespec rest{ns / 1000000000, ns % 1000000000};
    (void)::nanosleep(&rest, nullptr);
  }
  cudaError_t error;
  while ((error = cudaEventQuery(event_)) == cudaErrorNotReady) {
  }
  const double us = static_cast<double>((now() - begin).count()) / 1e3;
  // Falls at once, rises slowly: sleeping too long is what costs.
  usual_us_ = us < usual_us_ ? us : usual_us_ + std::min(us - usual_us_, 1000.0) / 16;
  return error;
}

}  // namespace corolla::engine::cuda
