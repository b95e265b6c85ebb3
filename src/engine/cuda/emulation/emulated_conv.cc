#include "engine/cuda/emulation/emulated_conv.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace corolla::engine::cuda {
namespace {

// How numbers lie: so many to a unit of two bytes. Others: what a place holds that no thread has
// filled; it must not matter.
struct Floats {
  using X = float;
  using W = float;
  using Sum = float;
  static constexpr int kEach = 1;
  static constexpr float kOther = NAN;
  static float outside(const ConvProblem&) { return 0; }
};
struct Bytes {
  using X = uint8_t;
  using W = int8_t;
  using Sum = int32_t;
  static constexpr int kEach = 2;
  static constexpr int32_t kOther = 1 << 20;
  static int32_t outside(const ConvProblem& p) { return static_cast<int32_t>(p.fill & 255); }
};

// One stage: a sum's type stands for each number, at the place where the kernel has it.
template <class T>
using Stage = std::vector<typename T::Sum>;

template <class T>
size_t place_of(int byte) {
  return static_cast<size_t>(byte / 2 * T::kEach);
}

template <class T>
bool fill(const ConvProblem& p, const EmulatedTile& tile, int m0, int n0, int step,
          Stage<T>& stage) {
  const int threads = tile.warps_m * tile.warps_n * 32, at_once = threads / 8;
  constexpr int kNumbers = kChunk * T::kEach;
  std::fill(stage.begin(), stage.end(), T::kOther);
  const auto* x = static_cast<const typename T::X*>(p.x);
  const auto* w = static_cast<const typename T::W*>(p.w);
  const auto copy = [&](int byte, const auto* from, const Source& source, auto outside) {
    const size_t to = place_of<T>(byte);
    if (to + kNumbers > stage.size()) return false;
    for (int c = 0; c < kNumbers; ++c)
      stage[to + static_cast<size_t>(c)] =
          source.inside ? static_cast<typename T::Sum>(from[source.offset * T::kEach + c])
                        : outside;
    return true;
  };
  for (int t = 0; t < threads; ++t) {
    const int first = t / 8, chunk = t % 8;
    // The kernel walks from its first step on; so does this.
    KWalk at = k_walk(p, chunk * kChunk);
    for (int i = 0; i < step; ++i) k_next(p, at);
    for (int i = 0; i < tile.m / at_once; ++i) {
      const int row = first + i * at_once;
      const Source from = x_source(p, pixel_row(p, m0 + row), at);
      if (!copy(tile_byte(row, chunk), x, from, T::outside(p))) return false;
    }
    for (int i = 0; i < tile.n / at_once; ++i) {
      const int row = first + i * at_once;
      const Source from = w_source(p, n0 + row, at);
      if (!copy(tile.m * 128 + tile_byte(row, chunk), w, from, typename T::Sum{0})) return false;
    }
  }
  return true;
}

template <class T>
typename T::Sum at(const Stage<T>& stage, int base, int row, int k) {
  constexpr int kNumbers = kChunk * T::kEach;
  return stage[place_of<T>(base + tile_byte(row, k / kNumbers)) +
               static_cast<size_t>(k % kNumbers)];
}

// Calls finish(m, n, sum) for every output.
template <class T, class Finish>
bool play(ConvProblem p, const EmulatedTile& tile, int splits, Finish finish) {
  p.k_steps = (p.k + kBlockK - 1) / kBlockK;
  p.tiles_n = (p.n + tile.n - 1) / tile.n;
  p.splits = splits;
  complete(p);
  const int tiles = (p.m + tile.m - 1) / tile.m * p.tiles_n;
  const int row_blocks = tile.wgmma ? tile.m / (16 * tile.warps_m) : tile.m / tile.warps_m / 16;
  const int column_blocks = tile.n / tile.warps_n / 8;
  Stage<T> stage(static_cast<size_t>((tile.m + tile.n) * 64 * T::kEach));
  const size_t elements = static_cast<size_t>(tile.m * tile.n);
  for (int block = 0; block < tiles; ++block) {
    const int tile_m = divide(block, p.by_tiles_n), tile_n = block - tile_m * p.tiles_n;
    const int m0 = tile_m * tile.m, n0 = tile_n * tile.n;
    std::vector<typename T::Sum> total(elements);
    for (int z = 0; z < splits; ++z) {
      std::vector<typename T::Sum> sums(elements);
      const Steps steps = split_steps(p.k_steps, splits, z);
      for (int step = steps.begin; step < steps.end; ++step) {
        if (!fill<T>(p, tile, m0, n0, step, stage)) return false;
        for (int warp = 0; warp < tile.warps_m * tile.warps_n; ++warp)
          for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < row_blocks; ++i)
              for (int j = 0; j < column_blocks; ++j)
                for (int e = 0; e < 4; ++e) {
                  const Place place = fragment_place(lane, e);
                  const int row =
                      warp_row(tile.wgmma, row_blocks, warp / tile.warps_n, i) + place.row;
                  const int column = (warp % tile.warps_n * column_blocks + j) * 8 + place.column;
                  auto& sum = sums[static_cast<size_t>(row * tile.n + column)];
                  for (int k = 0; k < kBlockK * T::kEach; ++k)
                    sum += at<T>(stage, 0, row, k) * at<T>(stage, tile.m * 128, column, k);
                }
      }
      for (size_t i = 0; i < elements; ++i) total[i] += sums[i];
    }
    for (int row = 0; row < tile.m; ++row)
      for (int column = 0; column < tile.n; ++column) {
        const int m = m0 + row, n = n0 + column;
        if (m >= p.m || n >= p.n) continue;
        if (!finish(m, n, total[static_cast<size_t>(row * tile.n + column)])) return false;
      }
  }
  return true;
}

}  // namespace

bool emulate_conv(ConvProblem p, const EmulatedTile& tile, int splits, std::vector<float>& y) {
  std::vector<bool> written(y.size());
  return play<Floats>(p, tile, splits, [&](int m, int n, float v) {
    if (p.bias != nullptr) v += p.bias[n];
    if (p.residual != nullptr) v += static_cast<const float*>(p.residual)[m * p.residual_pixel + n];
    if (p.act == Act::kRelu) v = std::max(v, 0.f);
    if (p.element == Element::kBfloat) v = bfloat_rounded(v);
    const auto to = static_cast<size_t>(m * p.y_pixel + n);
    if (written[to]) return false;
    written[to] = true;
    y[to] = n < p.n_real ? v : 0;
    return true;
  });
}

bool emulate_conv(ConvProblem p, const EmulatedTile& tile, int splits, std::vector<uint8_t>& y) {
  std::vector<bool> written(y.size());
  return play<Bytes>(p, tile, splits, [&](int m, int n, int32_t sum) {
    float v = real_sum(sum, p.scale[n], p.bias[n]);
    if (p.residual != nullptr)
      v = fmaf(static_cast<const uint8_t*>(p.residual)[m * p.residual_pixel + n], p.residual_scale,
               v);
    if (p.act == Act::kRelu) v = std::max(v, 0.f);
    const auto to = static_cast<size_t>(m * p.y_pixel + n);
    if (written[to]) return false;
    written[to] = true;
    y[to] = static_cast<uint8_t>(quantised(v, p.y_scale, p.y_zero));
    return true;
  });
}

float bfloat_rounded(float v) {
  const uint32_t bits = std::bit_cast<uint32_t>(v);
  return std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
}

}  // namespace corolla::engine::cuda
