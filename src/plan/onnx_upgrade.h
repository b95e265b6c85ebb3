// Brings one node of an older opset into the form of the newest, so that no operator has two forms.
#pragma once
#include "base/result.h"
#include "plan/graph.h"

namespace corolla::plan {

// Attributes that became inputs become constants of `graph`; changed defaults are written out.
// kUnsupported for an old meaning that no new form has.
Status upgrade_node(Graph& graph, Node& node, int64_t opset);

}  // namespace corolla::plan
