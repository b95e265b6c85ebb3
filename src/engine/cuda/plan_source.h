// Where a model's plan comes from: the file is one, or is an ONNX model that is compiled now.
#pragma once
#include "engine/engine.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

struct SourcePlan {
  plan::Plan plan;
  bool compiled = false;
};
// `batches`: of programs, where it is compiled; empty: powers of two up to source.max_batch, and
// that. kInvalidArgument, kUnsupported: what is wrong with the file; kUnsupported: a plan for
// another engine or architecture.
Result<SourcePlan> plan_of(const ModelSource& source, const std::vector<int>& batches,
                           const plan::Target& target);

}  // namespace corolla::engine::cuda
