#include "plan/passes/rewrite.h"

#include <cmath>

#include "plan/ops/shapes.h"

namespace corolla::plan {

std::optional<float> scalar_of(const Graph& graph, ValueId id) {
  if (id == kNoValue) return std::nullopt;
  const Value& value = graph.value(id);
  if (!value.is_constant() || value.constant.count() == 0 || value.constant.count() > 4096)
    return std::nullopt;
  const std::vector<float> numbers = value.constant.floats();
  for (const float n : numbers)
    if (n != numbers[0]) return std::nullopt;
  return numbers[0];
}

bool is_scalar(const Graph& graph, ValueId id, float expected, float tolerance) {
  const auto found = scalar_of(graph, id);
  return found && std::fabs(*found - expected) <= tolerance * std::fabs(expected);
}

std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId id, size_t rank,
                                              int64_t channels) {
  if (id == kNoValue || !graph.value(id).is_constant()) return std::nullopt;
  const Tensor& tensor = graph.value(id).constant;
  const Shape& shape = tensor.shape();
  if (!is_float(tensor.dtype()) || shape.size() > rank) return std::nullopt;
  if (tensor.count() == 1)
    return std::vector<float>(static_cast<size_t>(channels), tensor.floats()[0]);
  for (size_t d = 0; d < shape.size(); ++d) {
    const size_t dimension = rank - shape.size() + d;
    if (shape[d] != (dimension == 1 ? channels : 1)) return std::nullopt;
  }
  return tensor.count() == channels ? std::optional(tensor.floats()) : std::nullopt;
}

ValueId add_result(Graph& graph, const std::string& name) {
  Value value;
  value.name = graph.unique_name(name);
  return graph.add_value(std::move(value));
}

void take_output(Graph& graph, Node& replaced, Node& by) {
  by.outputs = {replaced.outputs[0]};
  replaced.outputs[0] = add_result(graph, replaced.name + "/replaced");
}

}  // namespace corolla::plan
