#include "load/inputs_json.h"

#include <simdjson.h>
#include <string.h>

namespace corolla::load {
namespace {

namespace dom = simdjson::dom;

class Reader {
 public:
  Reader(const std::string& path, const std::vector<client::TensorMetadata>& inputs)
      : path_(path), inputs_(inputs) {}

  Result<std::vector<std::vector<JsonTensor>>> read(std::span<const std::byte> text) {
    dom::parser parser;
    simdjson::padded_string padded(reinterpret_cast<const char*>(text.data()), text.size());
    dom::element root;
    dom::array data;
    if (const auto error = parser.parse(padded).get(root); error != simdjson::SUCCESS)
      return bad(std::string("it is not JSON: ") + simdjson::error_message(error));
    if (root["data"].get(data) != simdjson::SUCCESS) return bad("it has no list named \"data\"");
    for (dom::element entry : data) {
      dom::array inner;
      if (entry.get(inner) == simdjson::SUCCESS) {
        for (dom::element step : inner) RETURN_IF_ERROR(add_step(step));
      } else {
        RETURN_IF_ERROR(add_step(entry));
      }
    }
    if (steps_.empty()) return bad("its \"data\" is empty");
    return std::move(steps_);
  }

 private:
  Error bad(const std::string& what) const { return {Code::kInvalidArgument, path_ + ": " + what}; }

  Status add_step(dom::element step) {
    dom::object object;
    const std::string where = "entry " + std::to_string(steps_.size());
    if (step.get(object) != simdjson::SUCCESS) return bad(where + " is not an object");
    std::vector<JsonTensor> tensors(inputs_.size());
    for (const auto [key, value] : object) {
      size_t index = 0;
      while (index < inputs_.size() && inputs_[index].name != key) ++index;
      if (index == inputs_.size())
        return bad(where + " names '" + std::string(key) + "', which is no input of the model");
      Status status = read_tensor(value, inputs_[index], tensors[index]);
      if (!status.ok())
        return bad(where + ", input '" + inputs_[index].name + "': " + status.error().what);
    }
    steps_.push_back(std::move(tensors));
    return ok();
  }

  static Status read_tensor(dom::element value, const client::TensorMetadata& input,
                            JsonTensor& tensor) {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return append(value, input.dtype, tensor.bytes);
    dom::array shape;
    if (object["shape"].get(shape) == simdjson::SUCCESS) {
      tensor.shape.emplace();
      for (dom::element d : shape) {
        int64_t n = 0;
        if (d.get(n) != simdjson::SUCCESS || n < 0)
          return wrong("its shape is not a list of sizes");
        tensor.shape->push_back(n);
      }
    }
    std::string_view base64;
    if (object["b64"].get(base64) == simdjson::SUCCESS)
      return decode(base64, input.dtype, tensor.bytes);
    dom::element content;
    if (object["content"].get(content) != simdjson::SUCCESS)
      return wrong("it has neither \"content\" nor \"b64\"");
    return append(content, input.dtype, tensor.bytes);
  }

  static Error wrong(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

  static Status append(dom::element value, DType dtype, std::vector<std::byte>& out) {
    dom::array array;
    if (value.get(array) == simdjson::SUCCESS) {
      for (dom::element element : array) RETURN_IF_ERROR(append(element, dtype, out));
      return ok();
    }
    dom::object object;
    if (value.get(object) == simdjson::SUCCESS) {
      std::string_view base64;
      if (object["b64"].get(base64) == simdjson::SUCCESS) return decode(base64, dtype, out);
    }
    std::string_view text;
    if (dtype == DType::kBytes) {
      if (value.get(text) != simdjson::SUCCESS) return wrong("an element is not a string");
      put_text(text, out);
      return ok();
    }
    double number = 0;
    bool flag = false;
    int64_t integer = 0;
    uint64_t natural = 0;
    if (value.get(flag) == simdjson::SUCCESS) {
      number = flag;
      integer = flag;
    } else if (value.get(integer) == simdjson::SUCCESS) {
      number = static_cast<double>(integer);
      natural = static_cast<uint64_t>(integer);
    } else if (value.get(natural) == simdjson::SUCCESS) {
      number = static_cast<double>(natural);
      integer = static_cast<int64_t>(natural);
    } else if (value.get(number) == simdjson::SUCCESS) {
      integer = static_cast<int64_t>(number);
    } else {
      return wrong("an element is not a number");
    }
    switch (dtype) {
      case DType::kFp32:
        put(static_cast<float>(number), out);
        break;
      case DType::kFp64:
        put(number, out);
        break;
      case DType::kBool:
      case DType::kInt8:
      case DType::kUint8:
        put(static_cast<uint8_t>(integer), out);
        break;
      case DType::kInt16:
      case DType::kUint16:
        put(static_cast<uint16_t>(integer), out);
        break;
      case DType::kInt32:
      case DType::kUint32:
        put(static_cast<uint32_t>(integer), out);
        break;
      case DType::kInt64:
        put(integer, out);
        break;
      case DType::kUint64:
        put(natural, out);
        break;
      default:
        return wrong(std::string(dtype_name(dtype)) + " can only be given as \"b64\"");
    }
    return ok();
  }

  template <class T>
  static void put(T value, std::vector<std::byte>& out) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    out.insert(out.end(), bytes, bytes + sizeof value);
  }

  static void put_text(std::string_view text, std::vector<std::byte>& out) {
    put(static_cast<uint32_t>(text.size()), out);
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    out.insert(out.end(), bytes, bytes + text.size());
  }

  static Status decode(std::string_view text, DType dtype, std::vector<std::byte>& out) {
    std::string plain;
    uint32_t bits = 0;
    int have = 0;
    for (const char c : text) {
      if (c == '=' || isspace(static_cast<unsigned char>(c))) continue;
      const char* alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      const char* at = strchr(alphabet, c);
      if (at == nullptr || c == '\0') return wrong("its \"b64\" is not base64");
      bits = bits << 6 | static_cast<uint32_t>(at - alphabet);
      have += 6;
      if (have >= 8) {
        have -= 8;
        plain += static_cast<char>(bits >> have);
      }
    }
    if (dtype == DType::kBytes) {
      put_text(plain, out);
    } else {
      const auto* bytes = reinterpret_cast<const std::byte*>(plain.data());
      out.insert(out.end(), bytes, bytes + plain.size());
    }
    return ok();
  }

  const std::string& path_;
  const std::vector<client::TensorMetadata>& inputs_;
  std::vector<std::vector<JsonTensor>> steps_;
};

}  // namespace

Result<std::vector<std::vector<JsonTensor>>> read_json_inputs(
    std::span<const std::byte> text, const std::string& path,
    const std::vector<client::TensorMetadata>& inputs) {
  return Reader(path, inputs).read(text);
}

}  // namespace corolla::load
