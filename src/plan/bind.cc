// bind() and infer_graph() of onnx_reader.h: shapes made known.
#include "plan/onnx_reader.h"
#include "plan/ops/op.h"

namespace corolla::plan {
namespace {

// Arithmetic on shapes is small. Weights are left to the passes, which may want them as they are.
constexpr int64_t kSmall = 4096;

bool is_foldable(const Node& node) {
  return node.op != "DequantizeLinear" && node.op != "QuantizeLinear";
}

std::string open_dimensions(const ModelInput& input) {
  std::string text;
  for (size_t d = 0; d < input.dims.size(); ++d) {
    if (d == 0 || input.dims[d].size >= 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(d);
    if (!input.dims[d].name.empty()) text += " ('" + input.dims[d].name + "')";
  }
  return text;
}

Result<Shape> bound_shape(const ModelInput& input, const BindOptions& options) {
  const auto given = options.shapes.find(input.name);
  if (given != options.shapes.end()) {
    bool fits = given->second.size() == input.dims.size();
    for (size_t d = 0; d < input.dims.size() && fits; ++d)
      fits = input.dims[d].size < 0 || input.dims[d].size == given->second[d];
    if (!fits)
      return Error{Code::kInvalidArgument, "input '" + input.name + "' cannot have shape " +
                                               shape_text(given->second) +
                                               "; the model fixes it otherwise"};
    return given->second;
  }
  if (const std::string open = open_dimensions(input); !open.empty())
    return Error{Code::kInvalidArgument, "input '" + input.name +
                                             "' has open dimensions beyond the batch: " + open +
                                             "; fix them when exporting the model"};
  Shape shape;
  for (size_t d = 0; d < input.dims.size(); ++d) {
    const bool open = input.dims[d].size < 0;
    shape.push_back(open ? options.batch : input.dims[d].size);
  }
  return shape;
}

}  // namespace

bool has_open_batch(const Model& model) {
  for (const ModelInput& input : model.inputs)
    if (!input.dims.empty() && input.dims[0].size < 0) return true;
  return false;
}

Status infer_graph(Graph& graph, bool fold) {
  std::vector<Node> kept;
  for (Node& node : graph.nodes) {
    Call call(node);
    bool constant = fold && is_foldable(node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const Value& value = graph.value(node.inputs[i]);
      if (value.is_constant()) {
        call.give(i, value.constant);
      } else {
        if (!value.typed)
          return Error{Code::kInvalidArgument, "node '" + node.name + "' (" + node.op +
                                                   ") reads '" + value.name +
                                                   "' before it is made"};
        call.give(i, Type{value.dtype, value.shape});
        constant = constant && (node.op == "Shape" || node.op == "Size");
      }
    }
    ASSIGN_OR_RETURN(const std::vector<Type> types, infer_types(call));
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      if (node.outputs[o] == kNoValue) continue;
      Value& value = graph.value(node.outputs[o]);
      value.dtype = types[o].dtype;
      value.shape = types[o].shape;
      value.typed = true;
      const auto count = element_count(value.shape);
      constant = constant && count.ok() && *count <= kSmall;
    }
    if (!constant) {
      if (fold) kept.push_back(std::move(node));
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<Tensor> made, evaluate(call));
    for (size_t o = 0; o < node.outputs.size(); ++o)
      if (node.outputs[o] != kNoValue) graph.value(node.outputs[o]).constant = made[o];
  }
  if (fold) graph.nodes = std::move(kept);
  return ok();
}

Result<Graph> bind(const Model& model, const BindOptions& options) {
  if (options.batch < 1)
    return Error{Code::kInvalidArgument, "batch " + std::to_string(options.batch)};
  Graph graph = model.graph;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    Value& value = graph.value(graph.inputs[i]);
    ASSIGN_OR_RETURN(value.shape, bound_shape(model.inputs[i], options));
    value.dtype = model.inputs[i].dtype;
    value.typed = true;
  }
  if (options.batch != 1 && !has_open_batch(model)) {
    for (const ModelInput& input : model.inputs)
      if (!input.dims.empty() && input.dims[0].size != options.batch)
        return Error{Code::kInvalidArgument,
                     "input '" + input.name + "' has a fixed first dimension of " +
                         std::to_string(input.dims[0].size) + "; batch " +
                         std::to_string(options.batch) +
                         " needs a model that is exported with an open batch"};
  }
  RETURN_IF_ERROR(infer_graph(graph, true));
  RETURN_IF_ERROR(graph.tidy());
  return graph;
}

}  // namespace corolla::plan
