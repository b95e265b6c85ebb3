// Chooses kernels by timing them on the device, or the part of it, that will run them.
//
// First each convolution alone: every kernel of the table with every sensible split of K, launched
// back to back as in a network. Then the best few of each shape in their place in the whole
// program: there the caches are as they will be, and kernels overlap with their neighbours. What
// the whole program's time says, wins.
//
// Not thread-safe. Nothing else should run on the device meanwhile.
#pragma once
#include <cuda_runtime_api.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/cuda/lowering.h"

namespace corolla::engine::cuda {

struct DeviceFacts {
  std::string name, arch;      // "NVIDIA H100 80GB HBM3", "sm_90"
  int compute_capability = 0;  // 90
  int multiprocessors = 0;     // that this process may use
  int shared_bytes = 0;        // most of one block
  int64_t memory_bytes = 0;
  std::string driver;
  // Of the green context that has these multiprocessors, to time on; null: a stream of one's own.
  // Not owned.
  cudaStream_t stream = nullptr;
};
// Of the current device. Under MPS or MIG: of the share.
Result<DeviceFacts> device_facts();

struct TunedChoice {
  std::string kernel;
  int splits = 1;
  bool cluster = false;
  double microseconds = 0;  // alone
};

// Shape -> choice. Shapes are texts that hold everything that a convolution's speed depends on.
using TunedTable = std::map<std::string, TunedChoice>;
std::string shape_key(const ConvProblem& problem);

// Of static shared memory that a kernel may have beside what its launch asks for.
inline constexpr int kStaticSharedBytes = 3072;
bool can_run(const ConvProblem& problem, const ConvChoice& choice, const DeviceFacts& device);
// All that is worth timing on the device.
std::vector<ConvChoice> candidates(const ConvProblem& problem, const DeviceFacts& device);
// Without timing: what is likely good.
ConvChoice likely_choice(const ConvProblem& problem, const DeviceFacts& device);

struct TuneSettings {
  bool in_place = true;  // the second round
  int repeats = 10;
};
struct TuneReport {
  double alone_us = 0;   // sum of the best of each convolution
  double before_us = 0;  // the whole program after the first round
  double after_us = 0;   // and after the second
  int timed = 0;         // kernels
  double seconds = 0;
};

// Sets Launch::choice of every tunable launch, from `table` where it has the shape, else by timing;
// what was timed is added to `table`.
Result<TuneReport> tune(std::vector<Launch>& launches, const DeviceFacts& device, TunedTable& table,
                        const TuneSettings& settings);

struct Spread {
  double p10 = 0, p50 = 0, p90 = 0;  // microseconds
};
Result<Spread> time_spread(std::span<const Launch> launches, const DeviceFacts& device, int times,
                           int repeats_in_graph = 1);
// Median of `times` replays of the launches as chosen, in microseconds.
Result<double> time_launches(std::span<const Launch> launches, const DeviceFacts& device, int times,
                             int repeats_in_graph = 1);

}  // namespace corolla::engine::cuda
