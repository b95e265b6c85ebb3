#include "wire/v2_content.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>

namespace corolla::wire::v2 {
namespace {

// The words that Triton reads (and writes) beyond JSON.
std::optional<double> not_finite(std::string_view token) {
  size_t end = token.find_first_of(" \t\r\n,]");
  token = token.substr(0, end);
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (token == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (token == "Infinity" || token == "Inf") return kInf;
  if (token == "-Infinity" || token == "-Inf") return -kInf;
  return std::nullopt;
}

// How far one tensor's elements have been read.
class ContentReader {
 public:
  ContentReader(const FieldReader& fields, const std::string& path, std::vector<std::byte>& out)
      : fields_(fields), path_(path), out_(out) {}

  template <class T>
  Status fill(od::value& value, int64_t elements) {
    if constexpr (!std::is_same_v<T, std::string_view>)
      out_.reserve(out_.size() + elements * sizeof(T));
    wanted_ = elements;
    RETURN_IF_ERROR(level<T>(value, 1));
    if (done_ != elements)
      return fields_.bad(path_, fields_.here(),
                         "has " + std::to_string(done_) + " elements where its shape has " +
                             std::to_string(elements));
    return ok();
  }

 private:
  template <class T>
  Status level(od::value& value, int depth) {
    od::array array;
    if (value.get_array().get(array))
      return fields_.bad(path_, fields_.where(value), "is not an array");
    if (depth > kMaxNesting)
      return fields_.bad(path_, fields_.where(value),
                         "nests deeper than " + std::to_string(kMaxNesting) + " levels");
    for (auto next : array) {
      od::value element;
      if (auto e = std::move(next).get(element)) return fields_.broken(path_, e);
      if (element.raw_json_token().starts_with('[')) {
        RETURN_IF_ERROR(level<T>(element, depth + 1));
        continue;
      }
      if (leaf_depth_ == 0) leaf_depth_ = depth;
      if (leaf_depth_ != depth)
        return fields_.bad(path_, fields_.where(element), "mixes elements of different nesting");
      if (done_ == wanted_)
        return fields_.bad(
            path_, fields_.where(element),
            "has more than the " + std::to_string(wanted_) + " elements of its shape");
      RETURN_IF_ERROR(append<T>(element));
      ++done_;
    }
    return ok();
  }

  template <class T>
  Status append(od::value& element) {
    auto wrong = [&](const std::string& what) {
      return fields_.bad(path_, fields_.where(element),
                         "element " + std::to_string(done_) + " is not " + what);
    };
    if constexpr (std::is_same_v<T, std::string_view>) {
      std::string_view view;
      if (element.get_string().get(view)) return wrong("a string, as BYTES are");
      auto length = static_cast<uint32_t>(view.size());
      put(&length, sizeof length);
      put(view.data(), view.size());
    } else if constexpr (std::is_same_v<T, bool>) {
      bool yes = false;
      if (element.get_bool().get(yes)) return wrong("true or false");
      uint8_t byte = yes ? 1 : 0;
      put(&byte, 1);
    } else if constexpr (std::is_floating_point_v<T>) {
      double number = 0;
      if (element.get_double().get(number)) {
        auto special = not_finite(element.raw_json_token());
        if (!special) return wrong("a number");
        number = *special;
      } else if (std::abs(number) > static_cast<double>(std::numeric_limits<T>::max()) &&
                 std::isinf(static_cast<T>(number))) {
        return wrong("in the range of FP32");
      }
      T narrow = static_cast<T>(number);
      put(&narrow, sizeof narrow);
    } else {
      T narrow{};
      if constexpr (std::is_same_v<T, uint64_t>) {
        if (element.get_uint64().get(narrow))
          return wrong("a whole number in the data type's range");
      } else {
        int64_t wide = 0;
        if (element.get_int64().get(wide) || wide < std::numeric_limits<T>::min() ||
            wide > static_cast<int64_t>(std::numeric_limits<T>::max()))
          return wrong("a whole number in the data type's range");
        narrow = static_cast<T>(wide);
      }
      put(&narrow, sizeof narrow);
    }
    return ok();
  }

  void put(const void* bytes, size_t n) {
    auto begin = static_cast<const std::byte*>(bytes);
    out_.insert(out_.end(), begin, begin + n);
  }

  const FieldReader& fields_;
  const std::string& path_;
  std::vector<std::byte>& out_;
  int64_t wanted_ = 0, done_ = 0;
  int leaf_depth_ = 0;  // 0: no element seen yet
};

}  // namespace

Status read_content(const FieldReader& fields, od::value& value, const std::string& path,
                    const InputTensor& tensor, int64_t elements, std::vector<std::byte>& out) {
  // Each element takes at least one character, so no shape can make us take much more memory than
  // the text itself.
  if (static_cast<uint64_t>(elements) > fields.json().size())
    return fields.bad(path, fields.where(value),
                      "cannot hold the " + std::to_string(elements) + " elements of shape " +
                          shape_text(tensor.shape));
  ContentReader reader(fields, path, out);
  switch (tensor.dtype) {
    case DType::kBool:
      return reader.fill<bool>(value, elements);
    case DType::kUint8:
      return reader.fill<uint8_t>(value, elements);
    case DType::kUint16:
      return reader.fill<uint16_t>(value, elements);
    case DType::kUint32:
      return reader.fill<uint32_t>(value, elements);
    case DType::kUint64:
      return reader.fill<uint64_t>(value, elements);
    case DType::kInt8:
      return reader.fill<int8_t>(value, elements);
    case DType::kInt16:
      return reader.fill<int16_t>(value, elements);
    case DType::kInt32:
      return reader.fill<int32_t>(value, elements);
    case DType::kInt64:
      return reader.fill<int64_t>(value, elements);
    case DType::kFp32:
      return reader.fill<float>(value, elements);
    case DType::kFp64:
      return reader.fill<double>(value, elements);
    case DType::kBytes:
      return reader.fill<std::string_view>(value, elements);
    case DType::kFp16:
    case DType::kBf16:
      break;
  }
  return fields.bad(path, fields.where(value),
                    "cannot be: sending " + std::string(dtype_name(tensor.dtype)) +
                        " data via JSON is not supported; use the binary data format for input '" +
                        tensor.name + "'");
}

}  // namespace corolla::wire::v2
