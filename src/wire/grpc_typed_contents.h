// Typed tensor values (InferTensorContents: int_contents, fp32_contents ...) into the binary form
// that workers take.
//
// Any thread. Two calls, because the place for the bytes has to be found between them.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/result.h"

namespace corolla::wire {

// One InferTensorContents message as it lies in the request.
struct TypedContents {
  std::string_view bytes;
  size_t offset = 0;    // of `bytes` in the whole message, for error sentences
  std::string message;  // "inputs[1].contents", likewise
};

struct TypedSize {
  size_t elements = 0;
  size_t bytes = 0;  // of the binary form
};

// Checks every value, and counts. kInvalidArgument: broken encoding, a list that does not fit
// `dtype` (FP16 and BF16 have none), more than one list, an integer that does not fit 8 or 16 bits.
Result<TypedSize> measure_typed_contents(const TypedContents& contents, DType dtype);

// REQUIRES: measure_typed_contents() was ok and `to` has its `bytes`.
void write_typed_contents(const TypedContents& contents, DType dtype, std::span<std::byte> to);

}  // namespace corolla::wire
