// From a program of a plan to launches of kernels: addresses instead of places, kernels' own
// problem structures instead of operators.
//
// Convolutions and matrix products on tensor cores have a choice of kernels (Launch::conv); the
// tuner makes it. Everything else has one kernel.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/cuda/device_memory.h"
#include "engine/cuda/kernels/conv_kernels.h"
#include "engine/cuda/kernels/launching.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

// What a program is lowered onto. Memory that others own, and must keep.
struct Addresses {
  std::byte* weights = nullptr;  // the plan's blob, on the device
  std::byte* arena = nullptr;    // Program::arena_bytes, 256-byte aligned
  std::vector<std::byte*> inputs, outputs;
};

struct Launch {
  int32_t step = 0;  // in Program::steps
  std::string kernel;
  bool tunable = false;
  ConvProblem conv;                                  // where tunable; without partial and arrivals
  ConvChoice choice;                                 // likewise
  std::function<cudaError_t(const Launching&)> run;  // where not tunable
  double flops = 0, bytes = 0;                       // least work: for the roofline
};

// Weights in another form than the plan's, made once and shared by all programs of a model.
// Not thread-safe.
class DerivedWeights {
 public:
  // The device address of what `make` gives, called the first time that `key` is asked for.
  Result<std::byte*> get(const std::string& key,
                         const std::function<std::vector<std::byte>()>& make);
  size_t bytes() const { return bytes_; }

 private:
  std::map<std::string, DeviceMemory> made_;
  size_t bytes_ = 0;
};

// Steps that one kernel does together, where there is one.
struct Fusions {
  bool stem = true, shortcuts = true, head = true;
};

// For a device of this compute capability (90). kUnsupported names every step that no kernel can
// do. REQUIRES: verify(plan).ok().
Result<std::vector<Launch>> lower(const plan::Plan& plan, const plan::Program& program,
                                  const Addresses& addresses, DerivedWeights& derived,
                                  int compute_capability, const Fusions& fusions = {});

}  // namespace corolla::engine::cuda
