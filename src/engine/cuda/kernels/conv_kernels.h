// The table of convolution kernels (conv_table.inc), as the host sees it.
//
// A choice is a kernel and how K is split: into `splits` parts that meet in a cluster (sm_90, up to
// 8) or through memory. Every choice computes the same sums in an order of its own: results differ
// by rounding between choices, never between runs of one.
#pragma once
#include <span>
#include <string_view>

#include "engine/cuda/kernels/conv_problem.h"
#include "engine/cuda/kernels/launching.h"

namespace corolla::engine::cuda {

struct ConvKernel {
  std::string_view name;
  Element element;
  int tile_m, tile_n, threads, stages;
  int stage_bytes, sum_row_bytes, tile_bytes, alignment;  // of shared memory
  bool wgmma;                                             // needs sm_90a
  const void* kernel;
  // Kernels of conv_boxes.cuh: copies by the tensor memory accelerator, several tiles a block.
  bool boxes = false;
  int groups = 1;      // that take tiles in turn
  int buffers = 0;     // of finished tiles
  int tail_bytes = 0;  // of shared memory: bias, barriers
};

// In the table's order; the same at any time.
std::span<const ConvKernel> conv_kernels();
// nullptr: no kernel of that name.
const ConvKernel* find_conv_kernel(std::string_view name);

struct ConvChoice {
  const ConvKernel* kernel = nullptr;
  int splits = 1;
  bool cluster = false;
};

int tiles(const ConvProblem& problem, const ConvKernel& kernel);
// Of K, as the kernel walks it: no more splits than that.
int steps(const ConvProblem& problem, const ConvKernel& kernel);
// Whether the kernel can compute this at all, and K be split like this.
bool suits(const ConvProblem& problem, const ConvChoice& choice);
// Of shared memory that a block asks for: few steps of K need few stages. `received`: what a
// cluster's blocks send each other begins there.
struct SharedBytes {
  int received, total;
};
SharedBytes shared_bytes(const ConvProblem& problem, const ConvChoice& choice);
// Bytes of ConvProblem::partial and counters of ::arrivals; 0 unless splits meet through memory.
int64_t partial_bytes(const ConvProblem& problem, const ConvChoice& choice);
int arrivals(const ConvProblem& problem, const ConvChoice& choice);

// Once a process and device, before the first launch: kernels may use all of the shared memory.
cudaError_t prepare_conv_kernels(int compute_capability, int most_shared_bytes);

// Fills in what follows from the choice (tiles, splits) and launches.
cudaError_t launch_conv(ConvProblem problem, const ConvChoice& choice, const Launching& launching);

}  // namespace corolla::engine::cuda
