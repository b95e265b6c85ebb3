#include "plan/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "plan/half.h"

namespace corolla::plan {
namespace {

TEST(Half, EveryFp16ComesBackFromFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = fp16_to_float(half);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(fp16_to_float(float_to_fp16(value)))) << bits;
    else
      EXPECT_EQ(float_to_fp16(value), half) << value;
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(float_to_fp16(1), 0x3c00);
  EXPECT_EQ(float_to_fp16(-2), 0xc000);
  EXPECT_EQ(float_to_fp16(65504), 0x7bff);
  EXPECT_EQ(float_to_fp16(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_fp16(65520), 0x7c00);
  EXPECT_EQ(float_to_fp16(1e-9f), 0);
  EXPECT_EQ(float_to_fp16(0x1p-24f), 1);
  EXPECT_EQ(float_to_fp16(0x1p-25f), 0) << "halfway to zero goes to even";
  EXPECT_EQ(float_to_fp16(1 + 0x1p-11f), 0x3c00) << "halfway goes to even";
  EXPECT_EQ(float_to_fp16(1 + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(float_to_bf16(1 + 0x1p-8f), 0x3f80) << "halfway goes to even";
  EXPECT_EQ(float_to_bf16(1 + 3 * 0x1p-8f), 0x3f82);
  EXPECT_EQ(bf16_to_float(0xc000), -2);
}

// Between two neighbours, the nearer one.
TEST(Half, RoundsToTheNearest) {
  for (uint16_t half = 0; half < 0x7bff; half = static_cast<uint16_t>(half + 7)) {
    const double low = fp16_to_float(half), high = fp16_to_float(static_cast<uint16_t>(half + 1));
    EXPECT_EQ(float_to_fp16(static_cast<float>(low + (high - low) * 0.49)), half);
    EXPECT_EQ(float_to_fp16(static_cast<float>(low + (high - low) * 0.51)), half + 1);
  }
}

TEST(Tensor, IsZerosAndSharesItsBytes) {
  Tensor tensor = *Tensor::make(DType::kInt32, {2, 3});
  EXPECT_EQ(tensor.ints(), std::vector<int64_t>(6, 0));
  tensor.writable_as<int32_t>()[5] = 7;
  const Tensor flat = tensor.reshaped({6});
  EXPECT_EQ(flat.bytes().data(), tensor.bytes().data());
  EXPECT_EQ(flat.ints().back(), 7);
}

TEST(Tensor, AnEmptyOneIsStillThere) {
  const Tensor tensor = *Tensor::make(DType::kFp32, {0, 3});
  EXPECT_FALSE(tensor.empty());
  EXPECT_EQ(tensor.count(), 0);
  EXPECT_TRUE(Tensor().empty());
}

TEST(Tensor, RefusesHostileShapes) {
  EXPECT_FALSE(Tensor::make(DType::kFp32, {-1}).ok());
  EXPECT_FALSE(Tensor::make(DType::kFp32, {1LL << 40, 1LL << 40}).ok());
  EXPECT_FALSE(Tensor::make(DType::kUint8, {1LL << 41}).ok());
  std::vector<std::byte> bytes(5);
  EXPECT_FALSE(Tensor::view(DType::kFp32, {1}, nullptr, bytes).ok());
}

TEST(Tensor, CastsClampFloatsAndWrapIntegers) {
  const std::vector<float> values = {-1.7f, 300, NAN, 1e30f};
  const Tensor floats = Tensor::of_floats({4}, values);
  EXPECT_EQ(cast(floats, DType::kUint8)->ints(), (std::vector<int64_t>{0, 255, 0, 255}));
  EXPECT_EQ(cast(floats, DType::kInt64)->ints()[3], std::numeric_limits<int64_t>::max());
  EXPECT_EQ(cast(floats, DType::kBool)->ints(), (std::vector<int64_t>{1, 1, 1, 1}));
  const std::vector<int64_t> ints = {257, -1};
  EXPECT_EQ(cast(Tensor::of_ints(ints), DType::kUint8)->ints(), (std::vector<int64_t>{1, 255}));
  EXPECT_EQ(cast(cast(Tensor::scalar(0.1f), DType::kFp16).operator*(), DType::kFp32)->floats()[0],
            fp16_to_float(float_to_fp16(0.1f)));
}

}  // namespace
}  // namespace corolla::plan
