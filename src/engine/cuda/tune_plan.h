// Tunes a plan for the device at hand: what `corolla-worker-cuda --tune` does.
#pragma once
#include <string>
#include <vector>

#include "engine/cuda/tuner.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

struct TunedLayer {
  std::string step, kernel, shape;
  double microseconds = 0;  // alone, back to back with itself
  double share = 0;         // of the sum of all layers
  double roofline = 0;      // least time by products and bytes, over the time; 0: peaks not known
};
struct TunedProgram {
  int64_t batch = 1;
  double microseconds = 0;  // of the whole program, median
  double p10 = 0, p90 = 0;
  TuneReport report;
  std::vector<TunedLayer> layers;
};

// Writes kernels, tuning and times into the plan, and its target; takes from `table` what is there
// and adds what it timed. kUnsupported, kTooLarge: as an engine would say.
Result<std::vector<TunedProgram>> tune_plan(plan::Plan& plan, const plan::Target& target,
                                            const DeviceFacts& device, TunedTable& table);

}  // namespace corolla::engine::cuda
