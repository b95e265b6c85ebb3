#include "engine/cuda/emulation/emulated_conv.h"

#include <algorithm>
#include <cmath>

namespace corolla::engine::cuda {
namespace {

// One stage: a float stands for each fp16, at the byte where the kernel has it.
using Stage = std::vector<float>;

bool fill(const ConvProblem& p, const EmulatedTile& tile, int m0, int n0, int step, Stage& stage) {
  const int threads = tile.warps_m * tile.warps_n * 32, at_once = threads / 8;
  std::fill(stage.begin(), stage.end(), NAN);  // whatever no thread copies must not matter
  const auto* x = static_cast<const float*>(p.x);
  const auto* w = static_cast<const float*>(p.w);
  for (int t = 0; t < threads; ++t) {
    const int first = t / 8, chunk = t % 8;
    // The kernel walks from its first step on; so does this.
    KWalk at = k_walk(p, chunk * kChunk);
    for (int i = 0; i < step; ++i) k_next(p, at);
    for (int i = 0; i < tile.m / at_once; ++i) {
      const int row = first + i * at_once;
      const Source from = x_source(p, pixel_row(p, m0 + row), at);
      const size_t to = static_cast<size_t>(tile_byte(row, chunk)) / 2;
      if (to + kChunk > stage.size()) return false;
      for (int c = 0; c < kChunk; ++c)
        stage[to + static_cast<size_t>(c)] = from.inside ? x[from.offset + c] : 0.f;
    }
    for (int i = 0; i < tile.n / at_once; ++i) {
      const int row = first + i * at_once;
      const Source from = w_source(p, n0 + row, at);
      const size_t to = static_cast<size_t>(tile.m * 128 + tile_byte(row, chunk)) / 2;
      if (to + kChunk > stage.size()) return false;
      for (int c = 0; c < kChunk; ++c)
        stage[to + static_cast<size_t>(c)] = from.inside ? w[from.offset + c] : 0.f;
    }
  }
  return true;
}

float at(const Stage& stage, int base, int row, int k) {
  return stage[static_cast<size_t>(base + tile_byte(row, k / 8)) / 2 + static_cast<size_t>(k % 8)];
}

}  // namespace

bool emulate_conv(ConvProblem p, const EmulatedTile& tile, int splits, std::vector<float>& y) {
  p.k_steps = (p.k + kBlockK - 1) / kBlockK;
  p.tiles_n = (p.n + tile.n - 1) / tile.n;
  p.splits = splits;
  complete(p);
  const int tiles = (p.m + tile.m - 1) / tile.m * p.tiles_n;
  const int row_blocks = tile.wgmma ? tile.m / (16 * tile.warps_m) : tile.m / tile.warps_m / 16;
  const int column_blocks = tile.n / tile.warps_n / 8;
  std::vector<bool> written(y.size());
  Stage stage(static_cast<size_t>((tile.m + tile.n) * 64));
  const size_t elements = static_cast<size_t>(tile.m * tile.n);
  for (int block = 0; block < tiles; ++block) {
    const int tile_m = divide(block, p.by_tiles_n), tile_n = block - tile_m * p.tiles_n;
    const int m0 = tile_m * tile.m, n0 = tile_n * tile.n;
    std::vector<float> total(elements);
    for (int z = 0; z < splits; ++z) {
      std::vector<float> sums(elements);
      const Steps steps = split_steps(p.k_steps, splits, z);
      for (int step = steps.begin; step < steps.end; ++step) {
        if (!fill(p, tile, m0, n0, step, stage)) return false;
        for (int warp = 0; warp < tile.warps_m * tile.warps_n; ++warp)
          for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < row_blocks; ++i)
              for (int j = 0; j < column_blocks; ++j)
                for (int e = 0; e < 4; ++e) {
                  const Place place = fragment_place(lane, e);
                  const int row =
                      warp_row(tile.wgmma, row_blocks, warp / tile.warps_n, i) + place.row;
                  const int column = (warp % tile.warps_n * column_blocks + j) * 8 + place.column;
                  float& sum = sums[static_cast<size_t>(row * tile.n + column)];
                  for (int k = 0; k < kBlockK; ++k)
                    sum += at(stage, 0, row, k) * at(stage, tile.m * 128, column, k);
                }
      }
      for (size_t i = 0; i < elements; ++i) total[i] += sums[i];
    }
    for (int row = 0; row < tile.m; ++row)
      for (int column = 0; column < tile.n; ++column) {
        const int m = m0 + row, n = n0 + column;
        if (m >= p.m || n >= p.n) continue;
        float v = total[static_cast<size_t>(row * tile.n + column)];
        if (p.bias != nullptr) v += p.bias[n];
        if (p.residual != nullptr)
          v += static_cast<const float*>(p.residual)[m * p.residual_pixel + n];
        if (p.act == Act::kRelu) v = std::max(v, 0.f);
        const auto to = static_cast<size_t>(m * p.y_pixel + n);
        if (written[to]) return false;
        written[to] = true;
        y[to] = n < p.n_real ? v : 0;
      }
  }
  return true;
}

}  // namespace corolla::engine::cuda
