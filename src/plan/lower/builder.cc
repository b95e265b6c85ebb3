#include "plan/lower/builder.h"

#include <cmath>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"
#include "plan/pack.h"

namespace corolla::plan {

Builder::Builder(const Graph& graph, DType precision, int64_t batch, WeightStore& weights)
    : graph_(graph),
      uses_(graph),
      weights_(weights),
      compute_(precision == DType::kInt8 ? DType::kFp16 : precision) {
  program_.batch = batch;
}

const Node* Builder::maker(ValueId id) const {
  if (id == kNoValue) return nullptr;
  const int n = uses_.producer[static_cast<size_t>(id)];
  return n < 0 ? nullptr : &graph_.nodes[static_cast<size_t>(n)];
}

Result<std::optional<Tensor>> Builder::constant(ValueId id) const {
  if (id == kNoValue) return std::optional<Tensor>();
  if (value(id).is_constant()) return std::optional<Tensor>(value(id).constant);
  const Node* node = maker(id);
  if (node == nullptr || node->op != "DequantizeLinear") return std::optional<Tensor>();
  Call call(*node);
  for (size_t i = 0; i < node->inputs.size(); ++i) {
    if (node->inputs[i] == kNoValue) continue;
    if (!value(node->inputs[i]).is_constant()) return std::optional<Tensor>();
    call.give(i, value(node->inputs[i]).constant);
  }
  ASSIGN_OR_RETURN(const std::vector<Tensor> made, evaluate(call));
  return std::optional<Tensor>(made[0]);
}

int32_t Builder::add_tensor(PlanTensor tensor) {
  const auto bytes = storage_bytes(tensor.dtype, tensor.layout, tensor.shape);
  CHECK(bytes.ok(), tensor.name);
  tensor.bytes = *bytes;
  program_.tensors.push_back(std::move(tensor));
  return static_cast<int32_t>(program_.tensors.size() - 1);
}

int32_t Builder::make_temporary(const std::string& name, Shape shape, Layout layout) {
  PlanTensor tensor;
  tensor.name = name;
  tensor.dtype = compute_;
  tensor.layout = layout;
  tensor.shape = std::move(shape);
  return add_tensor(std::move(tensor));
}

int32_t Builder::make(ValueId id) {
  const Value& v = value(id);
  const int32_t tensor = make_temporary(v.name, v.shape, v.layout);
  set(id, tensor);
  return tensor;
}

int32_t Builder::make_either(ValueId id) {
  const auto& readers = uses_.consumers[static_cast<size_t>(id)];
  if (readers.size() != 1 || uses_.is_output[static_cast<size_t>(id)]) return make(id);
  const Node& reader = graph_.nodes[static_cast<size_t>(readers[0])];
  const auto q = reader.op == "QuantizeLinear" ? quantisation(reader) : std::nullopt;
  if (!q) return make(id);
  const int32_t made = make_quantised(reader.outputs[0], value(id).layout, *q);
  done.insert(&reader);
  return made;
}

int32_t Builder::make_quantised(ValueId id, Layout layout, const Quantisation& q) {
  PlanTensor tensor;
  tensor.name = value(id).name;
  tensor.dtype = DType::kUint8;
  tensor.layout = layout;
  tensor.shape = value(id).shape;
  tensor.scale = q.scale;
  tensor.zero = q.zero;
  const int32_t made = add_tensor(std::move(tensor));
  set(id, made);
  return made;
}

int32_t Builder::weight_bytes(PlanTensor tensor, std::span<const std::byte> bytes) {
  tensor.place = Place::kWeight;
  tensor.offset = weights_.add(bytes);
  return add_tensor(std::move(tensor));
}

Result<int32_t> Builder::weight(const std::string& name, const Tensor& values, DType dtype,
                                Layout layout) {
  const std::vector<float> numbers = values.floats();
  if (dtype == DType::kFp16)
    for (const float v : numbers)
      if (std::isfinite(v) && std::fabs(v) >= 65520)
        return Error{Code::kInvalidArgument,
                     "weight '" + name + "' holds " + std::to_string(v) +
                         ", which fp16 cannot hold; compile with --bf16 or --fp32"};
  PlanTensor tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.layout = layout;
  tensor.shape = values.shape();
  return weight_bytes(tensor, pack(dtype, layout, values.shape(), numbers));
}

int32_t Builder::make_wide(ValueId id) {
  PlanTensor tensor;
  tensor.name = value(id).name;
  tensor.dtype = DType::kFp32;
  tensor.layout = value(id).layout;
  tensor.shape = value(id).shape;
  const int32_t made = add_tensor(std::move(tensor));
  set(id, made);
  return made;
}

int32_t Builder::places(ValueId id) const {
  const auto found = tensors_.find(id);
  return found != tensors_.end() && tensor(found->second).dtype == DType::kInt64 ? found->second
                                                                                 : -1;
}

int32_t Builder::make_places(ValueId id) {
  PlanTensor tensor;
  tensor.name = value(id).name;
  tensor.dtype = DType::kInt64;
  tensor.shape = value(id).shape;
  const int32_t made = add_tensor(std::move(tensor));
  set(id, made);
  return made;
}

Result<int32_t> Builder::read(ValueId id, Layout layout) {
  CHECK(id != kNoValue);
  if (places(id) >= 0) return no_step("it reads '" + value(id).name + "' of type INT64");
  if (const auto found = tensors_.find(id); found != tensors_.end()) return found->second;
  const Value& v = value(id);
  ASSIGN_OR_RETURN(const auto known, constant(id));
  if (known) {
    if (const auto it = constants_.find({id, layout}); it != constants_.end()) return it->second;
    if (!is_float(known->dtype()))
      return no_step("it reads constant '" + v.name + "' of type " +
                     std::string(dtype_name(known->dtype())));
    Tensor shaped = *known;
    if (layout == Layout::kNhwc) {  // numpy's rule: dimensions are missing in front
      Shape four = shaped.shape();
      if (four.size() > 4) return no_step("constant '" + v.name + "' has more than 4 dimensions");
      four.insert(four.begin(), 4 - four.size(), 1);
      shaped = shaped.reshaped(four);
    }
    ASSIGN_OR_RETURN(const int32_t made, weight(v.name, shaped, compute_, layout));
    constants_[{id, layout}] = made;
    return made;
  }
  const int32_t quantised = read_quantised(id);
  if (quantised < 0)
    return no_step("it reads '" + v.name + "' of type " + std::string(dtype_name(v.dtype)));
  const int32_t out = make(id);
  step(maker(id)->name, Dequantize{}, {quantised}, {out});
  return out;
}

int32_t Builder::read_quantised(ValueId id) const {
  const Node* node = maker(id);
  if (node == nullptr || node->op != "DequantizeLinear") return -1;
  const auto found = tensors_.find(node->inputs[0]);
  return found == tensors_.end() ? -1 : found->second;
}

Result<int32_t> Builder::read_either(ValueId id, Layout layout) {
  const int32_t quantised = made(id) ? -1 : read_quantised(id);
  if (quantised >= 0) return quantised;
  return read(id, layout);
}

void Builder::step(const std::string& name, Operation operation, std::vector<int32_t> inputs,
                   std::vector<int32_t> outputs) {
  Step made;
  made.name = name;
  made.operation = std::move(operation);
  made.inputs = std::move(inputs);
  made.outputs = std::move(outputs);
  program_.steps.push_back(std::move(made));
}

std::optional<Builder::Quantisation> Builder::quantisation(const Node& node) const {
  const Value& scale = value(node.inputs[1]);
  if (!scale.is_constant() || scale.constant.count() != 1) return std::nullopt;
  const ValueId q = node.op == "QuantizeLinear" ? node.outputs[0] : node.inputs[0];
  const DType dtype = value(q).dtype;
  Quantisation found{scale.constant.floats()[0], 0};
  if (node.input(2) != kNoValue) {
    const Value& zero = value(node.inputs[2]);
    if (!zero.is_constant() || zero.constant.count() != 1) return std::nullopt;
    found.zero = static_cast<int32_t>(zero.constant.ints()[0]);
  }
  if (dtype != DType::kInt8 && dtype != DType::kUint8) return std::nullopt;
  if (dtype == DType::kInt8) found.zero += 128;
  if (!std::isfinite(found.scale) || found.scale <= 0) return std::nullopt;
  return found;
}

}  // namespace corolla::plan
