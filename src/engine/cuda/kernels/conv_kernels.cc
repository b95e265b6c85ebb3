#include "engine/cuda/kernels/conv_kernels.h"

#include <algorithm>
#include <vector>

#include "engine/cuda/kernels/conv_groups.h"

namespace corolla::engine::cuda {
namespace {

const std::vector<ConvKernel>& table() {
  static const std::vector<ConvKernel> all = [] {
    std::vector<ConvKernel> made;
    for (const auto group : {conv_group_mma(), conv_group_wgmma(), conv_group_wgmma_drain(),
                             conv_group_wgmma_big(), conv_group_bf16_mma(), conv_group_bf16_wgmma(),
                             conv_group_s8_mma(), conv_group_s8_wgmma(), conv_group_s8_wgmma_big()})
      made.insert(made.end(), group.begin(), group.end());
    return made;
  }();
  return all;
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

SharedBytes shared_bytes(const ConvProblem& problem, const ConvChoice& choice) {
  const ConvKernel& kernel = *choice.kernel;
  const int k_steps = (problem.k + kBlockK - 1) / kBlockK;
  const int steps = (k_steps + choice.splits - 1) / choice.splits;
  const bool cluster = choice.cluster && choice.splits > 1;
  // A free stage for the finished tile, unless the tile is sent elsewhere.
  int bytes = std::min(kernel.stages, steps + (cluster ? 0 : 1)) * kernel.stage_bytes;
  if (!cluster) bytes = std::max(bytes, kernel.tile_bytes);
  const int received = bytes;
  if (cluster)
    bytes +=
        (kernel.tile_m + choice.splits - 1) / choice.splits * choice.splits * kernel.sum_row_bytes;
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
  problem.k_steps = (problem.k + kBlockK - 1) / kBlockK;
  problem.tiles_n = (problem.n + kernel.tile_n - 1) / kernel.tile_n;
  problem.splits = choice.splits;
  problem.cluster = choice.cluster && choice.splits > 1 ? 1 : 0;
  const SharedBytes shared = shared_bytes(problem, choice);
  problem.received = shared.received;
  complete(problem);
  void* arguments[] = {&problem};
  return launch(
      kernel.kernel,
      dim3(static_cast<unsigned>(tiles(problem, kernel)), 1, static_cast<unsigned>(choice.splits)),
      kernel.threads, shared.total, problem.cluster ? choice.splits : 1, arguments, launching);
}

}  // namespace corolla::engine::cuda
