// The kernel of stem_problem.h, on tensor cores (sm_80 and later).
#pragma once
#include "engine/cuda/kernels/launching.h"
#include "engine/cuda/kernels/stem_problem.h"

namespace corolla::engine::cuda {

// n a multiple of 64; at most four channels.
bool stem_fits(const StemProblem& problem);
cudaError_t launch_stem(const StemProblem& problem, const Launching& launching);

}  // namespace corolla::engine::cuda
