// `corolla compile --verify`: a plan's answers beside the model's own, on pictures.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/onnx_reader.h"
#include "plan/plan.h"

namespace corolla::app {

struct CheckOptions {
  std::vector<std::string> pictures;   // JPEG, PNG or .npy (one row of the input) files, or folders
  std::vector<float> mean, deviation;  // of pictures; empty: 0 and 1
  size_t most = 8;                     // pictures that are compared
};

struct CheckAnswer {
  size_t pictures = 0, same_top = 0;
  double worst = 0;  // largest |plan - model| over largest |model|, of any picture's first output
};

// By the interpreter and by the program's reference: exact, and slow. kInvalidArgument when the
// model has other than one input, or a picture cannot be read.
Result<CheckAnswer> check_plan(const plan::Model& model, const plan::Plan& plan,
                               const CheckOptions& options,
                               const std::function<void(const std::string&)>& progress);

}  // namespace corolla::app
