#include "plan/onnx_tensor.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace corolla::plan {
namespace {

struct OnnxType {
  std::string_view name;
  std::optional<DType> dtype;
};

// By ONNX's number.
constexpr OnnxType kTypes[] = {
    {"UNDEFINED", std::nullopt},      {"FLOAT", DType::kFp32},
    {"UINT8", DType::kUint8},         {"INT8", DType::kInt8},
    {"UINT16", DType::kUint16},       {"INT16", DType::kInt16},
    {"INT32", DType::kInt32},         {"INT64", DType::kInt64},
    {"STRING", std::nullopt},         {"BOOL", DType::kBool},
    {"FLOAT16", DType::kFp16},        {"DOUBLE", DType::kFp64},
    {"UINT32", DType::kUint32},       {"UINT64", DType::kUint64},
    {"COMPLEX64", std::nullopt},      {"COMPLEX128", std::nullopt},
    {"BFLOAT16", DType::kBf16},       {"FLOAT8E4M3FN", std::nullopt},
    {"FLOAT8E4M3FNUZ", std::nullopt}, {"FLOAT8E5M2", std::nullopt},
    {"FLOAT8E5M2FNUZ", std::nullopt}, {"UINT4", std::nullopt},
    {"INT4", std::nullopt},           {"FLOAT4E2M1", std::nullopt},
};

Error of_tensor(const std::string& name, std::string what) {
  return {Code::kInvalidArgument, "tensor '" + name + "' " + std::move(what)};
}

// Of the fields that hold one element an entry.
template <class From>
Status from_field(const std::string& name, const From& field, Tensor& tensor) {
  if (field.size() != tensor.count())
    return of_tensor(name, "has " + std::to_string(field.size()) + " elements for shape " +
                               shape_text(tensor.shape()));
  // fp16 and bf16 travel as their bits.
  const DType dtype = tensor.dtype() == DType::kFp16 || tensor.dtype() == DType::kBf16
                          ? DType::kUint16
                          : tensor.dtype();
  if (is_float(dtype)) {
    const std::vector<double> values(field.begin(), field.end());
    store(dtype, values, tensor.writable().data());
  } else {
    std::vector<int64_t> values;
    for (const auto v : field) values.push_back(static_cast<int64_t>(v));
    store(dtype, values, tensor.writable().data());
  }
  return ok();
}

Result<int64_t> number(const std::string& name, const std::string& key, const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 0)
    return of_tensor(name, "has external data with " + key + " '" + text + "'");
  return value;
}

Result<Tensor> inner_tensor(onnx::TensorProto& proto, DType dtype, Shape shape) {
  const std::string& name = proto.name();
  if (proto.has_raw_data()) {
    auto owned = std::shared_ptr<const std::string>(proto.release_raw_data());
    const auto bytes = std::as_bytes(std::span(owned->data(), owned->size()));
    auto tensor = Tensor::view(dtype, std::move(shape), owned, bytes);
    if (!tensor.ok()) return of_tensor(name, "is broken: " + tensor.error().what);
    return tensor;
  }
  // The elements' number first: a shape alone must not make us allocate.
  const int64_t there = static_cast<int64_t>(proto.float_data_size()) + proto.int32_data_size() +
                        proto.int64_data_size() + proto.double_data_size() +
                        proto.uint64_data_size();
  const auto count = element_count(shape);
  if (!count.ok() || *count != there)
    return of_tensor(name,
                     "has " + std::to_string(there) + " elements for shape " + shape_text(shape));
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::make(dtype, std::move(shape)));
  switch (dtype) {
    case DType::kFp32:
      RETURN_IF_ERROR(from_field(name, proto.float_data(), tensor));
      break;
    case DType::kFp64:
      RETURN_IF_ERROR(from_field(name, proto.double_data(), tensor));
      break;
    case DType::kInt64:
      RETURN_IF_ERROR(from_field(name, proto.int64_data(), tensor));
      break;
    case DType::kUint32:
    case DType::kUint64:
      RETURN_IF_ERROR(from_field(name, proto.uint64_data(), tensor));
      break;
    default:
      RETURN_IF_ERROR(from_field(name, proto.int32_data(), tensor));
  }
  return tensor;
}

}  // namespace

std::optional<DType> dtype_of_onnx(int64_t data_type) {
  if (data_type < 0 || data_type >= static_cast<int64_t>(std::size(kTypes))) return std::nullopt;
  return kTypes[data_type].dtype;
}

std::string onnx_type_text(int64_t data_type) {
  if (data_type < 0 || data_type >= static_cast<int64_t>(std::size(kTypes)))
    return "type number " + std::to_string(data_type);
  return std::string(kTypes[data_type].name);
}

Status refuse_nan(const std::string& name, const Tensor& tensor) {
  if (!is_float(tensor.dtype())) return ok();
  int64_t first = -1, found = 0;
  if (tensor.dtype() == DType::kFp32) {
    const auto values = tensor.as<float>();
    for (size_t i = 0; i < values.size(); ++i)
      if (std::isnan(values[i]) && found++ == 0) first = static_cast<int64_t>(i);
  } else {
    const std::vector<double> values = tensor.doubles();
    for (size_t i = 0; i < values.size(); ++i)
      if (std::isnan(values[i]) && found++ == 0) first = static_cast<int64_t>(i);
  }
  if (found == 0) return ok();
  return of_tensor(name, "holds " + std::to_string(found) + " NaN of " +
                             std::to_string(tensor.count()) + " weights, the first at element " +
                             std::to_string(first) + ": every answer would be NaN");
}

Result<std::shared_ptr<const MappedFile>> ExternalData::file(const std::string& tensor,
                                                             const std::string& location) {
  if (const auto found = files_.find(location); found != files_.end()) return found->second;
  const std::filesystem::path relative(location);
  bool leaves = location.empty() || relative.is_absolute() || folder_.empty();
  for (const auto& part : relative) leaves = leaves || part == "..";
  if (leaves)
    return of_tensor(tensor,
                     "has its data in '" + location + "', which is not a file beside the model");
  auto opened = MappedFile::open(folder_ / relative, "the external data file");
  if (!opened.ok()) {
    Error error = std::move(opened).error();
    error.what = "tensor '" + tensor + "': " + error.what;
    return error;
  }
  files_[location] = *opened;
  return opened;
}

Result<Tensor> ExternalData::load(const onnx::TensorProto& proto, DType dtype, Shape shape) {
  const std::string& name = proto.name();
  std::string location;
  int64_t offset = 0, length = -1;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") {
      ASSIGN_OR_RETURN(offset, number(name, "offset", entry.value()));
    }
    if (entry.key() == "length") {
      ASSIGN_OR_RETURN(length, number(name, "length", entry.value()));
    }
  }
  const auto needed = byte_count(dtype, shape);
  if (!needed.ok()) return of_tensor(name, "is broken: " + needed.error().what);
  if (length < 0) length = *needed;
  if (length != *needed)
    return of_tensor(name, "of shape " + shape_text(shape) + " needs " + std::to_string(*needed) +
                               " bytes; its external data has length " + std::to_string(length));
  ASSIGN_OR_RETURN(const auto mapped, file(name, location));
  const auto size = static_cast<int64_t>(mapped->bytes().size());
  if (offset > size || length > size - offset)
    return of_tensor(name, "has its data at " + std::to_string(offset) + "+" +
                               std::to_string(length) + " of '" + location + "', which has " +
                               std::to_string(size) + " bytes");
  const auto bytes =
      mapped->bytes().subspan(static_cast<size_t>(offset), static_cast<size_t>(length));
  hash_ = content_hash(bytes, hash_);
  return Tensor::view(dtype, std::move(shape), mapped, bytes);
}

Result<Tensor> tensor_of_onnx(onnx::TensorProto& proto, ExternalData& external) {
  const std::string name = proto.name();
  const auto dtype = dtype_of_onnx(proto.data_type());
  if (!dtype)
    return Error{Code::kUnsupported, "tensor '" + name + "' is of type " +
                                         onnx_type_text(proto.data_type()) +
                                         ", which is not supported"};
  if (proto.has_segment()) return of_tensor(name, "comes in segments, which is not supported");
  Shape shape(proto.dims().begin(), proto.dims().end());
  if (proto.data_location() == onnx::TensorProto::EXTERNAL)
    return external.load(proto, *dtype, std::move(shape));
  return inner_tensor(proto, *dtype, std::move(shape));
}

}  // namespace corolla::plan
