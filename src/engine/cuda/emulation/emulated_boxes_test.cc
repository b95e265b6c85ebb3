#include "engine/cuda/emulation/emulated_boxes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/cuda/emulation/conv_cases.h"
#include "engine/cuda/emulation/emulated_conv.h"
#include "engine/cuda/kernels/stem_problem.h"

namespace corolla::engine::cuda {
namespace {

const EmulatedTile kTile{64, 64, 2, 2, 5, false};

const Shape kBoxShapes[] = {
    {2, 6, 6, 64, 24, 1, 1, 0, 1, true},  // pointwise, residual; a tile ends within an image
    {3, 7, 7, 64, 72, 3, 1, 1},           // border everywhere, images that tiles straddle
    {2, 9, 9, 72, 40, 3, 2, 1},           // stride; channels that are no multiple of a step
    {1, 8, 10, 136, 16, 3, 1, 2, 2},      // dilation
    {1, 5, 9, 128, 72, 1, 2, 0},          // 1 x 1 with stride
    {2, 1, 1, 24, 16, 1, 1, 0},           // a matrix product of fewer channels than a step
    {1, 11, 6, 64, 8, 5, 3, 2},
};

TEST(EmulatedBoxes, EveryShapeEqualsTheNaiveLoopBitForBit) {
  uint32_t seed = 200;
  for (const Shape& shape : kBoxShapes)
    for (const int splits : {1, 3}) {
      Case c = make(shape, ++seed);
      if (splits > box_steps(c.problem)) continue;
      std::vector<float> y(c.wanted.size(), -1);
      ASSERT_TRUE(emulate_boxes(c.problem, 64, 64, splits, y)) << "seed " << seed;
      EXPECT_EQ(y, c.wanted) << "seed " << seed << " splits " << splits;
    }
}

// The shortcut of a block: a 1 x 1 convolution with stride, summed into one of 3 x 3.
TEST(EmulatedBoxes, TheExtraProductIsSummedIn) {
  Case c = make({2, 5, 5, 64, 24, 3, 1, 1, 1, true}, 300);
  Case shortcut = make({2, 9, 9, 72, 24, 1, 2, 0}, 301);
  shortcut.problem.act = Act::kNone;
  for (const int splits : {1, 2, 5}) {
    std::vector<float> sum(shortcut.wanted.size());
    ASSERT_TRUE(emulate_conv(shortcut.problem, kTile, 1, sum));
    ConvProblem apart = c.problem;
    apart.residual = sum.data();
    std::vector<float> wanted(c.wanted.size(), -1), y(c.wanted.size(), -1);
    ASSERT_TRUE(emulate_conv(apart, kTile, 1, wanted));
    ConvProblem merged = c.problem;
    merged.residual = nullptr;
    const ConvProblem& from = shortcut.problem;
    merged.extra = {from.x,       from.w,        from.bias,     from.height,
                    from.width,   from.channels, from.stride_h, from.stride_w,
                    from.x_image, from.x_row,    from.x_pixel};
    ASSERT_TRUE(emulate_boxes(merged, 128, 64, splits, y));
    EXPECT_EQ(y, wanted) << splits;
  }
}

TEST(EmulatedBoxes, WhatTheHardwareCannotDescribeIsRefused) {
  ConvBoxes boxes;
  const auto fits = [&](const ConvProblem& p) { return conv_boxes(p, 64, 64, boxes); };
  Case narrow = make({1, 6, 6, 16, 8, 3, 1, 1}, 1);  // fewer channels than a step
  EXPECT_FALSE(fits(narrow.problem));
  Case c = make({1, 6, 6, 64, 8, 3, 1, 1}, 1);
  EXPECT_TRUE(fits(c.problem));
  ConvProblem overlapping = c.problem;
  overlapping.x_pixel = 32;
  EXPECT_FALSE(fits(overlapping));
  ConvProblem odd = c.problem;
  odd.y_pixel = 12;
  EXPECT_FALSE(fits(odd));
  Case far = make({1, 300, 3, 64, 8, 1, 9, 0}, 1);  // strides end at 8
  EXPECT_FALSE(fits(far.problem));
}

// Each pooled pixel of two tiles, from windows and maxima as the kernel addresses them.
TEST(Stem, WindowsAndMaximaAreThoseOfTheNaiveLoops) {
  StemProblem p;
  p.height = 37;
  p.width = 45;
  p.pad_top = 3;
  p.pad_left = 3;
  p.conv_h = (37 + 6 - 7) / 2 + 1;
  p.conv_w = (45 + 6 - 7) / 2 + 1;
  p.pool_top = p.pool_left = 1;
  p.out_h = (p.conv_h + 2 - 3) / 2 + 1;
  p.out_w = (p.conv_w + 2 - 3) / 2 + 1;
  std::mt19937 random(5);
  std::vector<int> x(static_cast<size_t>(p.height * p.width)), w(49);
  for (int& v : x) v = static_cast<int>(random() % 100) + 1;
  for (int& v : w) v = static_cast<int>(random() % 9) - 4;
  const auto place = [](int i) { return static_cast<size_t>(i); };
  const auto pixel = [&](int h, int v) {
    return h >= 0 && h < p.height && v >= 0 && v < p.width ? x[place(h * p.width + v)] : 0;
  };
  const auto convolved = [&](int oh, int ow) {
    int sum = 0;
    for (int r = 0; r < 7; ++r)
      for (int s = 0; s < 7; ++s)
        sum += pixel(2 * oh - 3 + r, 2 * ow - 3 + s) * w[place(r * 7 + s)];
    return sum;
  };
  constexpr int kLeast = -1 << 30;
  for (int tile_h = 0; tile_h * StemTile::kPooledH < p.out_h; ++tile_h)
    for (int tile_w = 0; tile_w * StemTile::kPooledW < p.out_w; ++tile_w) {
      const StemOrigin origin = stem_origin(p, tile_h, tile_w);
      std::vector<int> picture(StemTile::kPictureBytes / 8);
      for (int row = 0; row < StemTile::kRows; ++row)
        for (int column = 0; column < StemTile::kColumns; ++column)
          picture[place(row * StemTile::kColumns + column)] =
              pixel(origin.h + row, origin.w + column);
      std::vector<int> sums(StemTile::kPixels, kLeast);
      for (int q = 0; q < StemTile::kPixels; ++q) {
        if (!stem_exists(p, origin, q)) continue;
        sums[static_cast<size_t>(q)] = 0;
        for (int r = 0; r < StemTile::kKernelH; ++r)
          for (int s = 0; s < 7; ++s) {
            const int at = stem_window(q) + r * StemTile::kRowBytes + s * 8;
            ASSERT_EQ((stem_window(q) + r * StemTile::kRowBytes) % 16, 0);  // ldmatrix's rows
            ASSERT_LT(at + 8, StemTile::kPictureBytes + 1);
            sums[static_cast<size_t>(q)] +=
                picture[static_cast<size_t>(at / 8)] * w[place(r * 7 + s)];
          }
      }
      for (int pooled = 0; pooled < StemTile::kPooledH * StemTile::kPooledW; ++pooled) {
        const int h = tile_h * StemTile::kPooledH + pooled / StemTile::kPooledW;
        const int v = tile_w * StemTile::kPooledW + pooled % StemTile::kPooledW;
        if (h >= p.out_h || v >= p.out_w) continue;
        int most = kLeast, wanted = kLeast;
        for (int t = 0; t < 9; ++t) {
          most = std::max(most, sums[static_cast<size_t>(stem_under(pooled, t / 3, t % 3))]);
          const int oh = 2 * h - 1 + t / 3, ow = 2 * v - 1 + t % 3;
          if (oh >= 0 && oh < p.conv_h && ow >= 0 && ow < p.conv_w)
            wanted = std::max(wanted, convolved(oh, ow));
        }
        EXPECT_EQ(most, wanted) << h << "," << v;
      }
    }
}

}  // namespace
}  // namespace corolla::engine::cuda
