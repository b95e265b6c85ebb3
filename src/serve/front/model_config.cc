#include "serve/front/model_config.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <set>

#include "link/shared_layout.h"
#include "wire/json_text.h"
#include "wire/proto_json.h"

namespace corolla::front {
namespace {

// The nesting of a sensible file is below ten.
constexpr int kMaxNesting = 32;
constexpr int kMaxBatch = 4096;
constexpr uint64_t kMaxPriorityLevels = 256;

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }
Error unsupported(std::string what) { return {Code::kUnsupported, std::move(what)}; }

// Keeps the first error: the others mostly follow from it.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!text.empty()) return;
    if (line >= 0)
      text = "line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": ";
    text += message;
  }
  void AddWarning(int, int, const std::string&) override {}
  std::string text;
};

Status check_size(std::string_view text, const std::string& where) {
  if (text.size() > kMaxConfigBytes)
    return invalid(where + " has " + std::to_string(text.size()) + " bytes, over the limit of " +
                   std::to_string(kMaxConfigBytes));
  return ok();
}

Status check_dims(const google::protobuf::RepeatedField<int64_t>& dims, bool batched,
                  const std::string& tensor) {
  size_t most = link::kMaxDims - (batched ? 1 : 0);
  if (static_cast<size_t>(dims.size()) > most)
    return unsupported(tensor + " has " + std::to_string(dims.size()) + " dims; at most " +
                       std::to_string(most) + " are offered" +
                       (batched ? " beside the batch dimension" : ""));
  int64_t product = 1;
  for (int64_t dim : dims) {
    if (dim == 0 || dim < -1)
      return invalid(tensor + " has dim " + std::to_string(dim) +
                     "; each must be positive, or -1 for any");
    if (dim > 0 && __builtin_mul_overflow(product, dim, &product))
      return invalid(tensor + " has more elements than 63 bits can count");
  }
  return ok();
}

template <class Tensor>
Status check_tensor(const Tensor& tensor, const std::string& kind, bool batched,
                    std::set<std::string>& names) {
  if (tensor.name().empty()) return invalid("an " + kind + " has no name");
  std::string what = kind + " '" + tensor.name() + "'";
  if (!names.insert(tensor.name()).second) return invalid(what + " is declared twice");
  if (!from_proto(tensor.data_type()))
    return invalid(what + " has no data_type; write for example TYPE_FP32");
  if (tensor.has_reshape())
    return unsupported(what + " has a reshape, which is not offered; declare the file's shape");
  if (tensor.is_shape_tensor() || tensor.is_non_linear_format_io())
    return unsupported(what +
                       " is a shape tensor or has a non-linear format, which are not offered");
  return check_dims(tensor.dims(), batched, what);
}

Status check_tensors(const inference::ModelConfig& config) {
  bool batched = config.max_batch_size() > 0;
  for (auto [count, kind] :
       {std::pair(config.input_size(), "inputs"), {config.output_size(), "outputs"}})
    if (static_cast<size_t>(count) > link::kMaxTensors)
      return unsupported("it has " + std::to_string(count) + " " + kind + "; at most " +
                         std::to_string(link::kMaxTensors) + " are offered");
  std::set<std::string> names;
  for (const auto& input : config.input()) {
    RETURN_IF_ERROR(check_tensor(input, "input", batched, names));
    if (input.allow_ragged_batch())
      return unsupported("input '" + input.name() +
                         "' allows ragged batches, which are not offered");
    if (input.optional())
      return unsupported("input '" + input.name() +
                         "' is optional, which is not offered: models run on all of their inputs");
  }
  names.clear();
  for (const auto& output : config.output()) {
    RETURN_IF_ERROR(check_tensor(output, "output", batched, names));
    const std::string& labels = output.label_filename();
    if (labels.starts_with('/') || labels.find("..") != std::string::npos)
      return invalid("output '" + output.name() + "': label_filename '" + labels +
                     "' leads out of the model's folder");
  }
  if (config.batch_input_size() > 0 || config.batch_output_size() > 0)
    return unsupported("batch_input and batch_output are not offered");
  return ok();
}

Status check_queue_policy(const inference::ModelQueuePolicy& policy) {
  if (policy.timeout_action() != inference::ModelQueuePolicy::REJECT)
    return unsupported("timeout_action DELAY is not offered; use REJECT");
  if (policy.default_timeout_microseconds() > uint64_t{1} << 52)
    return invalid("default_timeout_microseconds " +
                   std::to_string(policy.default_timeout_microseconds()) + " is over 142 years");
  return ok();
}

Status check_batching(const inference::ModelConfig& config) {
  const auto& batching = config.dynamic_batching();
  for (int size : batching.preferred_batch_size())
    if (size < 1 || size > config.max_batch_size())
      return invalid("dynamic_batching: preferred_batch_size " + std::to_string(size) +
                     " is not between 1 and max_batch_size " +
                     std::to_string(config.max_batch_size()));
  if (batching.max_queue_delay_microseconds() > uint64_t{1} << 52)
    return invalid("dynamic_batching: max_queue_delay_microseconds " +
                   std::to_string(batching.max_queue_delay_microseconds()) + " is over 142 years");
  uint64_t levels = batching.priority_levels(), usual = batching.default_priority_level();
  if (levels > kMaxPriorityLevels)
    return unsupported("dynamic_batching: priority_levels " + std::to_string(levels) +
                       " is over the limit of " + std::to_string(kMaxPriorityLevels));
  if (levels == 0 && usual != 0)
    return invalid("dynamic_batching: default_priority_level without priority_levels");
  if (levels > 0 && (usual < 1 || usual > levels))
    return invalid("dynamic_batching: default_priority_level " + std::to_string(usual) +
                   " is not between 1 and priority_levels " + std::to_string(levels));
  RETURN_IF_ERROR(check_queue_policy(batching.default_queue_policy()));
  for (const auto& [level, policy] : batching.priority_queue_policy()) {
    if (level < 1 || level > levels)
      return invalid("dynamic_batching: priority_queue_policy for level " + std::to_string(level) +
                     ", where priority_levels is " + std::to_string(levels));
    if (policy.SerializeAsString() != batching.default_queue_policy().SerializeAsString())
      return unsupported("dynamic_batching: a queue policy of its own for priority level " +
                         std::to_string(level) +
                         " is not offered; default_queue_policy counts for every level");
  }
  return ok();
}

Status check_versions(const inference::ModelVersionPolicy& policy) {
  if (policy.has_latest() && policy.latest().num_versions() < 1)
    return invalid("version_policy: latest needs num_versions of at least 1");
  if (!policy.has_specific()) return ok();
  if (policy.specific().versions_size() == 0)
    return invalid("version_policy: specific names no version");
  for (int64_t version : policy.specific().versions())
    if (version < 1)
      return invalid("version_policy: version " + std::to_string(version) + " is not positive");
  return ok();
}

}  // namespace

Result<inference::ModelConfig> parse_config_text(std::string_view text, const std::string& where) {
  RETURN_IF_ERROR(check_size(text, where));
  inference::ModelConfig config;
  FirstError errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.SetRecursionLimit(kMaxNesting);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&stream, &config))
    return invalid(
        where + ", " +
        (errors.text.empty() ? "it is not a model configuration" : wire::to_utf8(errors.text)));
  if (!wire::strings_are_utf8(config)) return invalid(where + ": a string in it is not UTF-8");
  return config;
}

Result<inference::ModelConfig> parse_config_json(std::string_view json, const std::string& where) {
  RETURN_IF_ERROR(check_size(json, where));
  inference::ModelConfig config;
  auto status = google::protobuf::util::JsonStringToMessage(std::string(json), &config);
  if (!status.ok()) return invalid(where + ": " + wire::to_utf8(std::string(status.message())));
  if (!wire::strings_are_utf8(config)) return invalid(where + ": a string in it is not UTF-8");
  return config;
}

Status check_config(inference::ModelConfig& config, const std::string& model) {
  std::string where = "model '" + model + "': ";
  auto within = [&](const Status& status) -> Status {
    if (status.ok()) return status;
    return Error{status.error().code, where + status.error().what};
  };
  if (!config.name().empty() && config.name() != model)
    return invalid(where + "its config.pbtxt names it '" + config.name() +
                   "'; the name must be the folder's");
  config.set_name(model);
  if (config.has_sequence_batching())
    return unsupported(where + "sequence_batching is not offered: each request stands alone");
  if (config.has_ensemble_scheduling() || config.platform() == "ensemble")
    return unsupported(where + "ensembles are not offered; call the models one after another");
  if (config.model_transaction_policy().decoupled())
    return unsupported(where + "decoupled models are not offered: each request has one answer");
  if (config.max_batch_size() < 0 || config.max_batch_size() > kMaxBatch)
    return invalid(where + "max_batch_size " + std::to_string(config.max_batch_size()) +
                   " is not between 0 and " + std::to_string(kMaxBatch));
  const std::string& file = config.default_model_filename();
  if (file.starts_with('/') || file.find("..") != std::string::npos)
    return invalid(where + "default_model_filename '" + file +
                   "' leads out of the version's folder");
  RETURN_IF_ERROR(within(check_tensors(config)));
  RETURN_IF_ERROR(within(check_batching(config)));
  RETURN_IF_ERROR(within(check_versions(config.version_policy())));
  if (config.version_policy().policy_choice_case() ==
      inference::ModelVersionPolicy::POLICY_CHOICE_NOT_SET)
    config.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  auto images = image_inputs(config);
  if (!images) return within(images.error());
  return ok();
}

inference::DataType to_proto(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return inference::TYPE_BOOL;
    case DType::kUint8:
      return inference::TYPE_UINT8;
    case DType::kUint16:
      return inference::TYPE_UINT16;
    case DType::kUint32:
      return inference::TYPE_UINT32;
    case DType::kUint64:
      return inference::TYPE_UINT64;
    case DType::kInt8:
      return inference::TYPE_INT8;
    case DType::kInt16:
      return inference::TYPE_INT16;
    case DType::kInt32:
      return inference::TYPE_INT32;
    case DType::kInt64:
      return inference::TYPE_INT64;
    case DType::kFp16:
      return inference::TYPE_FP16;
    case DType::kBf16:
      return inference::TYPE_BF16;
    case DType::kFp32:
      return inference::TYPE_FP32;
    case DType::kFp64:
      return inference::TYPE_FP64;
    case DType::kBytes:
      return inference::TYPE_STRING;
  }
  return inference::TYPE_INVALID;
}

std::optional<DType> from_proto(inference::DataType type) {
  for (int i = 0; i <= static_cast<int>(DType::kBytes); ++i)
    if (to_proto(static_cast<DType>(i)) == type) return static_cast<DType>(i);
  return std::nullopt;
}

ModelPolicy model_policy(const inference::ModelConfig& config) {
  ModelPolicy policy;
  policy.name = config.name();
  policy.max_batch = static_cast<uint32_t>(config.max_batch_size());
  if (!config.has_dynamic_batching()) return policy;
  const auto& batching = config.dynamic_batching();
  policy.batching = config.max_batch_size() > 0;
  policy.max_queue_delay = std::chrono::microseconds(batching.max_queue_delay_microseconds());
  policy.preferred.assign(batching.preferred_batch_size().begin(),
                          batching.preferred_batch_size().end());
  policy.priority_levels = static_cast<uint32_t>(batching.priority_levels());
  policy.default_priority = static_cast<uint32_t>(batching.default_priority_level());
  if (batching.has_default_queue_policy()) {
    const auto& queue = batching.default_queue_policy();
    policy.max_queue = queue.max_queue_size();
    policy.default_timeout = std::chrono::microseconds(queue.default_timeout_microseconds());
    policy.allow_timeout_override = queue.allow_timeout_override();
  }
  return policy;
}

}  // namespace corolla::front
