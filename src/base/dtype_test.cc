#include "base/dtype.h"

#include <gtest/gtest.h>

namespace corolla {
namespace {

TEST(DType, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(DType::kBytes); ++i) {
    auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_name("FP31"), std::nullopt);
  EXPECT_EQ(dtype_from_name(""), std::nullopt);
}

TEST(DType, CountsBytes) {
  const int64_t shape[] = {2, 3, 224, 224};
  EXPECT_EQ(*byte_count(DType::kFp32, shape), 2 * 3 * 224 * 224 * 4);
  EXPECT_EQ(*element_count({}), 1) << "a scalar has one element";
  const int64_t empty[] = {0, int64_t{1} << 62};
  EXPECT_EQ(*element_count(empty), 0);
}

TEST(DType, RefusesShapesThatOverflow) {
  const int64_t killer[] = {1, 4611686018427387904};  // times 4 bytes is 2^64
  EXPECT_EQ(byte_count(DType::kFp32, killer).error().code, Code::kInvalidArgument);
  const int64_t product[] = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_EQ(element_count(product).error().code, Code::kInvalidArgument);
  const int64_t negative[] = {-1, 4};
  EXPECT_NE(element_count(negative).error().what.find("[-1,4]"), std::string::npos);
}

}  // namespace
}  // namespace corolla
