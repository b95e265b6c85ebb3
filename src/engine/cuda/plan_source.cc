#include "engine/cuda/plan_source.h"

#include "plan/compiler.h"
#include "plan/onnx_reader.h"
#include "plan/plan_file.h"

namespace corolla::engine::cuda {
namespace {

std::vector<int64_t> ladder(const std::vector<int>& wanted, int max_batch) {
  if (!wanted.empty()) return {wanted.begin(), wanted.end()};
  std::vector<int64_t> made;
  for (int64_t batch = 1; batch < max_batch; batch *= 2) made.push_back(batch);
  made.push_back(std::max(max_batch, 1));
  return made;
}

}  // namespace

Result<SourcePlan> plan_of(const ModelSource& source, const std::vector<int>& batches,
                           const plan::Target& target) {
  SourcePlan found;
  if (plan::is_plan(source.path)) {
    ASSIGN_OR_RETURN(found.plan, plan::read_plan(source.path));
    plan::Target needs = found.plan.target;
    // A plan is bound to the engine and the architecture; where it was tuned matters for speed
    // alone.
    RETURN_IF_ERROR(plan::fits(needs, target, static_cast<int64_t>(found.plan.weights.size())));
    const DType precision = found.plan.precision;
    if (precision != DType::kFp16 && precision != DType::kBf16 && precision != DType::kInt8)
      return Error{Code::kUnsupported,
                   "the plan '" + source.path + "' computes in " +
                       std::string(dtype_name(precision)) +
                       "; the CUDA engine computes in FP16, BF16 or INT8: compile with --fp16"};
    return found;
  }
  ASSIGN_OR_RETURN(const plan::Model model, plan::read_onnx(source.path));
  plan::CompileOptions options;
  options.precision = DType::kFp16;
  options.target.engine = "cuda";
  options.batches =
      plan::has_open_batch(model) ? ladder(batches, source.max_batch) : std::vector<int64_t>{1};
  ASSIGN_OR_RETURN(found.plan, plan::compile(model, options));
  found.compiled = true;
  return found;
}

}  // namespace corolla::engine::cuda
