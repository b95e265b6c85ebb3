// Runs a graph, naively: the reference for every pass and kernel.
//
// Works on graphs as the reader makes them (shapes follow from the inputs' values) and on bound
// ones after any pass. Any thread; large products use all cores for a while.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/graph.h"

namespace corolla::plan {

struct InterpretOptions {
  // Called after each node with what it made.
  std::function<void(const Node&, std::span<const Tensor>)> after_node;
};

// Outputs in the graph's order. kInvalidArgument for a missing input or one of another type or
// shape than a bound graph wants, and for what an operator refuses; the sentence names it.
Result<std::vector<Tensor>> interpret(const Graph& graph,
                                      const std::map<std::string, Tensor>& inputs,
                                      const InterpretOptions& options = {});

}  // namespace corolla::plan
