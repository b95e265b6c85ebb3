// Between a tensor's logical elements and its bytes as a plan stores them. Pure functions.
#pragma once
#include <vector>

#include "plan/plan.h"
#include "plan/tensor.h"

namespace corolla::plan {

// Elements in the order of the logical shape -> storage_bytes() bytes. REQUIRES: values fit shape.
std::vector<std::byte> pack(DType dtype, Layout layout, const Shape& shape,
                            std::span<const float> values);
// And back.
std::vector<float> unpack(DType dtype, Layout layout, const Shape& shape,
                          std::span<const std::byte> bytes);

// [Cout, Cin/g, kh, kw] -> [Cout', kh, kw, Cin'] as plan.h's Conv has it, row-major; and back.
std::vector<float> pack_conv_weights(const Shape& shape, int64_t groups,
                                     std::span<const float> values, Shape& packed);
std::vector<float> unpack_conv_weights(const Shape& packed, std::span<const float> values,
                                       int64_t out_channels, int64_t in_channels);

}  // namespace corolla::plan
