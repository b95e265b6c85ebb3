#include "wire/v2_json.h"

#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace corolla::wire {
namespace od = simdjson::ondemand;
namespace {

// A decoder keeps memory of up to this size between calls; a rare giant does not stay.
constexpr size_t kKeepBytes = size_t{1} << 20;
constexpr int kMaxNesting = 32;

// The bits of the keys met so far in one object: a key that comes twice is refused, since readers
// differ in which one counts.
enum Key : uint32_t {
  kId = 1u << 0,
  kParameters = 1u << 1,
  kInputs = 1u << 2,
  kOutputs = 1u << 3,
  kName = 1u << 4,
  kDatatype = 1u << 5,
  kShape = 1u << 6,
  kData = 1u << 7,
  kBinarySize = 1u << 8,
  kRegion = 1u << 9,
  kOffset = 1u << 10,
  kByteSize = 1u << 11,
  kClassification = 1u << 12,
  kBinary = 1u << 13,
  kBinaryOutput = 1u << 14,
  kPriority = 1u << 15,
  kTimeout = 1u << 16,
  kSequenceId = 1u << 17,
  kSequenceStart = 1u << 18,
  kSequenceEnd = 1u << 19,
};

struct KeyName {
  std::string_view name;
  Key key;
};

struct TensorParameters {
  uint32_t seen = 0;
  uint64_t binary_size = 0;
  uint64_t classification = 0;
  bool binary = false;
  ShmPlace shm;
};

class Reader {
 public:
  Reader(od::document& doc, std::string_view json, uint64_t binary_bytes, const V2Limits& limits,
         std::vector<std::byte>& scratch)
      : doc_(doc), json_(json), binary_bytes_(binary_bytes), limits_(limits), scratch_(scratch) {}

  Result<InferRequest> read() {
    od::object root;
    if (auto e = doc_.get_object().get(root)) return broken("the request", e);
    uint32_t seen = 0;
    for (auto next : root) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken("the request", e);
      od::value& value = field.value();
      static constexpr KeyName kKeys[] = {
          {"id", kId}, {"parameters", kParameters}, {"inputs", kInputs}, {"outputs", kOutputs}};
      switch (match(field, kKeys)) {
        case kId: {
          RETURN_IF_ERROR(once(seen, kId, "id", value));
          ASSIGN_OR_RETURN(request_.id, text(value, "id"));
          break;
        }
        case kParameters:
          RETURN_IF_ERROR(once(seen, kParameters, "parameters", value));
          RETURN_IF_ERROR(request_parameters(value));
          break;
        case kInputs:
          RETURN_IF_ERROR(once(seen, kInputs, "inputs", value));
          RETURN_IF_ERROR(inputs(value));
          break;
        case kOutputs:
          RETURN_IF_ERROR(once(seen, kOutputs, "outputs", value));
          RETURN_IF_ERROR(outputs(value));
          break;
        default:
          RETURN_IF_ERROR(skip(value, 0));
      }
    }
    // Once everything is read there is no location any more.
    if (doc_.current_location().error() != simdjson::OUT_OF_BOUNDS)
      return bad("the request", here(), "text follows the JSON object");
    if (!(seen & kInputs)) return bad("inputs", json_.size(), "is missing");
    return finish();
  }

 private:
  // ---- errors
  // --------------------------------------------------------------------------------------------------

  Error bad(std::string_view field, size_t offset, const std::string& why) const {
    return Error{Code::kInvalidArgument, "inference request JSON: " + std::string(field) + " " +
                                             why + " (at byte " + std::to_string(offset) + " of " +
                                             std::to_string(json_.size()) + ")"};
  }
  Error broken(std::string_view field, simdjson::error_code e) const {
    return bad(field, here(), std::string("cannot be read: ") + simdjson::error_message(e));
  }
  size_t here() const {
    const char* at = nullptr;
    if (doc_.current_location().get(at) || at < json_.data()) return json_.size();
    return std::min<size_t>(at - json_.data(), json_.size());
  }
  size_t where(od::value& value) const {
    const char* at = value.raw_json_token().data();
    return at < json_.data() ? 0 : std::min<size_t>(at - json_.data(), json_.size());
  }

  // ---- small values
  // --------------------------------------------------------------------------------------------

  // Keys are compared as they are written: one spelled with escapes counts as unknown.
  template <size_t N>
  static uint32_t match(od::field& field, const KeyName (&keys)[N]) {
    for (const KeyName& key : keys)
      if (field.key() == key.name) return key.key;
    return 0;
  }

  Status once(uint32_t& seen, Key key, std::string_view name, od::value& value) const {
    if (seen & key) return bad(name, where(value), "is given twice");
    seen |= key;
    return ok();
  }

  Result<std::string> text(od::value& value, std::string_view field) const {
    std::string_view view;
    if (value.get_string().get(view)) return bad(field, where(value), "is not a string");
    return std::string(view);
  }

  Result<uint64_t> count(od::value& value, std::string_view field) const {
    uint64_t number = 0;
    if (value.get_uint64().get(number))
      return bad(field, where(value), "is not a whole number from 0 to 18446744073709551615");
    return number;
  }

  Result<bool> truth(od::value& value, std::string_view field) const {
    bool yes = false;
    if (value.get_bool().get(yes)) return bad(field, where(value), "is neither true nor false");
    return yes;
  }

  // Reads over a value that means nothing to us, but must be JSON.
  Status skip(od::value& value, int depth) const {
    size_t at = where(value);
    if (depth > kMaxNesting)
      return bad("the request", at, "nests deeper than " + std::to_string(kMaxNesting) + " levels");
    od::json_type type{};
    if (auto e = value.type().get(type)) return broken("an unknown field", e);
    switch (type) {
      case od::json_type::array: {
        od::array array;
        if (auto e = value.get_array().get(array)) return broken("an unknown field", e);
        for (auto next : array) {
          od::value element;
          if (auto e = std::move(next).get(element)) return broken("an unknown field", e);
          RETURN_IF_ERROR(skip(element, depth + 1));
        }
        return ok();
      }
      case od::json_type::object: {
        od::object object;
        if (auto e = value.get_object().get(object)) return broken("an unknown field", e);
        for (auto next : object) {
          od::field field;
          if (auto e = std::move(next).get(field)) return broken("an unknown field", e);
          RETURN_IF_ERROR(skip(field.value(), depth + 1));
        }
        return ok();
      }
      case od::json_type::string: {
        std::string_view view;
        if (value.get_string().get(view)) return bad("an unknown field", at, "is a broken string");
        return ok();
      }
      case od::json_type::number: {
        double number = 0;
        if (value.get_double().get(number))
          return bad("an unknown field", at, "is a broken number");
        return ok();
      }
      case od::json_type::boolean: {
        bool yes = false;
        if (value.get_bool().get(yes)) return bad("an unknown field", at, "is not JSON");
        return ok();
      }
      case od::json_type::null: {
        bool null = false;
        if (simdjson::simdjson_result<bool>(value.is_null()).get(null) || !null)
          return bad("an unknown field", at, "is not JSON");
        return ok();
      }
    }
    return bad("an unknown field", at, "is not JSON");
  }

  // Parameters that Triton would hand to the model; they must be scalars, and mean nothing here.
  Status skip_parameter(od::value& value, const std::string& path) const {
    od::json_type type{};
    if (auto e = value.type().get(type)) return broken(path, e);
    if (type == od::json_type::array || type == od::json_type::object)
      return bad(path, where(value),
                 "has a value that is neither a string, a number nor a boolean");
    return skip(value, 0);
  }

  // ---- request
  // -------------------------------------------------------------------------------------------------

  Status request_parameters(od::value& value) {
    od::object object;
    if (value.get_object().get(object)) return bad("parameters", where(value), "is not an object");
    uint32_t seen = 0;
    for (auto next : object) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken("parameters", e);
      od::value& v = field.value();
      static constexpr KeyName kKeys[] = {{"binary_data_output", kBinaryOutput},
                                          {"priority", kPriority},
                                          {"timeout", kTimeout},
                                          {"sequence_id", kSequenceId},
                                          {"sequence_start", kSequenceStart},
                                          {"sequence_end", kSequenceEnd}};
      uint32_t key = match(field, kKeys);
      if (key == 0) {
        RETURN_IF_ERROR(skip_parameter(v, "a field of parameters"));
        continue;
      }
      std::string path = "parameters.";
      for (const KeyName& k : kKeys)
        if (k.key == key) path += k.name;
      RETURN_IF_ERROR(once(seen, static_cast<Key>(key), path, v));
      switch (key) {
        case kBinaryOutput: {
          ASSIGN_OR_RETURN(request_.binary_by_default, truth(v, path));
          break;
        }
        case kPriority: {
          ASSIGN_OR_RETURN(request_.priority, count(v, path));
          break;
        }
        case kTimeout: {
          ASSIGN_OR_RETURN(request_.timeout_us, count(v, path));
          break;
        }
        case kSequenceId: {
          if (v.raw_json_token().starts_with('"')) {
            ASSIGN_OR_RETURN(std::string id, text(v, path));
            if (!id.empty()) request_.sequence = true;
          } else {
            ASSIGN_OR_RETURN(uint64_t id, count(v, path));
            if (id != 0) request_.sequence = true;
          }
          break;
        }
        default: {
          ASSIGN_OR_RETURN(bool yes, truth(v, path));
          if (yes) request_.sequence = true;
        }
      }
    }
    return ok();
  }

  Result<TensorParameters> tensor_parameters(od::value& value, const std::string& tensor,
                                             bool input) {
    TensorParameters p;
    od::object object;
    if (value.get_object().get(object))
      return bad(tensor + ".parameters", where(value), "is not an object");
    for (auto next : object) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken(tensor + ".parameters", e);
      od::value& v = field.value();
      static constexpr KeyName kKeys[] = {
          {"binary_data_size", kBinarySize},   {"binary_data", kBinary},
          {"classification", kClassification}, {"shared_memory_region", kRegion},
          {"shared_memory_offset", kOffset},   {"shared_memory_byte_size", kByteSize}};
      uint32_t key = match(field, kKeys);
      bool known = key != 0;
      if (key == kBinarySize && !input) known = false;
      if ((key == kBinary || key == kClassification) && input) known = false;
      if (!known) {
        RETURN_IF_ERROR(skip_parameter(v, "a field of " + tensor + ".parameters"));
        continue;
      }
      std::string path = tensor + ".parameters.";
      for (const KeyName& k : kKeys)
        if (k.key == key) path += k.name;
      RETURN_IF_ERROR(once(p.seen, static_cast<Key>(key), path, v));
      switch (key) {
        case kBinarySize: {
          ASSIGN_OR_RETURN(p.binary_size, count(v, path));
          break;
        }
        case kBinary: {
          ASSIGN_OR_RETURN(p.binary, truth(v, path));
          break;
        }
        case kClassification: {
          ASSIGN_OR_RETURN(p.classification, count(v, path));
          if (p.classification > std::numeric_limits<uint32_t>::max())
            return bad(path, where(v), "is over 4294967295 classes");
          break;
        }
        case kRegion: {
          ASSIGN_OR_RETURN(p.shm.region, text(v, path));
          if (p.shm.region.empty()) return bad(path, where(v), "is empty");
          break;
        }
        case kOffset: {
          ASSIGN_OR_RETURN(p.shm.offset, count(v, path));
          break;
        }
        default: {
          ASSIGN_OR_RETURN(p.shm.bytes, count(v, path));
        }
      }
    }
    if ((p.seen & kRegion) && !(p.seen & kByteSize))
      return bad(tensor + ".parameters", here(),
                 "has shared_memory_region without shared_memory_byte_size");
    if ((p.seen & (kOffset | kByteSize)) && !(p.seen & kRegion))
      return bad(
          tensor + ".parameters", here(),
          "has shared_memory_offset or shared_memory_byte_size without shared_memory_region");
    if ((p.seen & kRegion) && (p.seen & kBinarySize))
      return bad(tensor + ".parameters", here(),
                 "has both shared_memory_region and binary_data_size; give one");
    return p;
  }

  // ---- inputs
  // --------------------------------------------------------------------------------------------------

  Status inputs(od::value& value) {
    return each(value, "input", [this](auto& one, auto& path) { return input(one, path); });
  }

  // Reads the array of tensors called `noun` + "s".
  template <class One>
  Status each(od::value& value, const std::string& noun, One one) {
    od::array array;
    if (value.get_array().get(array)) return bad(noun + "s", where(value), "is not an array");
    size_t index = 0;
    for (auto next : array) {
      od::value element;
      if (auto e = std::move(next).get(element)) return broken(noun + "s", e);
      const std::string path = noun + "s[" + std::to_string(index) + "]";
      if (index++ == limits_.max_tensors)
        return bad(path, where(element),
                   "is one " + noun + " over the limit of " + std::to_string(limits_.max_tensors));
      RETURN_IF_ERROR(one(element, path));
    }
    return ok();
  }

  Status input(od::value& value, const std::string& path) {
    size_t at = where(value);
    od::object object;
    if (value.get_object().get(object)) return bad(path, at, "is not an object");
    InputTensor tensor;
    TensorParameters parameters;
    uint32_t seen = 0;
    for (auto next : object) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken(path, e);
      od::value& v = field.value();
      static constexpr KeyName kKeys[] = {{"name", kName},
                                          {"datatype", kDatatype},
                                          {"shape", kShape},
                                          {"data", kData},
                                          {"parameters", kParameters}};
      switch (match(field, kKeys)) {
        case kName: {
          RETURN_IF_ERROR(once(seen, kName, path + ".name", v));
          ASSIGN_OR_RETURN(tensor.name, text(v, path + ".name"));
          break;
        }
        case kDatatype: {
          RETURN_IF_ERROR(once(seen, kDatatype, path + ".datatype", v));
          ASSIGN_OR_RETURN(std::string name, text(v, path + ".datatype"));
          auto dtype = dtype_from_name(name);
          if (!dtype)
            return bad(path + ".datatype", where(v),
                       "'" + name.substr(0, 40) + "' is no data type");
          tensor.dtype = *dtype;
          break;
        }
        case kShape:
          RETURN_IF_ERROR(once(seen, kShape, path + ".shape", v));
          RETURN_IF_ERROR(shape(v, path + ".shape", tensor.shape));
          break;
        case kParameters: {
          RETURN_IF_ERROR(once(seen, kParameters, path + ".parameters", v));
          ASSIGN_OR_RETURN(parameters, tensor_parameters(v, path, true));
          break;
        }
        case kData:
          // Read below, once datatype and shape are known: they may come after it.
          RETURN_IF_ERROR(once(seen, kData, path + ".data", v));
          break;
        default:
          RETURN_IF_ERROR(skip(v, 0));
      }
    }
    for (KeyName must : {KeyName{"name", kName}, {"datatype", kDatatype}, {"shape", kShape}})
      if (!(seen & must.key)) return bad(path + "." + std::string(must.name), at, "is missing");
    for (const InputTensor& other : request_.inputs)
      if (other.name == tensor.name)
        return bad(path + ".name", at, "'" + tensor.name + "' was given before");

    int sources =
        !!(seen & kData) + !!(parameters.seen & kBinarySize) + !!(parameters.seen & kRegion);
    if (sources == 0)
      return bad(path, at,
                 "has no content: give data, parameters.binary_data_size or "
                 "parameters.shared_memory_region");
    if (sources > 1)
      return bad(path, at, "has both data and a binary or shared memory size; give one");

    std::string sized = path + ".shape";
    int64_t bytes = -1;  // of dtypes with a fixed size
    auto elements = element_count(tensor.shape);
    if (!elements) return bad(sized, at, "cannot be: " + elements.error().what);
    if (tensor.dtype != DType::kBytes) {
      auto total = byte_count(tensor.dtype, tensor.shape);
      if (!total) return bad(sized, at, "cannot be: " + total.error().what);
      bytes = *total;
    }
    size_t begin = scratch_.size();
    if (seen & kData) {
      od::value data;
      if (!object.reset().error() && !object.find_field_unordered("data").get(data)) {
        RETURN_IF_ERROR(content(data, path + ".data", tensor, *elements));
      } else {
        return bad(path + ".data", at, "cannot be read");
      }
    } else {
      uint64_t given = parameters.seen & kRegion ? parameters.shm.bytes : parameters.binary_size;
      if (bytes >= 0 && given != static_cast<uint64_t>(bytes))
        return bad(path, at,
                   "has " + std::to_string(given) + " bytes of content where shape " +
                       shape_text(tensor.shape) + " of " + std::string(dtype_name(tensor.dtype)) +
                       " needs " + std::to_string(bytes));
      if (parameters.seen & kRegion) {
        tensor.shm = std::move(parameters.shm);
      } else {
        tensor.binary = true;
        tensor.binary_size = parameters.binary_size;
        if (__builtin_add_overflow(binary_sum_, parameters.binary_size, &binary_sum_) ||
            binary_sum_ > binary_bytes_)
          return bad(path + ".parameters.binary_data_size", at,
                     "of " + std::to_string(parameters.binary_size) + " is more than the " +
                         std::to_string(binary_bytes_) + " bytes that follow the JSON");
      }
    }
    places_.push_back({begin, scratch_.size() - begin});
    request_.inputs.push_back(std::move(tensor));
    return ok();
  }

  Status shape(od::value& value, const std::string& path, std::vector<int64_t>& out) {
    od::array array;
    if (value.get_array().get(array)) return bad(path, where(value), "is not an array");
    for (auto next : array) {
      od::value element;
      if (auto e = std::move(next).get(element)) return broken(path, e);
      if (out.size() == limits_.max_dims)
        return bad(path, where(element),
                   "has more than " + std::to_string(limits_.max_dims) + " dimensions");
      int64_t dim = 0;
      if (element.get_int64().get(dim) || dim < 0)
        return bad(path + "[" + std::to_string(out.size()) + "]", where(element),
                   "is not a whole number from 0 to 9223372036854775807");
      out.push_back(dim);
    }
    return ok();
  }

  // ---- tensor content
  // ------------------------------------------------------------------------------------------

  Status content(od::value& value, const std::string& path, const InputTensor& tensor,
                 int64_t elements) {
    // Each element takes at least one character, so no shape can make us take much more memory than
    // the text itself.
    if (static_cast<uint64_t>(elements) > json_.size())
      return bad(path, where(value),
                 "cannot hold the " + std::to_string(elements) + " elements of shape " +
                     shape_text(tensor.shape));
    switch (tensor.dtype) {
      case DType::kBool:
        return fill<bool>(value, path, elements);
      case DType::kUint8:
        return fill<uint8_t>(value, path, elements);
      case DType::kUint16:
        return fill<uint16_t>(value, path, elements);
      case DType::kUint32:
        return fill<uint32_t>(value, path, elements);
      case DType::kUint64:
        return fill<uint64_t>(value, path, elements);
      case DType::kInt8:
        return fill<int8_t>(value, path, elements);
      case DType::kInt16:
        return fill<int16_t>(value, path, elements);
      case DType::kInt32:
        return fill<int32_t>(value, path, elements);
      case DType::kInt64:
        return fill<int64_t>(value, path, elements);
      case DType::kFp32:
        return fill<float>(value, path, elements);
      case DType::kFp64:
        return fill<double>(value, path, elements);
      case DType::kBytes:
        return fill<std::string_view>(value, path, elements);
      case DType::kFp16:
      case DType::kBf16:
        break;
    }
    return bad(path, where(value),
               "cannot be: sending " + std::string(dtype_name(tensor.dtype)) +
                   " data via JSON is not supported; use the binary data format for input '" +
                   tensor.name + "'");
  }

  template <class T>
  Status fill(od::value& value, const std::string& path, int64_t elements) {
    if constexpr (!std::is_same_v<T, std::string_view>)
      scratch_.reserve(scratch_.size() + elements * sizeof(T));
    Filler filler{.wanted = elements};
    RETURN_IF_ERROR(fill_level<T>(value, path, filler, 1));
    if (filler.done != elements)
      return bad(path, here(),
                 "has " + std::to_string(filler.done) + " elements where its shape has " +
                     std::to_string(elements));
    return ok();
  }

  struct Filler {
    int64_t wanted = 0, done = 0;
    int leaf_level = 0;  // 0: no element seen yet
  };

  template <class T>
  Status fill_level(od::value& value, const std::string& path, Filler& filler, int level) {
    od::array array;
    if (value.get_array().get(array)) return bad(path, where(value), "is not an array");
    if (level > kMaxNesting)
      return bad(path, where(value),
                 "nests deeper than " + std::to_string(kMaxNesting) + " levels");
    for (auto next : array) {
      od::value element;
      if (auto e = std::move(next).get(element)) return broken(path, e);
      if (element.raw_json_token().starts_with('[')) {
        RETURN_IF_ERROR(fill_level<T>(element, path, filler, level + 1));
        continue;
      }
      if (filler.leaf_level == 0) filler.leaf_level = level;
      if (filler.leaf_level != level)
        return bad(path, where(element), "mixes elements of different nesting");
      if (filler.done == filler.wanted)
        return bad(path, where(element),
                   "has more than the " + std::to_string(filler.wanted) + " elements of its shape");
      RETURN_IF_ERROR(append<T>(element, path, filler.done));
      ++filler.done;
    }
    return ok();
  }

  template <class T>
  Status append(od::value& element, const std::string& path, int64_t index) {
    auto wrong = [&](const std::string& what) {
      return bad(path, where(element), "element " + std::to_string(index) + " is not " + what);
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
    scratch_.insert(scratch_.end(), begin, begin + n);
  }

  // The words that Triton reads (and writes) beyond JSON.
  static std::optional<double> not_finite(std::string_view token) {
    size_t end = token.find_first_of(" \t\r\n,]");
    token = token.substr(0, end);
    constexpr double kInf = std::numeric_limits<double>::infinity();
    if (token == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (token == "Infinity" || token == "Inf") return kInf;
    if (token == "-Infinity" || token == "-Inf") return -kInf;
    return std::nullopt;
  }

  // ---- outputs
  // -------------------------------------------------------------------------------------------------

  Status outputs(od::value& value) {
    return each(value, "output", [this](auto& one, auto& path) { return output(one, path); });
  }

  Status output(od::value& value, const std::string& path) {
    size_t at = where(value);
    od::object object;
    if (value.get_object().get(object)) return bad(path, at, "is not an object");
    WantedOutput wanted;
    TensorParameters parameters;
    uint32_t seen = 0;
    for (auto next : object) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken(path, e);
      od::value& v = field.value();
      static constexpr KeyName kKeys[] = {{"name", kName}, {"parameters", kParameters}};
      switch (match(field, kKeys)) {
        case kName: {
          RETURN_IF_ERROR(once(seen, kName, path + ".name", v));
          ASSIGN_OR_RETURN(wanted.name, text(v, path + ".name"));
          break;
        }
        case kParameters: {
          RETURN_IF_ERROR(once(seen, kParameters, path + ".parameters", v));
          ASSIGN_OR_RETURN(parameters, tensor_parameters(v, path, false));
          break;
        }
        default:
          RETURN_IF_ERROR(skip(v, 0));
      }
    }
    if (!(seen & kName)) return bad(path + ".name", at, "is missing");
    for (const WantedOutput& other : request_.outputs)
      if (other.name == wanted.name)
        return bad(path + ".name", at, "'" + wanted.name + "' was asked for before");
    wanted.binary = parameters.binary;
    wanted.class_count = static_cast<uint32_t>(parameters.classification);
    if (parameters.seen & kRegion) {
      if (wanted.class_count != 0)
        return bad(path, at, "asks for classification into shared memory, which is not supported");
      wanted.shm = std::move(parameters.shm);
    }
    binary_given_.push_back(parameters.seen & kBinary);
    request_.outputs.push_back(std::move(wanted));
    return ok();
  }

  Result<InferRequest> finish() {
    if (binary_sum_ != binary_bytes_)
      return bad("inputs", json_.size(),
                 "take " + std::to_string(binary_sum_) + " bytes of binary data where " +
                     std::to_string(binary_bytes_) + " follow the JSON");
    for (size_t i = 0; i < request_.outputs.size(); ++i)
      if (!binary_given_[i]) request_.outputs[i].binary = request_.binary_by_default;
    for (size_t i = 0; i < request_.inputs.size(); ++i)
      request_.inputs[i].bytes = std::span(scratch_).subspan(places_[i].begin, places_[i].size);
    return std::move(request_);
  }

  struct Place {
    size_t begin, size;
  };

  od::document& doc_;
  std::string_view json_;
  uint64_t binary_bytes_;
  const V2Limits& limits_;
  std::vector<std::byte>& scratch_;
  InferRequest request_;
  std::vector<Place> places_;  // of each input in scratch_, which moves as it grows
  std::vector<bool> binary_given_;
  uint64_t binary_sum_ = 0;
};

}  // namespace

struct V2Decoder::State {
  V2Limits limits;
  od::parser parser;
  std::string padded;
  std::vector<std::byte> scratch;
};

V2Decoder::V2Decoder(const V2Limits& limits) : state_(std::make_unique<State>()) {
  state_->limits = limits;
}
V2Decoder::~V2Decoder() = default;
V2Decoder::V2Decoder(V2Decoder&&) noexcept = default;
V2Decoder& V2Decoder::operator=(V2Decoder&&) noexcept = default;

Result<InferRequest> V2Decoder::decode(std::string_view json, uint64_t binary_bytes) {
  State& s = *state_;
  if (json.size() > s.limits.max_json_bytes)
    return Error{Code::kTooLarge, "the JSON part of the inference request has " +
                                      std::to_string(json.size()) + " bytes, over the limit of " +
                                      std::to_string(s.limits.max_json_bytes) +
                                      "; send tensors in the binary data format"};
  if (s.parser.capacity() > kKeepBytes) s.parser = od::parser();
  if (s.padded.capacity() > kKeepBytes) s.padded = std::string();
  if (s.scratch.capacity() > kKeepBytes) s.scratch = std::vector<std::byte>();
  s.scratch.clear();
  s.padded.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  s.padded.assign(json);
  simdjson::padded_string_view view(s.padded.data(), json.size(),
                                    json.size() + simdjson::SIMDJSON_PADDING);
  od::document doc;
  if (auto e = s.parser.iterate(view).get(doc))
    return Error{Code::kInvalidArgument,
                 std::string("inference request JSON: the request cannot be read: ") +
                     simdjson::error_message(e) + " (" + std::to_string(json.size()) + " bytes)"};
  return Reader(doc, {s.padded.data(), json.size()}, binary_bytes, s.limits, s.scratch).read();
}

}  // namespace corolla::wire
