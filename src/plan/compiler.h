// A model into a plan for the CUDA engine: bind, run the passes, lower; once a batch size.
// (Plans for OpenVINO hold its blob; the app puts those together.)
#pragma once
#include <functional>
#include <vector>

#include "base/result.h"
#include "plan/onnx_reader.h"
#include "plan/passes/pass.h"
#include "plan/plan.h"

namespace corolla::plan {

struct CompileOptions {
  DType precision = DType::kFp16;      // FP32, FP16, BF16, INT8
  std::vector<int64_t> batches = {1};  // any order; doubles count once
  Target target;
  PassOptions passes;  // `after` is called for the first batch size alone
  std::function<void(const std::string&)> progress;
};

// The same model and options give the same plan, byte for byte. kUnsupported names all nodes that
// cannot be lowered; kInvalidArgument as bind().
Result<Plan> compile(const Model& model, const CompileOptions& options);

// As the interpreter wants it, and as lower() gets it: bound to `batch`, all passes run.
Result<Graph> optimised(const Model& model, int64_t batch, const CompileOptions& options);

}  // namespace corolla::plan
