#include "engine/cuda/host_memory.h"

#include <algorithm>

#include "base/log.h"
#include "base/time.h"
#include "engine/cuda/cuda_error.h"

namespace corolla::engine::cuda {

HostMemory::Driver HostMemory::cuda_driver(int device) {
  return {[device](std::span<const std::byte> memory, bool writable) -> Status {
            CUDA_OR_RETURN("cannot use the device", cudaSetDevice(device));
            int read_only = 0;
            (void)cudaDeviceGetAttribute(&read_only, cudaDevAttrHostRegisterReadOnlySupported,
                                         device);
            if (!writable && read_only == 0)
              return Error{Code::kUnsupported, "this device cannot read memory that is read-only"};
            CUDA_OR_RETURN(
                "cannot register host memory",
                cudaHostRegister(const_cast<std::byte*>(memory.data()), memory.size(),
                                 writable ? cudaHostRegisterDefault : cudaHostRegisterReadOnly));
            return ok();
          },
          [](std::span<const std::byte> memory) {
            if (cudaHostUnregister(const_cast<std::byte*>(memory.data())) != cudaSuccess)
              (void)cudaGetLastError();
          }};
}

HostMemory::HostMemory(Driver driver, size_t most_bytes)
    : driver_(std::move(driver)), most_bytes_(most_bytes), thread_([this] { run(); }) {}

HostMemory::~HostMemory() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void HostMemory::add(std::span<const std::byte> memory, bool writable) {
  {
    const std::lock_guard lock(mutex_);
    parts_.push_back({memory, writable});
  }
  changed_.notify_all();
}

void HostMemory::remove(std::span<const std::byte> memory) {
  std::unique_lock lock(mutex_);
  const auto find = [&] {
    return std::find_if(parts_.begin(), parts_.end(), [&](const Part& part) {
      return part.memory.data() == memory.data() && part.memory.size() == memory.size();
    });
  };
  changed_.wait(lock, [&] {
    const auto found = find();
    return found == parts_.end() || found->state != Part::State::kUnderWay;
  });
  const auto found = find();
  if (found == parts_.end()) return;
  const bool registered = found->state == Part::State::kReady;
  parts_.erase(found);
  lock.unlock();
  if (registered) driver_.remove(memory);
}

bool HostMemory::holds(std::span<const std::byte> piece, bool to_write) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    return part.state == Part::State::kReady && (part.writable || !to_write) &&
           piece.data() >= part.memory.data() &&
           piece.data() + piece.size() <= part.memory.data() + part.memory.size();
  });
}

void HostMemory::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto waiting = [&] {
      return std::find_if(parts_.begin(), parts_.end(),
                          [](const Part& part) { return part.state == Part::State::kWaiting; });
    };
    changed_.wait(lock, [&] { return stop_ || waiting() != parts_.end(); });
    if (stop_) return;
    const auto next = waiting();
    size_t taken = next->memory.size();
    for (const Part& part : parts_)
      if (part.state == Part::State::kReady) taken += part.memory.size();
    const auto memory = next->memory;
    const bool writable = next->writable;
    next->state = Part::State::kUnderWay;
    lock.unlock();
    const TimePoint begin = now();
    const Status done =
        taken > most_bytes_
            ? Status(Error{Code::kTooLarge, "with it " + std::to_string(taken >> 20) +
                                                " MiB would be taken; at most " +
                                                std::to_string(most_bytes_ >> 20) + " may be"})
            : driver_.add(memory, writable);
    lock.lock();
    // remove() waits for what is under way, so it is still there.
    const auto part = std::find_if(parts_.begin(), parts_.end(), [](const Part& one) {
      return one.state == Part::State::kUnderWay;
    });
    part->state = done.ok() ? Part::State::kReady : Part::State::kRefused;
    const bool say = done.ok() || !refused_before_;
    refused_before_ = refused_before_ || !done.ok();
    lock.unlock();
    changed_.notify_all();
    if (done.ok())
      log::debug("memory_registered",
                 {{"bytes", memory.size()},
                  {"writable", writable},
                  {"ms", static_cast<int64_t>(to_seconds(now() - begin) * 1e3)}});
    else if (say)
      log::warn("memory_not_registered", {{"bytes", memory.size()},
                                          {"why", done.error().what},
                                          {"so", "requests there are copied once more"}});
    lock.lock();
  }
}

}  // namespace corolla::engine::cuda
