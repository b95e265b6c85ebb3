#include "engine/cuda/emulation/emulated_boxes.h"

#include <algorithm>
#include <cmath>

namespace corolla::engine::cuda {
namespace {

size_t place(int i) { return static_cast<size_t>(i); }

void put(float* to, int row, int column, float v) {
  to[tile_byte(row, column / 8) / 2 + column % 8] = v;
}
float get(const float* from, int row, int column) {
  return from[tile_byte(row, column / 8) / 2 + column % 8];
}

}  // namespace

void emulate_load(const BoxMap& map, const int (&at)[4], int right, int down, float* to) {
  const auto* base = static_cast<const float*>(map.base);
  const auto element = [&](int dimension, int64_t i) {
    return i >= 0 && i < map.extent[dimension];
  };
  if (!map.pixels) {
    for (int row = 0; row < map.box_rows; ++row)
      for (int c = 0; c < kBlockK; ++c)
        put(to, row, c,
            element(0, at[0] + c) && element(1, at[1] + row)
                ? base[(at[1] + row) * map.stride[0] / 2 + at[0] + c]
                : 0);
    return;
  }
  int64_t w = at[1], h = at[2], image = at[3];
  for (int row = 0; row < map.box_rows; ++row) {
    for (int c = 0; c < kBlockK; ++c) {
      const bool inside = element(0, at[0] + c) && element(1, w + right) && element(2, h + down) &&
                          element(3, image);
      put(to, row, c,
          inside ? base[(image * map.stride[2] + (h + down) * map.stride[1] +
                         (w + right) * map.stride[0]) /
                            2 +
                        at[0] + c]
                 : 0);
    }
    // The next base pixel within the corners.
    if ((w += map.step[0]) <= map.extent[1] - 1 + map.upper[0]) continue;
    w = map.lower[0];
    if ((h += map.step[1]) <= map.extent[2] - 1 + map.upper[1]) continue;
    h = map.lower[1];
    ++image;
  }
}

bool emulate_boxes(ConvProblem p, int tile_m, int tile_n, int splits, std::vector<float>& y) {
  p.tiles_n = (p.n + tile_n - 1) / tile_n;
  p.k_steps = box_steps(p);
  complete(p);
  ConvBoxes boxes;
  if (!conv_boxes(p, tile_m, tile_n, boxes)) return false;
  const int own = p.k_steps - (p.extra.x != nullptr ? box_channel_steps(p.extra.channels) : 0);
  std::vector<bool> written(y.size());
  std::vector<float> x(static_cast<size_t>(tile_m * kBlockK)),
      w(static_cast<size_t>(tile_n * kBlockK));
  for (int tile = 0; tile < (p.m + tile_m - 1) / tile_m * p.tiles_n; ++tile) {
    const int row_tile = divide(tile, p.by_tiles_n);
    const int m0 = row_tile * tile_m, n0 = (tile - row_tile * p.tiles_n) * tile_n;
    std::vector<float> total(static_cast<size_t>(tile_m * tile_n));
    for (int z = 0; z < splits; ++z) {
      const Steps steps = split_steps(p.k_steps, splits, z);
      BoxStep at = box_step(p, std::min(steps.begin, own));
      for (int step = steps.begin; step < steps.end; ++step) {
        std::fill(x.begin(), x.end(), NAN);
        std::fill(w.begin(), w.end(), NAN);
        if (step >= own) {
          const BoxPixel pixel = box_extra_pixel(p, m0);
          const int k = (step - own) * kBlockK;
          emulate_load(boxes.extra_x, {k, pixel.w, pixel.h, pixel.image}, 0, 0, x.data());
          emulate_load(boxes.extra_w, {k, n0, 0, 0}, 0, 0, w.data());
        } else {
          const BoxPixel pixel = box_pixel(p, m0);
          if (p.pointwise)
            emulate_load(boxes.x, {at.c, m0, 0, 0}, 0, 0, x.data());
          else
            emulate_load(boxes.x, {at.c, pixel.w, pixel.h, pixel.image}, at.s * p.dilation_w,
                         at.r * p.dilation_h, x.data());
          emulate_load(boxes.w, {at.k, n0, 0, 0}, 0, 0, w.data());
        }
        box_next(p, at);
        for (int m = 0; m < tile_m; ++m)
          for (int n = 0; n < tile_n; ++n)
            for (int k = 0; k < kBlockK; ++k)
              total[place(m * tile_n + n)] += get(x.data(), m, k) * get(w.data(), n, k);
      }
    }
    for (int m = m0; m < std::min(m0 + tile_m, p.m); ++m)
      for (int n = n0; n < std::min(n0 + tile_n, p.n); ++n) {
        float v = total[static_cast<size_t>((m - m0) * tile_n + n - n0)];
        if (p.bias != nullptr) v += p.bias[n];
        if (p.extra.bias != nullptr) v += p.extra.bias[n];
        if (p.residual != nullptr)
          v += static_cast<const float*>(p.residual)[m * p.residual_pixel + n];
        if (p.act == Act::kRelu) v = std::max(v, 0.f);
        const size_t to = place(m * p.y_pixel + n);
        if (written[to]) return false;
        written[to] = true;
        y[to] = n < p.n_real ? v : 0;
      }
  }
  return true;
}

}  // namespace corolla::engine::cuda
