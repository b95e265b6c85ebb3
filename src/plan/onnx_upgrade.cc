#include "plan/onnx_upgrade.h"

namespace corolla::plan {
namespace {

void put_input(Node& node, size_t i, ValueId value) {
  while (node.inputs.size() <= i) node.inputs.push_back(kNoValue);
  node.inputs[i] = value;
}

// Attribute `name` (a list of integers) becomes input `i`.
void to_input(Graph& graph, Node& node, std::string_view name, size_t i) {
  if (!node.attributes.has(name)) return;
  const std::vector<int64_t> values = node.attributes.integers(name);
  put_input(node, i,
            graph.add_constant(node.name + "/" + std::string(name), Tensor::of_ints(values)));
  node.attributes.erase(name);
}

void number_to_input(Graph& graph, Node& node, std::string_view name, size_t i) {
  if (!node.attributes.has(name)) return;
  put_input(node, i,
            graph.add_constant(node.name + "/" + std::string(name),
                               Tensor::scalar(node.attributes.number(name, 0))));
  node.attributes.erase(name);
}

void upgrade_resize(Graph& graph, Node& node, int64_t opset) {
  if (node.op == "Upsample" || (node.op == "Resize" && opset < 11)) {
    // (x, scales), with places that are simply divided by the scale.
    if (node.attributes.has("scales")) {
      const std::vector<float> scales = node.attributes.numbers("scales");
      put_input(
          node, 1,
          graph.add_constant(node.name + "/scales",
                             Tensor::of_floats({static_cast<int64_t>(scales.size())}, scales)));
      node.attributes.erase("scales");
    }
    if (node.inputs.size() > 1) node.inputs = {node.inputs[0], kNoValue, node.inputs[1]};
    node.attributes.set("coordinate_transformation_mode", std::string("asymmetric"));
    node.attributes.set("nearest_mode", std::string("floor"));
    node.op = "Resize";
  }
  // "bilinear" is Upsample's word.
  if (node.attributes.text("mode", "nearest") == "bilinear")
    node.attributes.set("mode", std::string("linear"));
}

}  // namespace

Status upgrade_node(Graph& graph, Node& node, int64_t opset) {
  const std::string op = node.op;
  if (op == "Squeeze" || op == "Unsqueeze") to_input(graph, node, "axes", 1);
  if (op.starts_with("Reduce")) to_input(graph, node, "axes", 1);
  if (op == "Split") to_input(graph, node, "split", 1);
  if (op == "Slice" && opset < 10) {
    to_input(graph, node, "starts", 1);
    to_input(graph, node, "ends", 2);
    to_input(graph, node, "axes", 3);
  }
  if (op == "Pad" && opset < 11) {
    to_input(graph, node, "pads", 1);
    number_to_input(graph, node, "value", 2);
  }
  if (op == "Clip" && opset < 11) {
    number_to_input(graph, node, "min", 1);
    number_to_input(graph, node, "max", 2);
  }
  if (op == "TopK" && opset < 10) {
    const int64_t k[] = {node.attributes.integer("k", 0)};
    put_input(node, 1, graph.add_constant(node.name + "/k", Tensor::of_ints(k)));
  }
  if ((op == "Softmax" || op == "LogSoftmax") && opset < 13) {
    node.attributes.set("axis", node.attributes.integer("axis", 1));
    node.attributes.set("flatten", int64_t{1});
  }
  if (op == "Resize" || op == "Upsample") upgrade_resize(graph, node, opset);
  if (op == "Dropout") {
    // Training only when an input says so; a model for inference has none, or a constant false.
    const ValueId training = node.input(2);
    if (training != kNoValue) {
      const Value& value = graph.value(training);
      if (!value.is_constant() || value.constant.ints() != std::vector<int64_t>{0})
        return Error{Code::kUnsupported,
                     "node '" + node.name +
                         "' (Dropout): it may be in training mode; export the model for inference"};
    }
    if (node.outputs.size() > 1 && node.outputs[1] != kNoValue)
      return Error{Code::kUnsupported,
                   "node '" + node.name + "' (Dropout): its mask is not offered"};
    node.op = "Identity";
    node.inputs.resize(1);
    node.outputs.resize(1);
    node.attributes = Attributes();
  }
  if (op == "BatchNormalization" && node.outputs.size() > 1) {
    for (size_t i = 1; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNoValue)
        return Error{Code::kUnsupported,
                     "node '" + node.name +
                         "' (BatchNormalization): it is in training mode; export the model for "
                         "inference"};
    node.outputs.resize(1);
  }
  if (op == "GroupNormalization" && opset < 21 && node.op == op) {
    // Its scale and bias were one a group.
    return Error{Code::kUnsupported, "node '" + node.name +
                                         "' (GroupNormalization): before opset 21 it was defined "
                                         "otherwise; export the model with opset 21"};
  }
  return ok();
}

}  // namespace corolla::plan
