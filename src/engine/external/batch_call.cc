#include "engine/external/batch_call.h"

#include <algorithm>
#include <cstring>

#include "wire/bytes_tensor.h"

namespace corolla::engine {
namespace {

bool same_rows(const Request& a, const Request& b) {
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    const auto x = a.inputs[i].shape, y = b.inputs[i].shape;
    if (!std::equal(x.begin() + 1, x.end(), y.begin() + 1, y.end())) return false;
  }
  return true;
}

int rows_of(const RequestGroup& group) {
  int rows = 0;
  for (const Request* request : group) rows += request->rows;
  return rows;
}

Error broken(const std::string& output, const std::string& what) {
  return {Code::kInternal, "the external server's output '" + output + "' " + what};
}

Error too_short(const client::OutputValue& value) {
  return broken(value.name, "has " + std::to_string(value.bytes.size()) +
                                " bytes, fewer than its shape " + shape_text(value.shape) +
                                " makes");
}

// Bytes of the first `elements` of a BYTES tensor.
Result<size_t> bytes_of_elements(const client::OutputValue& value, std::span<const std::byte> from,
                                 int64_t elements) {
  wire::BytesReader reader(from);
  size_t bytes = 0;
  for (int64_t i = 0; i < elements; ++i) {
    const auto element = reader.next();
    if (!element) return broken(value.name, "has fewer elements than its shape says");
    bytes += 4 + element->size();
  }
  return bytes;
}

Status deal_one(const CallModel& model, size_t index, const client::OutputValue& value,
                const RequestGroup& group) {
  if (value.dtype != model.outputs[index].dtype)
    return broken(value.name, "is " + std::string(dtype_name(value.dtype)) + ", and was to be " +
                                  std::string(dtype_name(model.outputs[index].dtype)));
  const int rows = rows_of(group);
  if (model.batched && (value.shape.empty() || value.shape[0] != rows))
    return broken(value.name, "has shape " + shape_text(value.shape) + " for " +
                                  std::to_string(rows) + " rows");
  std::vector<int64_t> row_shape(value.shape.begin() + (model.batched ? 1 : 0), value.shape.end());
  const auto row_elements = element_count(row_shape);
  if (!row_elements.ok()) return broken(value.name, "has shape " + shape_text(value.shape));
  // No element has less than a byte: beyond that, products below could overflow.
  if (*row_elements > static_cast<int64_t>(value.bytes.size())) return too_short(value);
  std::span<const std::byte> left = value.bytes;
  for (const Request* request : group) {
    const int64_t elements = *row_elements * (model.batched ? request->rows : 1);
    size_t bytes = static_cast<size_t>(elements) * dtype_size(value.dtype);
    if (value.dtype == DType::kBytes) {
      ASSIGN_OR_RETURN(bytes, bytes_of_elements(value, left, elements));
    }
    if (bytes > left.size()) return too_short(value);
    if (request->reply->wants(index)) {
      std::vector<int64_t> shape = row_shape;
      if (model.batched) shape.insert(shape.begin(), request->rows);
      const auto room = request->reply->room(index, value.dtype, shape, bytes);
      if (!room.empty()) std::memcpy(room.data(), left.data(), bytes);
    }
    left = left.subspan(bytes);
  }
  if (!left.empty())
    return broken(value.name, "has " + std::to_string(value.bytes.size()) +
                                  " bytes, more than its shape " + shape_text(value.shape) +
                                  " makes");
  return ok();
}

}  // namespace

std::vector<RequestGroup> groups_of(const CallModel& model, std::span<Request> requests) {
  std::vector<RequestGroup> groups;
  for (Request& request : requests) {
    const auto fits = std::find_if(groups.begin(), groups.end(), [&](const RequestGroup& group) {
      return model.batched && same_rows(*group.front(), request);
    });
    if (fits == groups.end())
      groups.push_back({&request});
    else
      fits->push_back(&request);
  }
  return groups;
}

BatchCall batch_call(const CallModel& model, const RequestGroup& group) {
  BatchCall call;
  call.request.model = model.name;
  call.request.version = model.version;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const ConstTensor& first = group.front()->inputs[i];
    wire::InputTensor input;
    input.name = model.inputs[i].name;
    input.dtype = first.dtype;
    input.shape.assign(first.shape.begin(), first.shape.end());
    if (model.batched) input.shape[0] = rows_of(group);
    call.request.inputs.push_back(std::move(input));
    auto& parts = call.parts.emplace_back();
    for (const Request* request : group) parts.push_back(request->inputs[i].bytes);
  }
  for (size_t i = 0; i < model.outputs.size(); ++i)
    if (std::any_of(group.begin(), group.end(),
                    [&](const Request* request) { return request->reply->wants(i); }))
      call.request.outputs.push_back({.name = model.outputs[i].name, .binary = true});
  return call;
}

Status deal_out(const CallModel& model, const client::InferAnswer& answer,
                const RequestGroup& group) {
  for (size_t i = 0; i < model.outputs.size(); ++i) {
    const std::string& name = model.outputs[i].name;
    if (std::none_of(group.begin(), group.end(),
                     [&](const Request* request) { return request->reply->wants(i); }))
      continue;
    const auto value = std::find_if(answer.outputs.begin(), answer.outputs.end(),
                                    [&](const auto& output) { return output.name == name; });
    if (value == answer.outputs.end()) return broken(name, "is missing in its answer");
    RETURN_IF_ERROR(deal_one(model, i, *value, group));
  }
  return ok();
}

}  // namespace corolla::engine
