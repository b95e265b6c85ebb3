#include "base/dtype.h"

#include <array>

namespace corolla {
namespace {

struct Entry {
  std::string_view name;
  size_t size;
};

// In the order of the enum.
constexpr std::array<Entry, 14> kTable = {{{"BOOL", 1},
                                           {"UINT8", 1},
                                           {"UINT16", 2},
                                           {"UINT32", 4},
                                           {"UINT64", 8},
                                           {"INT8", 1},
                                           {"INT16", 2},
                                           {"INT32", 4},
                                           {"INT64", 8},
                                           {"FP16", 2},
                                           {"BF16", 2},
                                           {"FP32", 4},
                                           {"FP64", 8},
                                           {"BYTES", 0}}};

}  // namespace

std::string_view dtype_name(DType dtype) { return kTable[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

size_t dtype_size(DType dtype) { return kTable[static_cast<size_t>(dtype)].size; }

Result<int64_t> element_count(std::span<const int64_t> shape) {
  int64_t n = 1;
  for (int64_t dim : shape) {
    if (dim < 0)
      return Error{Code::kInvalidArgument,
                   "shape " + shape_text(shape) + " has a negative dimension"};
    if (__builtin_mul_overflow(n, dim, &n))
      return Error{Code::kInvalidArgument,
                   "shape " + shape_text(shape) + " has more elements than 63 bits can count"};
  }
  return n;
}

Result<int64_t> byte_count(DType dtype, std::span<const int64_t> shape) {
  CHECK(dtype != DType::kBytes);
  ASSIGN_OR_RETURN(int64_t n, element_count(shape));
  if (__builtin_mul_overflow(n, static_cast<int64_t>(dtype_size(dtype)), &n))
    return Error{Code::kInvalidArgument,
                 "shape " + shape_text(shape) + " has more bytes than 63 bits can count"};
  return n;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace corolla
