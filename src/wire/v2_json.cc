#include "wire/v2_json.h"

#include <simdjson.h>

#include <utility>
#include <vector>

#include "wire/v2_content.h"
#include "wire/v2_fields.h"
#include "wire/v2_tensor_parameters.h"

namespace corolla::wire {
namespace od = simdjson::ondemand;
using enum v2::Key;
namespace {

// A decoder keeps memory of up to this size between calls; a rare giant does not stay.
constexpr size_t kKeepBytes = size_t{1} << 20;

class Reader : v2::FieldReader {
 public:
  Reader(od::document& doc, std::string_view json, uint64_t binary_bytes, const V2Limits& limits,
         std::vector<std::byte>& scratch)
      : FieldReader(doc, json),
        doc_(doc),
        binary_bytes_(binary_bytes),
        limits_(limits),
        scratch_(scratch) {}

  Result<InferRequest> read() {
    od::object root;
    if (auto e = doc_.get_object().get(root)) return broken("the request", e);
    uint32_t seen = 0;
    for (auto next : root) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken("the request", e);
      od::value& value = field.value();
      static constexpr v2::KeyName kKeys[] = {
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
    if (!(seen & kInputs)) return bad("inputs", json().size(), "is missing");
    return finish();
  }

 private:
  Status request_parameters(od::value& value) {
    od::object object;
    if (value.get_object().get(object)) return bad("parameters", where(value), "is not an object");
    uint32_t seen = 0;
    for (auto next : object) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken("parameters", e);
      od::value& v = field.value();
      static constexpr v2::KeyName kKeys[] = {{"binary_data_output", kBinaryOutput},
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
      for (const v2::KeyName& k : kKeys)
        if (k.key == key) path += k.name;
      RETURN_IF_ERROR(once(seen, static_cast<v2::Key>(key), path, v));
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
    v2::TensorParameters parameters;
    uint32_t seen = 0;
    for (auto next : object) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken(path, e);
      od::value& v = field.value();
      static constexpr v2::KeyName kKeys[] = {{"name", kName},
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
          ASSIGN_OR_RETURN(parameters, v2::read_tensor_parameters(*this, v, path, true));
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
    for (v2::KeyName must :
         {v2::KeyName{"name", kName}, {"datatype", kDatatype}, {"shape", kShape}})
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
        RETURN_IF_ERROR(v2::read_content(*this, data, path + ".data", tensor, *elements, scratch_));
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

  Status outputs(od::value& value) {
    return each(value, "output", [this](auto& one, auto& path) { return output(one, path); });
  }

  Status output(od::value& value, const std::string& path) {
    size_t at = where(value);
    od::object object;
    if (value.get_object().get(object)) return bad(path, at, "is not an object");
    WantedOutput wanted;
    v2::TensorParameters parameters;
    uint32_t seen = 0;
    for (auto next : object) {
      od::field field;
      if (auto e = std::move(next).get(field)) return broken(path, e);
      od::value& v = field.value();
      static constexpr v2::KeyName kKeys[] = {{"name", kName}, {"parameters", kParameters}};
      switch (match(field, kKeys)) {
        case kName: {
          RETURN_IF_ERROR(once(seen, kName, path + ".name", v));
          ASSIGN_OR_RETURN(wanted.name, text(v, path + ".name"));
          break;
        }
        case kParameters: {
          RETURN_IF_ERROR(once(seen, kParameters, path + ".parameters", v));
          ASSIGN_OR_RETURN(parameters, v2::read_tensor_parameters(*this, v, path, false));
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
      return bad("inputs", json().size(),
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
