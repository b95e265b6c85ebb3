#include "plan/testing/graph_maker.h"

#include <cmath>

#include "plan/interpreter.h"

namespace corolla::plan {

Tensor GraphMaker::random(Shape shape, float scale, float centre) {
  Tensor tensor = *Tensor::make(DType::kFp32, std::move(shape));
  // Not a std:: distribution: those differ between libraries.
  for (float& v : tensor.writable_as<float>())
    v = centre + scale * (static_cast<float>(random_() >> 8) * 0x1p-23f - 1);
  return tensor;
}

ValueId GraphMaker::result() {
  Value value;
  value.name = "v" + std::to_string(graph_.values.size());
  return graph_.add_value(std::move(value));
}

ValueId GraphMaker::input(const std::string& name, Shape shape, DType dtype) {
  Value value;
  value.name = name;
  value.dtype = dtype;
  value.shape = std::move(shape);
  value.typed = true;
  const ValueId id = graph_.add_value(std::move(value));
  graph_.inputs.push_back(id);
  return id;
}

ValueId GraphMaker::constant(Tensor tensor) {
  return graph_.add_constant("c" + std::to_string(graph_.values.size()), std::move(tensor));
}

ValueId GraphMaker::weight(Shape shape, float scale, float centre) {
  return constant(random(std::move(shape), scale, centre));
}

ValueId GraphMaker::node(const std::string& op, std::vector<ValueId> inputs,
                         const std::map<std::string, Attribute>& attributes) {
  Node node;
  node.op = op;
  node.name = op + std::to_string(graph_.nodes.size());
  node.inputs = std::move(inputs);
  for (const auto& [name, value] : attributes) node.attributes.set(name, value);
  const ValueId id = result();
  node.outputs = {id};
  graph_.nodes.push_back(std::move(node));
  return id;
}

std::vector<ValueId> GraphMaker::nodes(const std::string& op, std::vector<ValueId> inputs,
                                       size_t outputs,
                                       const std::map<std::string, Attribute>& attributes) {
  std::vector<ValueId> made = {node(op, std::move(inputs), attributes)};
  while (made.size() < outputs) made.push_back(result());
  graph_.nodes.back().outputs = made;
  return made;
}

std::vector<ValueId> GraphMaker::split(ValueId x, int64_t axis,
                                       const std::vector<int64_t>& lengths) {
  return nodes("Split", {x, ints(lengths)}, lengths.size(), {{"axis", axis}});
}

void GraphMaker::output(ValueId id) { graph_.outputs.push_back(id); }

ValueId GraphMaker::conv(ValueId x, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                         int64_t groups) {
  const int64_t pad = kernel / 2;
  const float scale = 1.7f / std::sqrt(static_cast<float>(in / groups * kernel * kernel));
  return node("Conv", {x, weight({out, in / groups, kernel, kernel}, scale), weight({out})},
              {{"strides", std::vector<int64_t>{stride, stride}},
               {"pads", std::vector<int64_t>{pad, pad, pad, pad}},
               {"group", groups}});
}

ValueId GraphMaker::batch_norm(ValueId x, int64_t channels) {
  return node("BatchNormalization", {x, weight({channels}, 0.3f, 1), weight({channels}),
                                     weight({channels}), weight({channels}, 0.3f, 1)});
}

ValueId GraphMaker::fake_quantised(ValueId x, float scale, int zero) {
  Tensor z = *Tensor::make(DType::kUint8, {});
  z.writable()[0] = static_cast<std::byte>(zero);
  const ValueId s = number(scale), zero_point = constant(z);
  const ValueId q = node("QuantizeLinear", {x, s, zero_point});
  return node("DequantizeLinear", {q, s, zero_point});
}

ValueId GraphMaker::int8_weight(Shape shape) {
  Tensor q = *Tensor::make(DType::kInt8, shape);
  for (int8_t& v : q.writable_as<int8_t>()) v = static_cast<int8_t>(random_() % 255 - 127);
  const Tensor scales = random({shape[0]}, 0.0005f, 0.001f);
  return node("DequantizeLinear", {constant(q), constant(scales)}, {{"axis", int64_t{0}}});
}

Graph GraphMaker::finish() {
  for (const Status& status : {infer_graph(graph_, false), graph_.tidy(), infer_graph(graph_, true),
                               graph_.tidy(), graph_.verify()})
    CHECK(status.ok(), status.ok() ? "" : status.error().what);
  return std::move(graph_);
}

Model GraphMaker::finish_model() {
  Model model;
  model.name = "made";
  for (const ValueId id : graph_.inputs) {
    Value& value = graph_.value(id);
    ModelInput input{value.name, value.dtype, {}};
    for (const int64_t d : value.shape) input.dims.push_back({d, ""});
    input.dims[0] = {-1, "batch"};
    model.inputs.push_back(std::move(input));
    value.typed = false;
  }
  model.graph = std::move(graph_);
  return model;
}

std::map<std::string, Tensor> random_inputs(const Graph& graph, unsigned seed) {
  GraphMaker maker(seed);
  std::map<std::string, Tensor> inputs;
  for (const ValueId id : graph.inputs)
    inputs[graph.value(id).name] = maker.random(graph.value(id).shape);
  return inputs;
}

double difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return 1e9;
  const std::vector<double> x = a.doubles(), y = b.doubles();
  double worst = 0, largest = 1e-30;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) || std::isnan(y[i])) return 1e9;
    worst = std::max(worst, std::fabs(x[i] - y[i]));
    largest = std::max(largest, std::fabs(y[i]));
  }
  return worst / largest;
}

double difference(const Graph& a, const Graph& b) {
  const auto inputs = random_inputs(a);
  const auto x = interpret(a, inputs), y = interpret(b, inputs);
  CHECK(x.ok(), x.ok() ? "" : x.error().what);
  CHECK(y.ok(), y.ok() ? "" : y.error().what);
  double worst = x->size() == y->size() ? 0 : 1e9;
  for (size_t i = 0; i < x->size() && i < y->size(); ++i)
    worst = std::max(worst, difference((*x)[i], (*y)[i]));
  return worst;
}

std::string ops_text(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op;
  return text;
}

}  // namespace corolla::plan
