// For tests, benchmarks and tools: one request at a time.
#pragma once
#include <condition_variable>
#include <mutex>
#include <span>
#include <utility>

#include "engine/engine.h"

namespace corolla::engine {

// Runs the request as a batch of its own and waits for its end: the engine's error, if it is
// broken, else the request's outcome. On the thread that may call submit().
inline Status submit_and_wait(Engine& engine, Model& model, Request& request) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  Status status = ok();
  engine.submit(model, std::span(&request, 1), [&](Status s, const Timing&) {
    const std::lock_guard lock(mutex);
    status = std::move(s);
    done = true;
    changed.notify_one();  // under the lock, without which `changed` may be gone
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
  RETURN_IF_ERROR(status);
  return request.outcome;
}

}  // namespace corolla::engine
