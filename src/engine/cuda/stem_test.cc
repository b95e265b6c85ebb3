// The packed first convolution computes what the plan's convolution does.
#include "engine/cuda/stem.h"

#include <gtest/gtest.h>

#include <random>

namespace corolla::engine::cuda {
namespace {

using namespace plan;

constexpr int kSize = 17, kOutputs = 8, kKernel = 7, kPad = 3,
              kOut = (kSize + 2 * kPad - kKernel) / 2 + 1;

// Import of two pictures of three channels, and a convolution that alone reads it.
Program small_program(DType dtype) {
  Program program;
  const auto tensor = [&](PlanTensor t) {
    t.bytes = *storage_bytes(t.dtype, t.layout, t.shape);
    program.tensors.push_back(std::move(t));
  };
  tensor({.dtype = DType::kUint8, .shape = {2, kSize, kSize, 3}, .place = plan::Place::kInput});
  tensor({.dtype = dtype, .layout = Layout::kNhwc, .shape = {2, 3, kSize, kSize}});
  tensor({.dtype = dtype == DType::kUint8 ? DType::kInt8 : dtype,
          .shape = {kOutputs, kKernel, kKernel, 8},
          .place = plan::Place::kWeight});
  tensor({.dtype = dtype, .layout = Layout::kNhwc, .shape = {2, kOutputs, kOut, kOut}});
  program.steps.push_back({"import", Import{true, {}, {}}, {0}, {1}});
  program.steps.push_back({"conv",
                           Conv{.kernel_h = kKernel,
                                .kernel_w = kKernel,
                                .stride_h = 2,
                                .stride_w = 2,
                                .pad_top = kPad,
                                .pad_left = kPad,
                                .pad_bottom = kPad,
                                .pad_right = kPad},
                           {1, 2},
                           {3}});
  return program;
}

TEST(Stem, BlocksOfBytesGiveTheConvolution) {
  const Program program = small_program(DType::kUint8);
  const auto stem = find_stem(program, program.steps[1]);
  ASSERT_TRUE(stem.has_value());
  EXPECT_TRUE(stem->bytes);
  std::mt19937 random(3);
  std::vector<int> picture(2 * kSize * kSize * 3);
  for (int& v : picture) v = static_cast<int>(random() >> 24);
  constexpr int kZero = 114;
  const auto pixel = [&](int n, int h, int w, int c) {
    if (c >= 3) return 0;
    if (h < 0 || w < 0 || h >= kSize || w >= kSize) return kZero;
    return picture[static_cast<size_t>(((n * kSize + h) * kSize + w) * 3 + c)];
  };
  // As the import writes it: blocks of 2 x 2 pixels of four channels, with the border.
  std::vector<int> x;
  for (int n = 0; n < 2; ++n)
    for (int h = 0; h < stem->padded_height; ++h)
      for (int w = 0; w < stem->padded_width; ++w)
        for (int e = 0; e < 16; ++e)
          x.push_back(pixel(n, h * 2 + e / 8 - stem->top, w * 2 + e / 4 % 2 - stem->left, e % 4));
  EXPECT_LE(x.size(), static_cast<size_t>(program.tensors[1].bytes));

  std::vector<std::byte> weights(static_cast<size_t>(program.tensors[2].bytes));
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = static_cast<std::byte>(i % 8 < 3 ? random() >> 24 : 0);
  const auto packed = stem->pack_weights(weights.data(), program.tensors[2].shape);

  ConvProblem p;
  p.element = Element::kByte;
  p.out_w = kOut;
  p.out_hw = kOut * kOut;
  p.m = 2 * p.out_hw;
  p.n = kOutputs;
  p.stride_h = 2;
  p.tiles_n = 1;
  stem->set(std::get<Conv>(program.steps[1].operation), p);
  complete(p);
  EXPECT_EQ(p.k * 2 % 128, 0) << "whole steps of K";
  for (int m = 0; m < p.m; ++m)
    for (int o = 0; o < kOutputs; ++o) {
      int sum = 0, wanted = 0;
      for (int k = 0; k < p.k; k += kChunk) {
        const Source from = x_source(p, pixel_row(p, m), k_walk(p, k));
        ASSERT_TRUE(from.inside) << "the border lies in memory";
        ASSERT_EQ(from.offset % kChunk, 0) << "16-byte copies";
        for (int i = 0; i < 2 * kChunk; ++i)
          sum += x[static_cast<size_t>(from.offset * 2 + i)] *
                 static_cast<int8_t>(packed[static_cast<size_t>((o * p.k + k) * 2 + i)]);
      }
      const int n = m / p.out_hw, oh = m % p.out_hw / kOut, ow = m % kOut;
      for (int r = 0; r < kKernel; ++r)
        for (int s = 0; s < kKernel; ++s)
          for (int c = 0; c < 3; ++c)
            wanted += pixel(n, oh * 2 - kPad + r, ow * 2 - kPad + s, c) *
                      static_cast<int8_t>(
                          weights[static_cast<size_t>(((o * kKernel + r) * kKernel + s) * 8 + c)]);
      ASSERT_EQ(sum, wanted) << m << " " << o;
    }
}

TEST(Stem, OtherTypesAndStrides) {
  Program program = small_program(DType::kBf16);
  const auto stem = find_stem(program, program.steps[1]);
  ASSERT_TRUE(stem.has_value());
  EXPECT_FALSE(stem->bytes);
  EXPECT_EQ(stem->row_elements, 32);
  program = small_program(DType::kUint8);
  std::get<Conv>(program.steps[1].operation).stride_h = 1;
  EXPECT_FALSE(find_stem(program, program.steps[1]).has_value())
      << "blocks of bytes move by two rows";
}

TEST(Stem, OnlyImportsOfFloatsAndPixelsWritePictures) {
  Program program = small_program(DType::kFp16);
  EXPECT_TRUE(imports_picture(program, program.steps[0]));
  EXPECT_TRUE(stem_after(program, program.steps[0]));
  program.tensors[0].dtype = DType::kFp16;  // a model whose input is fp16: a copy, in plain NHWC
  EXPECT_FALSE(imports_picture(program, program.steps[0]));
  EXPECT_FALSE(stem_after(program, program.steps[0]));
  EXPECT_FALSE(find_stem(program, program.steps[1]));
}

}  // namespace
}  // namespace corolla::engine::cuda
