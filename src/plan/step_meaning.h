// What a step means, as a node of ops/op.h: how plans are verified and run by the reference.
#pragma once
#include <vector>

#include "base/result.h"
#include "plan/plan.h"
#include "plan/tensor.h"

namespace corolla::plan {

// A step as an operator on logical FP32 tensors.
struct StepMeaning {
  struct Source {
    enum class Kind {
      kInput,       // step input `input`, as `shape`
      kConvWeight,  // likewise, out of the packed form; times w_scale where there is one
      kBias,        // the first shape[0] of it
      kConstant,    // `constant`
    } kind = Kind::kInput;
    size_t input = 0;
    Shape shape;
    Tensor constant;
  };
  Node node;
  std::vector<Source> sources;
  bool same_shape = true;  // the node's output has the step's output's shape; else its count only
};

// kInvalidArgument when the step's tensors or fields do not go together. REQUIRES: indices of
// inputs and outputs are in range, and shapes are not negative.
Result<StepMeaning> meaning_of(const Program& program, const Step& step);

}  // namespace corolla::plan
