// Launches put on a stream one after the other, or recorded once as a CUDA graph and replayed.
//
// Not thread-safe; several Replays may run at once on streams and memory of their own.
#pragma once
#include <span>

#include "engine/cuda/lowering.h"

namespace corolla::engine::cuda {

// Where splits of K meet. Shared by launches that follow each other on one stream.
class Workspace {
 public:
  // Large enough for every launch as chosen now. The counters are zero.
  static Result<Workspace> make(std::span<const Launch> launches);
  static Result<Workspace> make(int64_t partial_bytes, int arrivals);
  bool holds(const Launch& launch) const;
  size_t bytes() const { return partial_.bytes() + arrivals_.bytes(); }
  float* partial() const { return reinterpret_cast<float*>(partial_.data()); }
  int* arrivals() const { return reinterpret_cast<int*>(arrivals_.data()); }

 private:
  DeviceMemory partial_, arrivals_;
};

cudaError_t run(const Launch& launch, const Workspace& workspace, const Launching& launching);

class Replay {
 public:
  Replay() = default;
  Replay(Replay&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  Replay& operator=(Replay&& other) noexcept {
    std::swap(graph_, other.graph_);
    return *this;
  }
  ~Replay();

  // Records `launches`, `times` times over. `stream` must be idle; it is left so.
  static Result<Replay> record(std::span<const Launch> launches, const Workspace& workspace,
                               const Launching& launching, int times = 1);
  cudaError_t start(cudaStream_t stream) const { return cudaGraphLaunch(graph_, stream); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace corolla::engine::cuda
