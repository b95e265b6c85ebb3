// Steps that have no fast kernel of their own, on simple ones. Private to lowering*.cc.
#pragma once
#include <optional>

#include "engine/cuda/lowering_context.h"

namespace corolla::engine::cuda {

// Nothing: there is no kernel for the step either.
Result<std::optional<Launch>> lower_generic(const LoweringContext& at);

}  // namespace corolla::engine::cuda
