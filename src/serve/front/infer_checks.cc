#include "serve/front/infer_checks.h"

#include <algorithm>

#include "link/shared_layout.h"
#include "wire/bytes_tensor.h"

namespace corolla::front {
namespace {

constexpr uint32_t kAbsent = ~0u;  // of an input that the request has not named yet

Error bad(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

std::vector<int64_t> expected_shape(const ServedModel& model, const TensorSpec& spec) {
  std::vector<int64_t> shape = spec.shape;
  if (model.max_batch > 0) shape.insert(shape.begin(), -1);
  return shape;
}

bool fits(const std::vector<int64_t>& expected, const std::vector<int64_t>& got) {
  if (expected.size() != got.size()) return false;
  for (size_t i = 0; i < got.size(); ++i)
    if (expected[i] >= 0 && expected[i] != got[i]) return false;
  return true;
}

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
  return hash;
}

Status check_shape(const ServedModel& model, const TensorSpec& spec, const wire::InputTensor& input,
                   CheckedRequest& checked, bool first) {
  const auto expected = expected_shape(model, spec);
  if (!fits(expected, input.shape))
    return bad("[request] unexpected shape for input '" + input.name + "' for model '" +
               model.name + "'. Expected " + shape_text(expected) + ", got " +
               shape_text(input.shape));
  if (input.shape.size() > link::kMaxDims)
    return bad("input '" + input.name + "' has " + std::to_string(input.shape.size()) +
               " dimensions; at most " + std::to_string(link::kMaxDims) + " are served");
  if (auto count = element_count(input.shape); !count) return std::move(count).error();
  if (model.max_batch > 0) {
    const int64_t rows = input.shape[0];
    if (rows < 1 || rows > model.max_batch)
      return bad("inference request batch-size must be <= " + std::to_string(model.max_batch) +
                 " for '" + model.name + "', and at least 1; input '" + input.name + "' has " +
                 std::to_string(rows));
    if (first)
      checked.rows = static_cast<uint32_t>(rows);
    else if (rows != checked.rows)
      return bad("input '" + input.name + "' batch size does not match other inputs for '" +
                 model.name + "': " + std::to_string(rows) + " against " +
                 std::to_string(checked.rows));
  }
  if (!model.fixed_shapes)
    for (size_t i = model.max_batch > 0 ? 1 : 0; i < input.shape.size(); ++i)
      checked.shape_key = mix(checked.shape_key, static_cast<uint64_t>(input.shape[i]) + 1);
  return ok();
}

}  // namespace

Result<CheckedRequest> check_request(const ServedModel& model, const wire::InferRequest& request) {
  if (request.sequence)
    return Error{
        Code::kUnsupported,
        "model '" + model.name + "' is not a sequence model: sequence_id must be absent or 0"};
  CheckedRequest checked;
  checked.input_of_spec.assign(model.inputs.size(), kAbsent);
  for (uint32_t i = 0; i < request.inputs.size(); ++i) {
    const auto& input = request.inputs[i];
    const auto spec = std::ranges::find(model.inputs, input.name, &TensorSpec::name);
    if (spec == model.inputs.end())
      return bad("unexpected inference input '" + input.name + "' for model '" + model.name + "'");
    auto& place = checked.input_of_spec[static_cast<size_t>(spec - model.inputs.begin())];
    if (place != kAbsent) return bad("input '" + input.name + "' is given twice");
    place = i;
    if (input.dtype != spec->dtype)
      return bad("inference input '" + input.name + "' data-type is '" +
                 std::string(dtype_name(input.dtype)) + "', but model '" + model.name +
                 "' expects '" + std::string(dtype_name(spec->dtype)) + "'");
    RETURN_IF_ERROR(check_shape(model, *spec, input, checked, i == 0));
  }
  for (size_t i = 0; i < model.inputs.size(); ++i)
    if (checked.input_of_spec[i] == kAbsent)
      return bad("expected " + std::to_string(model.inputs.size()) + " inputs but got " +
                 std::to_string(request.inputs.size()) + " inputs for model '" + model.name +
                 "': '" + model.inputs[i].name + "' is missing");
  if (request.outputs.empty()) checked.outputs_wanted = (uint64_t{1} << model.outputs.size()) - 1;
  for (const auto& wanted : request.outputs) {
    const auto spec = std::ranges::find(model.outputs, wanted.name, &TensorSpec::name);
    if (spec == model.outputs.end())
      return bad("unexpected inference output '" + wanted.name + "' for model '" + model.name +
                 "'");
    const uint64_t bit = uint64_t{1} << (spec - model.outputs.begin());
    if (checked.outputs_wanted & bit) return bad("output '" + wanted.name + "' is requested twice");
    if (wanted.class_count > 0 && spec->dtype == DType::kBytes)
      return bad("output '" + wanted.name + "' holds BYTES, which cannot be classified");
    checked.outputs_wanted |= bit;
  }
  return checked;
}

Status check_input_size(const ServedModel& model, const wire::InputTensor& input, uint64_t bytes) {
  if (input.dtype == DType::kBytes) return ok();
  ASSIGN_OR_RETURN(const int64_t expected, byte_count(input.dtype, input.shape));
  if (static_cast<uint64_t>(expected) != bytes)
    return bad("input byte size mismatch for input '" + input.name + "' for model '" + model.name +
               "'. Expected " + std::to_string(expected) + ", got " + std::to_string(bytes));
  return ok();
}

Status check_input_bytes(const ServedModel& model, const wire::InputTensor& input,
                         std::span<const std::byte> bytes) {
  if (input.dtype != DType::kBytes) return check_input_size(model, input, bytes.size());
  ASSIGN_OR_RETURN(const int64_t expected, element_count(input.shape));
  return wire::check_bytes_tensor(input.name, bytes, expected);
}

}  // namespace corolla::front
