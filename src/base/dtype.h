// The element types of KServe v2, with the sizes they have in binary tensor data.
// Spec: Open Inference Protocol, "Tensor Data Types"; Triton's binary data extension for BYTES.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla {

enum class DType : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kBytes,
};

// "FP32", "BYTES" ...
std::string_view dtype_name(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

// Bytes of one element; 0 for kBytes, whose elements carry their own length.
size_t dtype_size(DType dtype);

// Product of the dimensions. kInvalidArgument when one is negative or the product does not fit 63
// bits: a hostile shape must be caught here, before anything is multiplied by it again.
Result<int64_t> element_count(std::span<const int64_t> shape);

// element_count * dtype_size, with the same care. REQUIRES: dtype != kBytes.
Result<int64_t> byte_count(DType dtype, std::span<const int64_t> shape);

// "[1,3,224,224]", for error sentences.
std::string shape_text(std::span<const int64_t> shape);

}  // namespace corolla
