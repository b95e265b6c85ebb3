// A whole landscape: slices, batch sizes and concurrencies, each point measured until it is stable,
// one CSV a step, and a manifest that says on what, when and how. What was measured is never
// measured again: a sweep that was cut off goes on where it stopped. Threads: blocks its caller's
// thread.
#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "load/perf.h"

namespace corolla::load {

struct SweepOptions {
  PerfOptions perf;         // model, URL, windows; its load is set point by point
  std::vector<int> slices;  // empty: the system as it is
  std::vector<int64_t> batches = {1};
  Range concurrency{1, 100, 1};
  double stop_above =
      0;  // >0: a step ends after two points in a row whose p99 is so many times the budget
  std::string folder;
  std::string name;  // of the system, for reports that compare several
  std::vector<std::pair<std::string, std::string>> notes;
  // Brings the system to so many slices and returns when it serves on them.
  std::function<Status(int slices)> scale;
};

class SweepObserver : public PerfObserver {
 public:
  virtual void step(int /*slices*/, int64_t /*batch*/, size_t /*measured_before*/) {}
};

// False: interrupted, with all finished points on disk. Errors: the folder cannot be written or
// belongs to another sweep, scaling failed, or the server is gone.
Result<bool> sweep(const SweepOptions& options, SweepObserver& observer,
                   const std::atomic<bool>& stop);

// "machine", "kernel", "memory", "date": what a manifest should say about where it was measured.
std::vector<std::pair<std::string, std::string>> machine_notes();

}  // namespace corolla::load
