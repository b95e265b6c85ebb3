#include "engine/cuda/replay.h"

#include <algorithm>

namespace corolla::engine::cuda {

Result<Workspace> Workspace::make(std::span<const Launch> launches) {
  int64_t bytes = 0;
  int counters = 0;
  for (const Launch& launch : launches) {
    if (!launch.tunable) continue;
    bytes = std::max(bytes, partial_bytes(launch.conv, launch.choice));
    counters = std::max(counters, cuda::arrivals(launch.conv, launch.choice));
  }
  return make(bytes, counters);
}

Result<Workspace> Workspace::make(int64_t partial_bytes, int arrivals) {
  Workspace made;
  ASSIGN_OR_RETURN(made.partial_,
                   DeviceMemory::make(static_cast<size_t>(partial_bytes), "sums of splits"));
  ASSIGN_OR_RETURN(made.arrivals_, DeviceMemory::make(static_cast<size_t>(arrivals) * sizeof(int),
                                                      "counters of splits"));
  CUDA_OR_RETURN("cannot clear the counters of splits",
                 cudaMemset(made.arrivals_.data(), 0, made.arrivals_.bytes()));
  return made;
}

bool Workspace::holds(const Launch& launch) const {
  return !launch.tunable ||
         (partial_bytes(launch.conv, launch.choice) <= static_cast<int64_t>(partial_.bytes()) &&
          static_cast<size_t>(cuda::arrivals(launch.conv, launch.choice)) * sizeof(int) <=
              arrivals_.bytes());
}

cudaError_t run(const Launch& launch, const Workspace& workspace, const Launching& launching) {
  if (!launch.tunable) return launch.run(launching);
  CHECK(workspace.holds(launch), launch.kernel);
  ConvProblem problem = launch.conv;
  problem.partial = workspace.partial();
  problem.arrivals = workspace.arrivals();
  return launch_conv(problem, launch.choice, launching);
}

Replay::~Replay() {
  if (graph_ != nullptr) (void)cudaGraphExecDestroy(graph_);
}

Result<Replay> Replay::record(std::span<const Launch> launches, const Workspace& workspace,
                              const Launching& launching, int times) {
  CUDA_OR_RETURN("cannot record a graph",
                 cudaStreamBeginCapture(launching.stream, cudaStreamCaptureModeThreadLocal));
  cudaError_t error = cudaSuccess;
  for (int i = 0; i < times && error == cudaSuccess; ++i)
    for (const Launch& launch : launches)
      if (error = run(launch, workspace, launching); error != cudaSuccess) break;
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(launching.stream, &graph);
  Replay made;
  if (error == cudaSuccess) error = ended;
  if (error == cudaSuccess) error = cudaGraphInstantiate(&made.graph_, graph, 0);
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  if (error != cudaSuccess) return cuda_error("cannot record a graph of kernels", error);
  return made;
}

}  // namespace corolla::engine::cuda
