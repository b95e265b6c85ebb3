// The parts of v2_json.h that need no parser: answers, and requests without JSON.
#include <cstring>
#include <limits>

#include "wire/bytes_tensor.h"
#include "wire/json_text.h"
#include "wire/v2_json.h"

namespace corolla::wire {
namespace {

template <class T>
void append_numbers(std::string& out, std::span<const std::byte> bytes) {
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    if (at) out += ',';
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    append_json_number(out, value);
  }
}

Status append_data(std::string& out, const OutputTensor& tensor) {
  switch (tensor.dtype) {
    case DType::kBool:
      for (size_t i = 0; i < tensor.bytes.size(); ++i) {
        if (i) out += ',';
        out += tensor.bytes[i] != std::byte{0} ? "true" : "false";
      }
      break;
    case DType::kUint8:
      append_numbers<uint8_t>(out, tensor.bytes);
      break;
    case DType::kUint16:
      append_numbers<uint16_t>(out, tensor.bytes);
      break;
    case DType::kUint32:
      append_numbers<uint32_t>(out, tensor.bytes);
      break;
    case DType::kUint64:
      append_numbers<uint64_t>(out, tensor.bytes);
      break;
    case DType::kInt8:
      append_numbers<int8_t>(out, tensor.bytes);
      break;
    case DType::kInt16:
      append_numbers<int16_t>(out, tensor.bytes);
      break;
    case DType::kInt32:
      append_numbers<int32_t>(out, tensor.bytes);
      break;
    case DType::kInt64:
      append_numbers<int64_t>(out, tensor.bytes);
      break;
    case DType::kFp32:
      append_numbers<float>(out, tensor.bytes);
      break;
    case DType::kFp64:
      append_numbers<double>(out, tensor.bytes);
      break;
    case DType::kBytes: {
      BytesReader reader(tensor.bytes);
      for (size_t i = 0; auto element = reader.next(); ++i) {
        if (!is_utf8(*element))
          return Error{Code::kInvalidArgument,
                       "element " + std::to_string(i) + " of output '" + std::string(tensor.name) +
                           "' is not UTF-8 text, so it has no JSON form; ask for it with "
                           "binary_data: true"};
        if (i) out += ',';
        append_json_string(out, *element);
      }
      break;
    }
    case DType::kFp16:
    case DType::kBf16:
      return Error{Code::kInvalidArgument, "sending " + std::string(dtype_name(tensor.dtype)) +
                                               " data via JSON is not supported; ask for output '" +
                                               std::string(tensor.name) +
                                               "' with binary_data: true"};
  }
  return ok();
}

}  // namespace

Result<RawRequest> raw_request(std::string_view input, DType dtype, std::span<const int64_t> dims,
                               bool batched, uint64_t body_bytes) {
  auto bad = [&](const std::string& why) {
    return Error{Code::kInvalidArgument, "raw binary request of " + std::to_string(body_bytes) +
                                             " bytes for input '" + std::string(input) + "' " +
                                             shape_text(dims) + " of " +
                                             std::string(dtype_name(dtype)) + ": " + why};
  };
  RawRequest raw;
  InputTensor tensor;
  tensor.name = input;
  tensor.dtype = dtype;
  tensor.binary = true;
  tensor.binary_size = body_bytes;
  if (batched) tensor.shape.push_back(1);
  tensor.shape.insert(tensor.shape.end(), dims.begin(), dims.end());
  int64_t elements = 1;
  if (dtype == DType::kBytes) {
    if (body_bytes > std::numeric_limits<uint32_t>::max() - 4)
      return bad("a BYTES element has at most 4294967291 bytes");
    raw.length_prefix = true;
    tensor.binary_size += 4;
  } else {
    if (body_bytes % dtype_size(dtype) != 0 ||
        body_bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return bad("the body is not a whole number of elements");
    elements = static_cast<int64_t>(body_bytes / dtype_size(dtype));
  }
  int64_t fixed = 1;
  int64_t* open = nullptr;
  for (int64_t& dim : tensor.shape) {
    if (dim >= 0) {
      if (__builtin_mul_overflow(fixed, dim, &fixed)) return bad("the shape overflows");
    } else if (open != nullptr) {
      return bad("the shape has more than one open dimension, so it cannot be told from the size");
    } else {
      open = &dim;
    }
  }
  if (open != nullptr) {
    if (fixed == 0 || elements % fixed != 0) return bad("no value of the open dimension fits");
    *open = elements / fixed;
  } else if (fixed != elements) {
    return bad("the body holds " + std::to_string(elements) + " elements where the shape has " +
               std::to_string(fixed));
  }
  raw.request.inputs.push_back(std::move(tensor));
  raw.request.binary_by_default = true;
  return raw;
}

Result<std::string> encode_response(const InferResponse& response) {
  size_t guess = 160 + response.id.size() + response.model.size();
  for (const OutputTensor& tensor : response.outputs)
    guess += 160 + tensor.name.size() + (tensor.binary ? 0 : tensor.bytes.size() * 3);
  std::string out;
  out.reserve(guess);
  out += '{';
  if (!response.id.empty()) {
    out += "\"id\":";
    append_json_string(out, response.id);
    out += ',';
  }
  out += "\"model_name\":";
  append_json_string(out, response.model);
  out += ",\"model_version\":";
  append_json_string(out, response.version);
  out += ",\"outputs\":[";
  for (size_t i = 0; i < response.outputs.size(); ++i) {
    const OutputTensor& tensor = response.outputs[i];
    if (i) out += ',';
    out += "{\"name\":";
    append_json_string(out, tensor.name);
    out += ",\"datatype\":\"";
    out += dtype_name(tensor.dtype);
    out += "\",\"shape\":[";
    for (size_t d = 0; d < tensor.shape.size(); ++d) {
      if (d) out += ',';
      append_json_number(out, tensor.shape[d]);
    }
    out += ']';
    // Nothing is said of an output in shared memory: perf_client takes any parameters for a promise
    // of binary_data_size.
    if (tensor.shm) {
      out += '}';
      continue;
    }
    if (tensor.binary) {
      out += ",\"parameters\":{\"binary_data_size\":";
      append_json_number(out, tensor.bytes.size());
      out += '}';
    } else {
      out += ",\"data\":[";
      RETURN_IF_ERROR(append_data(out, tensor));
      out += ']';
    }
    out += '}';
  }
  out += "]}";
  return out;
}

}  // namespace corolla::wire
