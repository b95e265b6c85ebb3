// From a graph that the passes have prepared to a program: tensors with types, layouts and places,
// weights packed as the steps want them, and one step or a few for each node.
#pragma once
#include "base/result.h"
#include "plan/graph.h"
#include "plan/lower/weight_store.h"
#include "plan/plan.h"

namespace corolla::plan {

// `precision` as in Plan. kUnsupported lists, all at once, the nodes that no step can do;
// kInvalidArgument for weights that do not fit the type.
Result<Program> lower(const Graph& graph, DType precision, int64_t batch, WeightStore& weights);

}  // namespace corolla::plan
