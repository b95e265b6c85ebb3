// Runs a program in host memory, naively: what every kernel is checked against. Tensors lie where
// the plan puts them, in the types that it says, so a wrong memory plan shows, too; sums are fp32.
#pragma once
#include <functional>
#include <vector>

#include "base/result.h"
#include "plan/plan.h"
#include "plan/tensor.h"

namespace corolla::plan {

struct ReferenceOptions {
  // Called after each step with its output's elements in logical order, widened (8 bits: real
  // values).
  std::function<void(const Step&, const PlanTensor&, std::span<const float>)> after_step;
};

// Inputs and outputs in the ports' order; inputs of the program's batch. kInvalidArgument for
// inputs of the wrong type or shape. REQUIRES: verify(plan).ok(), `program` is one of the plan's.
Result<std::vector<Tensor>> run_program(const Plan& plan, const Program& program,
                                        std::span<const Tensor> inputs,
                                        const ReferenceOptions& options = {});

// One step alone: inputs' and output's elements in logical order, widened, and not yet rounded to
// the output's type. REQUIRES: as above; inputs.size() == step.inputs.size().
Result<std::vector<float>> run_step(const Program& program, const Step& step,
                                    std::span<const std::vector<float>> inputs);

}  // namespace corolla::plan
