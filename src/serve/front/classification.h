// Triton's classification extension: an output as the strings of its highest values, "value:index"
// or "value:index:label". Stateless and thread-safe.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"

namespace corolla::front {

struct ClassTensor {
  std::vector<int64_t> shape;  // [rows, classes], or [classes] where there is no batch dimension
  std::string bytes;           // a BYTES tensor in binary form
};

// The `count` highest values of each row, falling; of equal values the lower index first, NaN last.
// At most as many as a row has. Values are written as printf's %f (integers: %d). A label is added
// for an index that has one which is not empty. `batched`: the first dimension counts rows.
// kInvalidArgument for BOOL and BYTES, which have no order; kInternal when the bytes do not fit the
// shape.
Result<ClassTensor> classify(const std::string& output, DType dtype, std::span<const int64_t> shape,
                             std::span<const std::byte> bytes, bool batched, uint32_t count,
                             std::span<const std::string> labels);

}  // namespace corolla::front
