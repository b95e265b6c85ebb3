#include "engine/cuda/emulation/emulated_conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <type_traits>

#include "engine/cuda/emulation/conv_cases.h"

namespace corolla::engine::cuda {
namespace {

const EmulatedTile kTiles[] = {
    {16, 64, 1, 4, 6, false}, {32, 32, 2, 2, 8, false}, {64, 64, 2, 2, 5, false},
    {64, 32, 4, 1, 8, true},  {128, 64, 8, 1, 4, true}, {256, 64, 8, 1, 5, true},
};

TEST(EmulatedConv, EveryTileEqualsTheNaiveLoopBitForBit) {
  const Shape shapes[] = {
      {1, 7, 5, 8, 16, 3, 1, 1},            // channels far below a step of K
      {2, 6, 6, 64, 24, 1, 1, 0, 1, true},  // pointwise, residual
      {1, 9, 9, 24, 40, 3, 2, 1},           // stride; taps cross steps of K
      {1, 8, 10, 72, 13, 3, 1, 2, 2},       // dilation; channels that pad
      {3, 5, 5, 16, 8, 5, 1, 2},            // a large window, border everywhere
      {1, 4, 4, 128, 70, 1, 2, 0},          // 1 x 1 with stride is not pointwise
  };
  uint32_t seed = 1;
  for (const Shape& shape : shapes)
    for (const EmulatedTile& tile : kTiles) {
      Case c = make(shape, ++seed);
      std::vector<float> y(c.wanted.size(), -1);
      ASSERT_TRUE(emulate_conv(c.problem, tile, 1, y)) << "seed " << seed;
      EXPECT_EQ(y, c.wanted) << "seed " << seed << " tile " << tile.m << "x" << tile.n;
    }
}

TEST(EmulatedConv, SplitsOfKChangeNothing) {
  const Shape shape{1, 6, 7, 40, 24, 3, 1, 1, 1, true};  // six steps of K
  for (const int splits : {2, 3, 5, 6}) {
    Case c = make(shape, 77);
    std::vector<float> y(c.wanted.size(), -1);
    ASSERT_TRUE(emulate_conv(c.problem, kTiles[3], splits, y));
    EXPECT_EQ(y, c.wanted) << splits;
  }
}

TEST(EmulatedConv, Bf16IsTheSameWithItsOwnRounding) {
  const Shape shape{1, 6, 7, 64, 24, 3, 1, 1, 1, true};
  for (const EmulatedTile& tile : kTiles) {
    Case c = make(shape, 5);
    c.problem.element = Element::kBfloat;
    std::vector<float> y(c.wanted.size(), -1);
    ASSERT_TRUE(emulate_conv(c.problem, tile, 1, y));
    bool rounded = false;  // sums beyond 256 lose bits
    for (float& v : c.wanted) {
      rounded = rounded || bfloat_rounded(v) != v;
      v = bfloat_rounded(v);
    }
    EXPECT_TRUE(rounded);
    EXPECT_EQ(y, c.wanted);
  }
}

struct ByteCase {
  std::vector<uint8_t> x, residual, wanted;
  std::vector<int8_t> w;
  std::vector<float> scale, bias;  // bias: with all zero points in it
  ConvProblem problem;
};

// A convolution of bytes, with zero points wherever one can be, and its answer by the formula that
// plan.h has: (x - zero) * w over the window's part inside of the picture.
ByteCase make_bytes(const Shape& s, uint32_t seed) {
  std::mt19937 random(seed);
  const int oh = extent(s.height, s), ow = extent(s.width, s), stored = stored_outputs(s);
  ByteCase c;
  const auto place = [](int i) { return static_cast<size_t>(i); };
  const auto fill = [&](auto& to, int count) {
    to.resize(static_cast<size_t>(count));
    for (auto& v : to) v = static_cast<std::remove_reference_t<decltype(v)>>(random() >> 24);
  };
  fill(c.x, s.images * s.height * s.width * s.channels);
  fill(c.w, stored * s.kernel * s.kernel * s.channels);
  fill(c.residual, s.images * oh * ow * stored);
  const int x_zero = 114, residual_zero = 142;
  const float x_scale = 0.0187f, residual_scale = 0.048f;
  ConvProblem& p = c.problem;
  p.element = Element::kByte;
  p.x = c.x.data();
  p.w = c.w.data();
  p.residual = s.residual ? c.residual.data() : nullptr;
  p.residual_bytes = p.y_bytes = true;
  p.residual_scale = residual_scale;
  p.fill = x_zero * 0x01010101u;
  p.y_scale = 1 / 0.3f;
  p.y_zero = 30;
  set_geometry(p, s, s.channels / 2);
  p.act = Act::kRelu;
  const int row = s.kernel * s.kernel * s.channels;
  for (int n = 0; n < stored; ++n) {
    int all = 0;
    for (int k = 0; k < row; ++k) all += c.w[place(n * row + k)];
    c.scale.push_back(x_scale * (0.004f + 0.0001f * static_cast<float>(n)));
    c.bias.push_back(0.25f * static_cast<float>(n % 5) -
                     (s.residual ? residual_zero * residual_scale : 0) -
                     c.scale.back() * static_cast<float>(x_zero * all));
  }
  p.scale = c.scale.data();
  p.bias = c.bias.data();
  c.wanted.resize(place(p.m * stored));
  for (int m = 0; m < p.m; ++m)
    for (int o = 0; o < stored; ++o) {
      const int n = m / p.out_hw, h = m % p.out_hw / ow, v = m % ow;
      int sum = 0, all = 0;
      for (int r = 0; r < s.kernel; ++r)
        for (int q = 0; q < s.kernel; ++q)
          for (int k = 0; k < s.channels; ++k) {
            const int ih = h * s.stride - s.pad + r * s.dilation,
                      iw = v * s.stride - s.pad + q * s.dilation;
            const int8_t weight = c.w[place(((o * s.kernel + r) * s.kernel + q) * s.channels + k)];
            all += weight;
            if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
            sum += (c.x[place(((n * s.height + ih) * s.width + iw) * s.channels + k)] - x_zero) *
                   weight;
          }
      const size_t at = place(m * stored + o), channel = place(o);
      float real = real_sum(sum + x_zero * all, c.scale[channel], c.bias[channel]);
      if (s.residual) real = std::fma(c.residual[at], residual_scale, real);
      c.wanted[at] = static_cast<uint8_t>(quantised(std::max(real, 0.f), p.y_scale, p.y_zero));
    }
  return c;
}

TEST(EmulatedConv, BytesEqualTheNaiveLoopBitForBit) {
  const Shape shapes[] = {
      {1, 7, 5, 16, 16, 3, 1, 1},            // channels far below a step of K; borders
      {2, 6, 6, 128, 24, 1, 1, 0, 1, true},  // pointwise, residual
      {1, 9, 9, 48, 40, 3, 2, 1},            // stride; taps cross steps of K
      {1, 8, 10, 144, 13, 3, 1, 2, 2},       // dilation; channels that pad
      {1, 4, 4, 256, 70, 1, 2, 0},           // 1 x 1 with stride is not pointwise
  };
  uint32_t seed = 1;
  for (const Shape& shape : shapes)
    for (const EmulatedTile& tile : kTiles)
      for (const int splits : {1, 2}) {
        ByteCase c = make_bytes(shape, ++seed);
        if (splits > (c.problem.k + kBlockK - 1) / kBlockK) continue;
        std::vector<uint8_t> y(c.wanted.size(), 255);
        ASSERT_TRUE(emulate_conv(c.problem, tile, splits, y)) << "seed " << seed;
        EXPECT_EQ(y, c.wanted) << "seed " << seed << " tile " << tile.m << "x" << tile.n;
        EXPECT_GT(std::set<uint8_t>(y.begin(), y.end()).size(), 10u) << "nothing but clamped";
      }
}

TEST(Splits, CoverEveryStepOnce) {
  for (int steps = 1; steps < 90; ++steps)
    for (int splits = 1; splits <= std::min(steps, 16); ++splits) {
      int at = 0;
      for (int z = 0; z < splits; ++z) {
        const Steps part = split_steps(steps, splits, z);
        EXPECT_EQ(part.begin, at);
        EXPECT_GT(part.end, part.begin) << steps << "/" << splits;
        at = part.end;
      }
      EXPECT_EQ(at, steps);
    }
}

TEST(Swizzle, PermutesEachRowsChunksAndMeetsInNoBank) {
  for (int row = 0; row < 64; ++row) {
    std::set<int> places;
    for (int chunk = 0; chunk < 8; ++chunk) places.insert(tile_byte(row, chunk));
    EXPECT_EQ(places.size(), 8u);
    EXPECT_EQ(*places.begin(), row * 128);
    EXPECT_EQ(*places.rbegin(), row * 128 + 112);
  }
  // ldmatrix reads one chunk of eight rows at once: all 32 banks, each once.
  for (int chunk = 0; chunk < 8; ++chunk) {
    std::set<int> banks;
    for (int row = 8; row < 16; ++row) banks.insert(tile_byte(row, chunk) / 16 % 8);
    EXPECT_EQ(banks.size(), 8u);
  }
}

TEST(Swizzle, ResultTilesHoldEveryChunkOnce) {
  std::set<int> least, narrow, wide;
  for (int row = 0; row < 64; ++row) {
    for (int chunk = 0; chunk < 2; ++chunk) least.insert(result_byte<16>(row, chunk));
    for (int chunk = 0; chunk < 4; ++chunk) narrow.insert(result_byte<32>(row, chunk));
    for (int chunk = 0; chunk < 16; ++chunk) wide.insert(result_byte<128>(row, chunk));
  }
  EXPECT_EQ(least.size(), 64u * 2);
  EXPECT_EQ(*least.rbegin(), 64 * 32 - 16);
  EXPECT_EQ(narrow.size(), 64u * 4);
  EXPECT_EQ(*narrow.rbegin(), 64 * 64 - 16);
  EXPECT_EQ(wide.size(), 64u * 16);
  EXPECT_EQ(*wide.rbegin(), 64 * 256 - 16);
}

TEST(Divider, DividesAsTheLanguageDoes) {
  for (const int by :
       {1, 2, 3, 5, 7, 8, 49, 56, 112, 196, 784, 3136, 12544, 65535, 1 << 20, 2147483647}) {
    const Divider divider(by);
    for (const int64_t around :
         {int64_t{0}, int64_t{by}, int64_t{7} * by, int64_t{1000} * by, int64_t{2147483646}})
      for (int64_t a = around - 2; a <= around + 2; ++a)
        if (a >= 0 && a < 2147483648) {
          EXPECT_EQ(divide(static_cast<int>(a), divider), a / by) << a << "/" << by;
        }
  }
}

TEST(Fragments, EveryLaneHoldsItsOwnPlaces) {
  std::set<std::pair<int, int>> places;
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 16; ++i) {
      const Place place = fragment_place(lane, i);
      places.insert({place.row, place.column});
      EXPECT_LT(place.row, 16);
      EXPECT_LT(place.column, 32);
    }
  EXPECT_EQ(places.size(), 32u * 16);
}

}  // namespace
}  // namespace corolla::engine::cuda
