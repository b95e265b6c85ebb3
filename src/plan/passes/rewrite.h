// What passes share: looking at a pattern, and putting something in its place.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plan/graph.h"

namespace corolla::plan {

// The one number that a constant holds, if it is one element (or the same element throughout).
std::optional<float> scalar_of(const Graph& graph, ValueId id);
bool is_scalar(const Graph& graph, ValueId id, float expected, float tolerance = 1e-4f);

// A constant that has one number a channel (dimension 1) of a tensor of `rank` dimensions and
// `channels` channels, as that many numbers; also a scalar, repeated. nullopt: anything else.
std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId id, size_t rank,
                                              int64_t channels);

// Adds a value without a type: infer_graph() finds it after the pass.
ValueId add_result(Graph& graph, const std::string& name);

// A node whose only output is `output` of `replaced`: its first output's value is moved over.
// The replaced node keeps nothing and is dropped by tidy().
void take_output(Graph& graph, Node& replaced, Node& by);

}  // namespace corolla::plan
