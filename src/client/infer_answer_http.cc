#include "client/infer_answer_http.h"

#include <simdjson.h>
#include <string.h>

#include <deque>

namespace corolla::client {
namespace {

namespace dom = simdjson::dom;

Error broken(const std::string& what) {
  return {Code::kUnavailable, "the server's inference answer is broken: " + what};
}

template <class T, class From>
Status append_number(dom::element element, std::vector<std::byte>& out) {
  From value{};
  if (element.get(value) != simdjson::SUCCESS)
    return broken("an element of its data is not a number of its type");
  const T typed = static_cast<T>(value);
  const auto* bytes = reinterpret_cast<const std::byte*>(&typed);
  out.insert(out.end(), bytes, bytes + sizeof typed);
  return ok();
}

Status append_text(dom::element element, std::vector<std::byte>& out) {
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS)
    return broken("an element of BYTES data is not a string");
  const uint32_t size = static_cast<uint32_t>(text.size());
  const auto* length = reinterpret_cast<const std::byte*>(&size);
  out.insert(out.end(), length, length + 4);
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), bytes, bytes + text.size());
  return ok();
}

// JSON data may be nested as the shape is; the order of elements is the same.
Status append_data(dom::element data, DType dtype, std::vector<std::byte>& out) {
  dom::array array;
  if (data.get(array) == simdjson::SUCCESS) {
    for (dom::element element : array) RETURN_IF_ERROR(append_data(element, dtype, out));
    return ok();
  }
  switch (dtype) {
    case DType::kFp32:
      return append_number<float, double>(data, out);
    case DType::kFp64:
      return append_number<double, double>(data, out);
    case DType::kBool:
      return append_number<bool, bool>(data, out);
    case DType::kInt8:
      return append_number<int8_t, int64_t>(data, out);
    case DType::kInt16:
      return append_number<int16_t, int64_t>(data, out);
    case DType::kInt32:
      return append_number<int32_t, int64_t>(data, out);
    case DType::kInt64:
      return append_number<int64_t, int64_t>(data, out);
    case DType::kUint8:
      return append_number<uint8_t, uint64_t>(data, out);
    case DType::kUint16:
      return append_number<uint16_t, uint64_t>(data, out);
    case DType::kUint32:
      return append_number<uint32_t, uint64_t>(data, out);
    case DType::kUint64:
      return append_number<uint64_t, uint64_t>(data, out);
    case DType::kBytes:
      return append_text(data, out);
    case DType::kFp16:
    case DType::kBf16:
      return broken(std::string(dtype_name(dtype)) + " has no JSON form");
  }
  return broken("unknown type");
}

std::string text_of(dom::element root, std::string_view key) {
  std::string_view text;
  return root[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

}  // namespace

Result<InferAnswer> read_http_infer_answer(std::span<const std::byte> body,
                                           std::optional<size_t> json_size) {
  const size_t json_bytes = json_size.value_or(body.size());
  if (json_bytes > body.size())
    return broken("Inference-Header-Content-Length is " + std::to_string(json_bytes) +
                  ", its body " + std::to_string(body.size()) + " bytes");
  std::span<const std::byte> binary = body.subspan(json_bytes);
  dom::parser parser;
  simdjson::padded_string text(reinterpret_cast<const char*>(body.data()), json_bytes);
  dom::element root;
  dom::array outputs;
  if (parser.parse(text).get(root) != simdjson::SUCCESS) return broken("its JSON does not parse");
  if (root["outputs"].get(outputs) != simdjson::SUCCESS) return broken("it has no outputs");
  auto from_json = std::make_shared<std::deque<std::vector<std::byte>>>();
  InferAnswer answer{text_of(root, "model_name"),
                     text_of(root, "model_version"),
                     text_of(root, "id"),
                     {},
                     from_json};
  for (dom::element output : outputs) {
    OutputValue value;
    value.name = text_of(output, "name");
    const std::string type = text_of(output, "datatype");
    const auto dtype = dtype_from_name(type);
    if (!dtype) return broken("output '" + value.name + "' has the unknown type '" + type + "'");
    value.dtype = *dtype;
    dom::array shape;
    if (output["shape"].get(shape) == simdjson::SUCCESS)
      for (dom::element d : shape) {
        int64_t n = 0;
        if (d.get(n) != simdjson::SUCCESS)
          return broken("output '" + value.name + "' has a shape that is no list of numbers");
        value.shape.push_back(n);
      }
    uint64_t size = 0;
    dom::element data;
    if (output["parameters"]["binary_data_size"].get(size) == simdjson::SUCCESS) {
      if (size > binary.size()) return broken("output '" + value.name + "' is cut off");
      value.bytes = binary.first(size);
      binary = binary.subspan(size);
    } else if (output["data"].get(data) == simdjson::SUCCESS) {
      std::vector<std::byte>& own = from_json->emplace_back();
      RETURN_IF_ERROR(append_data(data, value.dtype, own));
      value.bytes = own;
    }
    answer.outputs.push_back(std::move(value));
  }
  return answer;
}

}  // namespace corolla::client
