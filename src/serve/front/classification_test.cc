#include "serve/front/classification.h"

#include <gtest/gtest.h>

#include <limits>

#include "wire/bytes_tensor.h"

namespace corolla::front {
namespace {

template <class T>
std::vector<std::string> top(DType dtype, std::vector<int64_t> shape, const std::vector<T>& values,
                             bool batched, uint32_t count, std::vector<std::string> labels = {},
                             std::vector<int64_t>* shape_out = nullptr) {
  auto result =
      classify("y", dtype, shape, std::as_bytes(std::span(values)), batched, count, labels);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().what);
  std::vector<std::string> out;
  if (!result.ok()) return out;
  if (shape_out) *shape_out = result->shape;
  wire::BytesReader reader(std::as_bytes(std::span(result->bytes)));
  while (auto element = reader.next()) out.emplace_back(*element);
  EXPECT_FALSE(reader.broken());
  return out;
}

using Strings = std::vector<std::string>;

TEST(Classification, WritesValueIndexLabel) {
  std::vector<int64_t> shape;
  EXPECT_EQ(top<float>(DType::kFp32, {2, 3}, {1, 0.5f, 2, 7, 9, 8}, true, 2,
                       {"flower 000", "", "flower 002"}, &shape),
            (Strings{"2.000000:2:flower 002", "1.000000:0:flower 000", "9.000000:1",
                     "8.000000:2:flower 002"}));
  EXPECT_EQ(shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(top<float>(DType::kFp32, {4}, {1, 2, 3, 4}, false, 100, {"a"}, &shape),
            (Strings{"4.000000:3", "3.000000:2", "2.000000:1", "1.000000:0:a"}))
      << "no more than there are";
  EXPECT_EQ(shape, (std::vector<int64_t>{4}));
}

TEST(Classification, OrdersEqualValuesByIndexAndNanLast) {
  float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(top<float>(DType::kFp32, {1, 6}, {nan, 1, 1, inf, nan, -inf}, true, 6),
            (Strings{"inf:3", "1.000000:1", "1.000000:2", "-inf:5", "nan:0", "nan:4"}));
}

TEST(Classification, KnowsEachType) {
  EXPECT_EQ(top<int8_t>(DType::kInt8, {3}, {-1, -128, 5}, false, 3),
            (Strings{"5:2", "-1:0", "-128:1"}));
  EXPECT_EQ(top<uint64_t>(DType::kUint64, {1}, {18446744073709551615u}, false, 1),
            (Strings{"18446744073709551615:0"}));
  EXPECT_EQ(top<double>(DType::kFp64, {1}, {1e300}, false, 1)[0].size(), 301u + 7 + 2);
  // 1, -2, the least subnormal, infinity
  EXPECT_EQ(top<uint16_t>(DType::kFp16, {4}, {0x3c00, 0xc000, 0x0001, 0x7c00}, false, 4),
            (Strings{"inf:3", "1.000000:0", "0.000000:2", "-2.000000:1"}));
  EXPECT_EQ(top<uint16_t>(DType::kBf16, {2}, {0x3f80, 0xc040}, false, 2),
            (Strings{"1.000000:0", "-3.000000:1"}));
}

TEST(Classification, RefusesWhatHasNoOrder) {
  std::vector<uint8_t> bytes(4);
  const int64_t shape[] = {4}, other[] = {5}, empty[] = {0, 4};
  auto data = std::as_bytes(std::span(bytes));
  EXPECT_EQ(classify("y", DType::kBool, shape, data, false, 1, {}).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(classify("y", DType::kBytes, shape, data, false, 1, {}).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(classify("y", DType::kUint8, other, data, false, 1, {}).error().code, Code::kInternal);
  auto none = classify("y", DType::kUint8, empty, {}, true, 3, {});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->shape, (std::vector<int64_t>{0, 0}));
}

}  // namespace
}  // namespace corolla::front
