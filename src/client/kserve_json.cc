#include "client/kserve_json.h"

#include <simdjson.h>

namespace corolla::client {
namespace {

namespace dom = simdjson::dom;

Error broken(const std::string& what) {
  return {Code::kUnavailable, "the server's answer is broken: " + what};
}

// A document and the parser that owns it.
struct Document {
  dom::parser parser;
  simdjson::padded_string text;
  dom::element root;
};

Status parse(std::span<const std::byte> json, Document& document) {
  document.text = simdjson::padded_string(reinterpret_cast<const char*>(json.data()), json.size());
  if (document.parser.parse(document.text).get(document.root) != simdjson::SUCCESS)
    return broken("it is not JSON: '" + std::string(std::string_view(document.text).substr(0, 60)) +
                  "'");
  return ok();
}

std::string text_of(dom::element root, std::string_view key) {
  std::string_view text;
  return root[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

// Numbers may come as strings: protobuf's JSON writes 64-bit integers so.
template <class T>
T number_of(dom::element root, std::string_view key) {
  T value{};
  dom::element element;
  if (root[key].get(element) != simdjson::SUCCESS) return value;
  if (element.get(value) == simdjson::SUCCESS) return value;
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS)
    value = static_cast<T>(std::strtoll(std::string(text).c_str(), nullptr, 10));
  return value;
}

bool flag_of(dom::element root, std::string_view key) {
  bool value = false;
  return root[key].get(value) == simdjson::SUCCESS && value;
}

Result<std::vector<TensorMetadata>> tensors(dom::element root, std::string_view key) {
  dom::array array;
  if (root[key].get(array) != simdjson::SUCCESS)
    return broken("the model's metadata has no '" + std::string(key) + "'");
  std::vector<TensorMetadata> out;
  for (dom::element element : array) {
    TensorMetadata tensor;
    tensor.name = text_of(element, "name");
    const std::string type = text_of(element, "datatype");
    const auto dtype = dtype_from_name(type);
    if (!dtype) return broken("tensor '" + tensor.name + "' has the unknown type '" + type + "'");
    tensor.dtype = *dtype;
    dom::array shape;
    if (element["shape"].get(shape) != simdjson::SUCCESS)
      return broken("tensor '" + tensor.name + "' has no shape");
    for (dom::element d : shape) {
      int64_t n = 0;
      std::string_view text;
      if (d.get(n) != simdjson::SUCCESS && d.get(text) == simdjson::SUCCESS)
        n = std::atoll(std::string(text).c_str());
      tensor.shape.push_back(n);
    }
    out.push_back(std::move(tensor));
  }
  return out;
}

CountedTime counted(dom::element stats, std::string_view key) {
  dom::element element;
  if (stats[key].get(element) != simdjson::SUCCESS) return {};
  return {number_of<uint64_t>(element, "count"), number_of<uint64_t>(element, "ns")};
}

}  // namespace

Result<ServerMetadata> read_server_metadata(std::span<const std::byte> json) {
  Document document;
  RETURN_IF_ERROR(parse(json, document));
  ServerMetadata metadata{text_of(document.root, "name"), text_of(document.root, "version"), {}};
  dom::array extensions;
  if (document.root["extensions"].get(extensions) == simdjson::SUCCESS)
    for (dom::element element : extensions) {
      std::string_view text;
      if (element.get(text) == simdjson::SUCCESS) metadata.extensions.emplace_back(text);
    }
  return metadata;
}

Result<ModelMetadata> read_model_metadata(std::span<const std::byte> json) {
  Document document;
  RETURN_IF_ERROR(parse(json, document));
  ModelMetadata metadata;
  metadata.name = text_of(document.root, "name");
  metadata.platform = text_of(document.root, "platform");
  dom::array versions;
  if (document.root["versions"].get(versions) == simdjson::SUCCESS)
    for (dom::element element : versions) {
      std::string_view text;
      if (element.get(text) == simdjson::SUCCESS) metadata.versions.emplace_back(text);
    }
  ASSIGN_OR_RETURN(metadata.inputs, tensors(document.root, "inputs"));
  ASSIGN_OR_RETURN(metadata.outputs, tensors(document.root, "outputs"));
  return metadata;
}

Result<ModelConfig> read_model_config(std::span<const std::byte> json) {
  Document document;
  RETURN_IF_ERROR(parse(json, document));
  ModelConfig config;
  config.max_batch_size = number_of<int64_t>(document.root, "max_batch_size");
  dom::element policy, sequence;
  if (document.root["model_transaction_policy"].get(policy) == simdjson::SUCCESS)
    config.decoupled = flag_of(policy, "decoupled");
  config.sequence = document.root["sequence_batching"].get(sequence) == simdjson::SUCCESS;
  dom::array inputs;
  if (document.root["input"].get(inputs) == simdjson::SUCCESS)
    for (dom::element input : inputs)
      if (flag_of(input, "optional")) config.optional_inputs.push_back(text_of(input, "name"));
  return config;
}

Result<std::vector<ModelStatistics>> read_statistics(std::span<const std::byte> json) {
  Document document;
  RETURN_IF_ERROR(parse(json, document));
  dom::array models;
  if (document.root["model_stats"].get(models) != simdjson::SUCCESS)
    return broken("statistics have no model_stats");
  std::vector<ModelStatistics> out;
  for (dom::element model : models) {
    ModelStatistics stats;
    stats.version = text_of(model, "version");
    stats.inference_count = number_of<uint64_t>(model, "inference_count");
    stats.execution_count = number_of<uint64_t>(model, "execution_count");
    dom::element inner;
    if (model["inference_stats"].get(inner) == simdjson::SUCCESS) {
      stats.success = counted(inner, "success");
      stats.fail = counted(inner, "fail");
      stats.queue = counted(inner, "queue");
      stats.compute_input = counted(inner, "compute_input");
      stats.compute_infer = counted(inner, "compute_infer");
      stats.compute_output = counted(inner, "compute_output");
    }
    out.push_back(std::move(stats));
  }
  return out;
}

}  // namespace corolla::client
