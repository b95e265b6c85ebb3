#include "engine/cuda/kernels/conv_kernels.h"

#include <algorithm>
#include <vector>

#include "engine/cuda/kernels/conv_groups.h"
#include "engine/cuda/kernels/tensor_map.h"

namespace corolla::engine::cuda {
namespace {

const std::vector<ConvKernel>& table() {
  static const std::vector<ConvKernel> all = [] {
    std::vector<ConvKernel> made;
    for (const auto group :
         {conv_group_mma(), conv_group_wgmma(), conv_group_wgmma_drain(), conv_group_wgmma_big(),
          conv_group_wgmma_boxes(), conv_group_wgmma_boxes_big(), conv_group_bf16_mma(),
          conv_group_bf16_wgmma(), conv_group_bf16_wgmma_boxes(), conv_group_s8_mma(),
          conv_group_s8_wgmma(), conv_group_s8_wgmma_big()})
      made.insert(made.end(), group.begin(), group.end());
    return made;
  }();
  return all;
}

// Sums that a cluster's blocks send each other, of one tile.
int received_bytes(const ConvKernel& kernel, int splits) {
  return (kernel.tile_m + splits - 1) / splits * splits * kernel.sum_row_bytes;
}

struct BoxLayout {
  int ring, received, tail, total;
};
// `alone`: a block computes one tile, which needs no more stages than it has steps.
BoxLayout box_layout(const ConvProblem& problem, const ConvChoice& choice, bool alone) {
  const ConvKernel& kernel = *choice.kernel;
  const int steps = (box_steps(problem) + choice.splits - 1) / choice.splits;
  BoxLayout layout;
  layout.ring = alone ? std::min(kernel.stages, steps) : kernel.stages;
  layout.received = layout.ring * kernel.stage_bytes;
  layout.tail = layout.received + (choice.splits > 1 ? received_bytes(kernel, choice.splits)
                                                     : kernel.buffers * kernel.tile_bytes);
  layout.total = layout.tail + kernel.tail_bytes;
  return layout;
}

int multiprocessors() {  // of this process's share
  int device = 0, count = 1;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device) != cudaSuccess)
    return 1;
  return count;
}

cudaError_t launch_boxes(const ConvProblem& problem, const ConvChoice& choice,
                         const Launching& launching) {
  const ConvKernel& kernel = *choice.kernel;
  ConvBoxes boxes;
  if (!conv_boxes(problem, kernel.tile_m, kernel.tile_n, boxes)) return cudaErrorInvalidValue;
  BoxArguments arguments = {};
  if (const cudaError_t error = encode_boxes(boxes, arguments); error != cudaSuccess) return error;
  arguments.tiles = tiles(problem, kernel);
  int blocks = arguments.tiles;
  const int processors = multiprocessors();
  const bool alone = choice.splits > 1 || blocks <= processors;
  const BoxLayout layout = box_layout(problem, choice, alone);
  if (!alone) {
    int resident = 1;
    if (const cudaError_t error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            &resident, kernel.kernel, kernel.threads, static_cast<size_t>(layout.total));
        error != cudaSuccess)
      return error;
    blocks = std::min(blocks, processors * std::max(resident, 1));
  }
  arguments.problem = problem;
  arguments.problem.received = layout.received;
  arguments.ring = layout.ring;
  arguments.tail = layout.tail;
  void* pointers[] = {&arguments};
  return launch(kernel.kernel,
                dim3(static_cast<unsigned>(blocks), 1, static_cast<unsigned>(choice.splits)),
                kernel.threads, layout.total, choice.splits, pointers, launching);
}

}  // namespace

std::span<const ConvKernel> conv_kernels() { return table(); }

const ConvKernel* find_conv_kernel(std::string_view name) {
  for (const ConvKernel& kernel : table())
    if (kernel.name == name) return &kernel;
  return nullptr;
}

int tiles(const ConvProblem& problem, const ConvKernel& kernel) {
  return ((problem.m + kernel.tile_m - 1) / kernel.tile_m) *
         ((problem.n + kernel.tile_n - 1) / kernel.tile_n);
}

int steps(const ConvProblem& problem, const ConvKernel& kernel) {
  return kernel.boxes ? box_steps(problem) : (problem.k + kBlockK - 1) / kBlockK;
}

bool suits(const ConvProblem& problem, const ConvChoice& choice) {
  const ConvKernel& kernel = *choice.kernel;
  if (kernel.element != problem.element || choice.splits > cuda::steps(problem, kernel))
    return false;
  if (!kernel.boxes) return problem.extra.x == nullptr;
  if (choice.splits > 1 && (!choice.cluster || kernel.groups > 1)) return false;
  ConvBoxes boxes;
  return conv_boxes(problem, kernel.tile_m, kernel.tile_n, boxes);
}

SharedBytes shared_bytes(const ConvProblem& problem, const ConvChoice& choice) {
  const ConvKernel& kernel = *choice.kernel;
  if (kernel.boxes) {
    const BoxLayout layout = box_layout(problem, choice, choice.splits > 1);
    return {layout.received, layout.total};
  }
  const int k_steps = cuda::steps(problem, kernel);
  const int steps = (k_steps + choice.splits - 1) / choice.splits;
  const bool cluster = choice.cluster && choice.splits > 1;
  // A free stage for the finished tile, unless the tile is sent elsewhere.
  int bytes = std::min(kernel.stages, steps + (cluster ? 0 : 1)) * kernel.stage_bytes;
  if (!cluster) bytes = std::max(bytes, kernel.tile_bytes);
  const int received = bytes;
  if (cluster) bytes += received_bytes(kernel, choice.splits);
  return {received, bytes + kernel.alignment};
}

int64_t partial_bytes(const ConvProblem& problem, const ConvChoice& choice) {
  if (choice.splits == 1 || choice.cluster) return 0;
  return int64_t{4} * tiles(problem, *choice.kernel) * choice.splits * choice.kernel->tile_m *
         choice.kernel->tile_n;
}

int arrivals(const ConvProblem& problem, const ConvChoice& choice) {
  return choice.splits == 1 || choice.cluster ? 0 : tiles(problem, *choice.kernel);
}

cudaError_t prepare_conv_kernels(int compute_capability, int most_shared_bytes) {
  for (const ConvKernel& kernel : table()) {
    if (kernel.wgmma && compute_capability != 90) continue;
    const cudaError_t error = cudaFuncSetAttribute(
        kernel.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most_shared_bytes);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t launch_conv(ConvProblem problem, const ConvChoice& choice, const Launching& launching) {
  const ConvKernel& kernel = *choice.kernel;
  problem.k_steps = cuda::steps(problem, kernel);
  problem.tiles_n = (problem.n + kernel.tile_n - 1) / kernel.tile_n;
  problem.splits = choice.splits;
  problem.cluster = choice.cluster && choice.splits > 1 ? 1 : 0;
  complete(problem);
  if (kernel.boxes) return launch_boxes(problem, choice, launching);
  const SharedBytes shared = shared_bytes(problem, choice);
  problem.received = shared.received;
  void* arguments[] = {&problem};
  return launch(
      kernel.kernel,
      dim3(static_cast<unsigned>(tiles(problem, kernel)), 1, static_cast<unsigned>(choice.splits)),
      kernel.threads, shared.total, problem.cluster ? choice.splits : 1, arguments, launching);
}

}  // namespace corolla::engine::cuda
