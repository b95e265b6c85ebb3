// Convolution in fp32: what Conv and corolla.Conv share.
#pragma once
#include <vector>

#include "plan/ops/op.h"
#include "plan/ops/window.h"

namespace corolla::plan {

// Of inputs x (0), w (1), b (2, optional).
Result<Type> conv_type(const Call& call);
// x * w + b as floats in the output's order. REQUIRES: conv_type(call).ok().
Result<std::vector<float>> convolve(const Call& call);

}  // namespace corolla::plan
