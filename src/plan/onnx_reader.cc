#include "plan/onnx_reader.h"

#include <unordered_map>
#include <unordered_set>

#include "plan/mapped_file.h"
#include "plan/onnx.pb.h"
#include "plan/onnx_tensor.h"
#include "plan/onnx_upgrade.h"
#include "plan/ops/op.h"

namespace corolla::plan {
namespace {

// Newer ones up to 24 changed nothing of the operators here but types that are refused anyway.
constexpr int64_t kLeastOpset = 7, kMostOpset = 24;
constexpr size_t kMostListed = 20;  // unsupported nodes named in one sentence

// The names that operators had before the newest opset, and that upgrade_node() knows.
bool is_old_name(std::string_view op) { return op == "Upsample" || op == "Dropout"; }

class Reader {
 public:
  explicit Reader(const std::filesystem::path& folder) : external_(folder) {}

  Result<Model> read(std::span<const std::byte> file) {
    onnx::ModelProto proto;
    if (!proto.ParseFromArray(file.data(), static_cast<int>(file.size())) || !proto.has_graph())
      return Error{Code::kInvalidArgument, "this is not an ONNX model, or a damaged one"};
    RETURN_IF_ERROR(read_opset(proto));
    onnx::GraphProto& graph = *proto.mutable_graph();
    model_.graph.name = graph.name();
    RETURN_IF_ERROR(refuse_unsupported(graph));
    for (onnx::TensorProto& initializer : *graph.mutable_initializer())
      RETURN_IF_ERROR(read_initializer(initializer));
    for (const onnx::ValueInfoProto& input : graph.input()) RETURN_IF_ERROR(read_input(input));
    for (onnx::NodeProto& node : *graph.mutable_node()) RETURN_IF_ERROR(read_node(node));
    RETURN_IF_ERROR(check_names());
    for (const onnx::ValueInfoProto& output : graph.output()) {
      const auto found = ids_.find(output.name());
      if (found == ids_.end())
        return Error{Code::kInvalidArgument,
                     "output '" + output.name() + "' is made by no node of the model"};
      model_.graph.outputs.push_back(found->second);
    }
    if (model_.graph.outputs.empty())
      return Error{Code::kInvalidArgument, "the model has no outputs"};
    RETURN_IF_ERROR(model_.graph.tidy());
    model_.hash = hash_text(content_hash(file, external_.hash()));
    return std::move(model_);
  }

 private:
  Status read_opset(const onnx::ModelProto& proto) {
    for (const auto& opset : proto.opset_import())
      if (opset.domain().empty() || opset.domain() == "ai.onnx") model_.opset = opset.version();
    if (model_.opset < kLeastOpset || model_.opset > kMostOpset)
      return Error{Code::kUnsupported, "the model is of ONNX opset " +
                                           std::to_string(model_.opset) + "; " +
                                           std::to_string(kLeastOpset) + " to " +
                                           std::to_string(kMostOpset) + " are supported"};
    return ok();
  }

  // All at once, so that nobody mends a model node by node.
  static Status refuse_unsupported(const onnx::GraphProto& graph) {
    std::map<std::string, std::vector<std::string>> nodes;  // by operator
    size_t count = 0;
    for (const onnx::NodeProto& node : graph.node()) {
      const bool standard = node.domain().empty() || node.domain() == "ai.onnx";
      if (standard && !node.op_type().starts_with("corolla.") &&
          (find_op(node.op_type()) != nullptr || is_old_name(node.op_type())))
        continue;
      const std::string op = (standard ? "" : node.domain() + ".") + node.op_type();
      if (count++ < kMostListed)
        nodes[op].push_back(node.name().empty() && node.output_size() > 0 ? node.output(0)
                                                                          : node.name());
      else
        nodes[op];
    }
    if (nodes.empty()) return ok();
    std::string list;
    for (const auto& [op, names] : nodes) {
      list += (list.empty() ? "" : "; ") + op;
      for (const std::string& name : names) list += (&name == &names[0] ? " (" : ", ") + name;
      if (!names.empty()) list += ")";
    }
    return Error{Code::kUnsupported, std::to_string(count) +
                                         (count == 1 ? " node uses an operator that is"
                                                     : " nodes use operators that are") +
                                         " not supported: " + list};
  }

  ValueId value(const std::string& name) {
    if (name.empty()) return kNoValue;
    const auto [it, fresh] = ids_.emplace(name, static_cast<ValueId>(model_.graph.values.size()));
    if (fresh) {
      Value added;
      added.name = name;
      model_.graph.add_value(std::move(added));
    }
    return it->second;
  }

  Status read_initializer(onnx::TensorProto& proto) {
    const std::string name = proto.name();
    ASSIGN_OR_RETURN(Tensor tensor, tensor_of_onnx(proto, external_));
    RETURN_IF_ERROR(refuse_nan(name, tensor));
    if (name.empty() || ids_.contains(name))
      return Error{Code::kInvalidArgument, "the model has two weights named '" + name + "'"};
    Value& added = model_.graph.value(value(name));
    added.dtype = tensor.dtype();
    added.shape = tensor.shape();
    added.typed = true;
    added.constant = std::move(tensor);
    made_.insert(name);
    return ok();
  }

  Status read_input(const onnx::ValueInfoProto& info) {
    if (made_.contains(info.name())) return ok();  // a weight that older files list as input, too
    if (info.name().empty() || ids_.contains(info.name()))
      return Error{Code::kInvalidArgument, "the model has two inputs named '" + info.name() + "'"};
    ModelInput input;
    input.name = info.name();
    const auto dtype = dtype_of_onnx(info.type().tensor_type().elem_type());
    if (!info.type().has_tensor_type() || !dtype)
      return Error{Code::kUnsupported, "input '" + info.name() + "' is of type " +
                                           onnx_type_text(info.type().tensor_type().elem_type()) +
                                           ", which is not supported"};
    input.dtype = *dtype;
    for (const auto& dim : info.type().tensor_type().shape().dim()) {
      Dimension dimension;
      if (dim.has_dim_value() && dim.dim_value() >= 0) dimension.size = dim.dim_value();
      if (dim.has_dim_param()) dimension.name = dim.dim_param();
      input.dims.push_back(dimension);
    }
    model_.graph.inputs.push_back(value(info.name()));
    model_.inputs.push_back(std::move(input));
    made_.insert(info.name());
    return ok();
  }

  Status read_node(onnx::NodeProto& proto) {
    Node node;
    node.op = proto.op_type();
    node.name = proto.name();
    if (node.name.empty()) node.name = proto.output_size() > 0 ? proto.output(0) : node.op;
    if (const int uses = node_names_[node.name]++; uses > 0)
      node.name += "." + std::to_string(uses + 1);
    for (const std::string& input : proto.input()) node.inputs.push_back(value(input));
    for (const std::string& output : proto.output()) {
      if (!output.empty() && !made_.insert(output).second)
        return Error{Code::kInvalidArgument, "value '" + output +
                                                 "' is made twice, the second "
                                                 "time by node '" +
                                                 node.name + "'"};
      node.outputs.push_back(value(output));
    }
    while (!node.outputs.empty() && node.outputs.back() == kNoValue) node.outputs.pop_back();
    for (onnx::AttributeProto& attribute : *proto.mutable_attribute())
      RETURN_IF_ERROR(read_attribute(node, attribute));
    RETURN_IF_ERROR(upgrade_node(model_.graph, node, model_.opset));
    model_.graph.nodes.push_back(std::move(node));
    return ok();
  }

  Status read_attribute(Node& node, onnx::AttributeProto& attribute) {
    using Proto = onnx::AttributeProto;
    const std::string& name = attribute.name();
    switch (attribute.type()) {
      case Proto::INT:
        return set_integer(node, name, attribute.i());
      case Proto::FLOAT:
        node.attributes.set(name, attribute.f());
        break;
      case Proto::STRING:
        node.attributes.set(name, attribute.s());
        break;
      case Proto::INTS:
        node.attributes.set(name,
                            std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end()));
        break;
      case Proto::FLOATS:
        node.attributes.set(
            name, std::vector<float>(attribute.floats().begin(), attribute.floats().end()));
        break;
      case Proto::STRINGS:
        node.attributes.set(
            name, std::vector<std::string>(attribute.strings().begin(), attribute.strings().end()));
        break;
      case Proto::TENSOR: {
        ASSIGN_OR_RETURN(Tensor tensor, tensor_of_onnx(*attribute.mutable_t(), external_));
        node.attributes.set(name, std::move(tensor));
        break;
      }
      default:
        return Error{Code::kUnsupported, "node '" + node.name + "' (" + node.op +
                                             ") has attribute '" + name +
                                             "' of a kind that is not supported"};
    }
    if (node.op == "Constant") set_constant(node, name);
    return ok();
  }

  static Status set_integer(Node& node, const std::string& name, int64_t value) {
    // Types become our own numbers here, so that nothing else knows ONNX's.
    if ((node.op == "Cast" && name == "to") || name == "output_dtype") {
      if (name == "output_dtype" && value == 0) return ok();
      const auto dtype = dtype_of_onnx(value);
      if (!dtype)
        return Error{Code::kUnsupported, "node '" + node.name + "' (" + node.op + ") makes " +
                                             onnx_type_text(value) + ", which is not supported"};
      value = static_cast<int64_t>(*dtype);
    }
    node.attributes.set(name, value);
    if (node.op == "Constant") set_constant(node, name);
    return ok();
  }

  // value_int, value_floats ... become "value".
  static void set_constant(Node& node, const std::string& name) {
    const Attributes& a = node.attributes;
    if (name == "value_int") {
      const int64_t v[] = {a.integer(name, 0)};
      node.attributes.set("value", Tensor::of_ints(v).reshaped({}));
    } else if (name == "value_ints") {
      node.attributes.set("value", Tensor::of_ints(a.integers(name)));
    } else if (name == "value_float") {
      node.attributes.set("value", Tensor::scalar(a.number(name, 0)));
    } else if (name == "value_floats") {
      const std::vector<float> v = a.numbers(name);
      node.attributes.set("value", Tensor::of_floats({static_cast<int64_t>(v.size())}, v));
    }
  }

  Status check_names() const {
    for (const Node& node : model_.graph.nodes)
      for (const ValueId id : node.inputs)
        if (id != kNoValue && !model_.graph.value(id).is_constant() &&
            !made_.contains(model_.graph.value(id).name))
          return Error{Code::kInvalidArgument,
                       "node '" + node.name + "' (" + node.op + ") reads '" +
                           model_.graph.value(id).name +
                           "', which is no input, no weight and made by no node"};
    return ok();
  }

  Model model_;
  ExternalData external_;
  std::unordered_map<std::string, ValueId> ids_;
  std::unordered_set<std::string> made_;
  std::unordered_map<std::string, int> node_names_;
};

}  // namespace

Result<Model> parse_onnx(std::span<const std::byte> file, const std::filesystem::path& folder) {
  constexpr size_t kProtobufLimit = (size_t{1} << 31) - 1;
  if (file.size() > kProtobufLimit)
    return Error{Code::kTooLarge, "the model has " + std::to_string(file.size()) +
                                      " bytes, and an ONNX file may have " +
                                      std::to_string(kProtobufLimit) +
                                      "; export it with its weights as external data"};
  return Reader(folder).read(file);
}

Result<Model> read_onnx(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(path, "the model file"));
  // An empty parent is the current folder, not "no folder".
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  auto model = parse_onnx(file->bytes(), folder);
  if (!model.ok()) {
    Error error = std::move(model).error();
    error.what = path.string() + ": " + error.what;
    return error;
  }
  model->name = path.stem().string();
  return model;
}

}  // namespace corolla::plan
