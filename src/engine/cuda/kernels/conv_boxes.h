// How a convolution is copied by the tensor memory accelerator (sm_90): one instruction copies a
// box of kBlockK channels x some pixels or rows, zero-filled outside of the tensor.
//
// A tensor map describes the tensor and the box. Two kinds:
//   rows:   a matrix; box (column, row) is a rectangle. Weights, outputs, residuals, and x where
//           output pixel m is x's pixel m.
//   pixels: x as [image][h][w][channel]; a box is so many output pixels in a row, from (w, h,
//           image) on, each read `offset` further right and down: the convolution's window moves by
//           offsets alone, and the map's corners say where a row of output pixels ends.
//
// K is walked tap by tap, kBlockK channels at a time; the last channels of a tap are zero-filled
// where x's channels are no multiple, so what is beside them in w does not matter.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"

namespace corolla::engine::cuda {

struct BoxMap {
  const void* base = nullptr;  // null: no such tensor
  bool pixels = false;
  int rank = 0;
  int64_t extent[4] = {}, stride[3] = {};          // elements, from the innermost; bytes
  int box_rows = 0;                                // or pixels; a row is kBlockK elements
  int lower[2] = {}, upper[2] = {}, step[2] = {};  // pixels: w, h
};

struct ConvBoxes {
  BoxMap x, w, extra_x, extra_w, residual, y;
};

inline int box_channel_steps(int channels) { return (channels + kBlockK - 1) / kBlockK; }
// Of K; those of the extra product follow those of the first.
inline int box_steps(const ConvProblem& p) {
  const int extra = p.extra.x != nullptr ? box_channel_steps(p.extra.channels) : 0;
  return p.k / p.channels * box_channel_steps(p.channels) + extra;
}

// What the step stands for: its first channel, its tap, and its column in w.
struct BoxStep {
  int c, r, s, k;
};
COROLLA_HD BoxStep box_step(const ConvProblem& p, int step) {
  const int channel_steps = (p.channels + kBlockK - 1) / kBlockK;
  const int tap = step / channel_steps, c = (step - tap * channel_steps) * kBlockK;
  const int r = tap / p.kernel_w;
  return {c, r, tap - r * p.kernel_w, tap * p.channels + c};
}
COROLLA_HD void box_next(const ConvProblem& p, BoxStep& at) {
  at.c += kBlockK;
  at.k += kBlockK;
  if (at.c < p.channels) return;
  at.k += p.channels - at.c;
  at.c = 0;
  if (++at.s < p.kernel_w) return;
  at.s = 0;
  ++at.r;
}

// Where the window of output pixel m begins, before its taps' offsets.
struct BoxPixel {
  int w, h, image;
};
COROLLA_HD BoxPixel box_pixel(const ConvProblem& p, int m) {
  const int image = divide(m, p.by_out_hw), rest = m - image * p.out_hw;
  const int oh = divide(rest, p.by_out_w), ow = rest - oh * p.out_w;
  return {ow * p.stride_w - p.pad_w, oh * p.stride_h - p.pad_h, image};
}
COROLLA_HD BoxPixel box_extra_pixel(const ConvProblem& p, int m) {
  const int image = divide(m, p.by_out_hw), rest = m - image * p.out_hw;
  const int oh = divide(rest, p.by_out_w), ow = rest - oh * p.out_w;
  return {ow * p.extra.stride_w, oh * p.extra.stride_h, image};
}

namespace boxes {

inline bool aligned(const void* at) { return reinterpret_cast<uintptr_t>(at) % 16 == 0; }

inline BoxMap rows(const void* base, int columns, int count, int pitch, int box_rows) {
  BoxMap map;
  map.base = base;
  map.rank = 2;
  map.extent[0] = columns;
  map.extent[1] = count;
  map.stride[0] = int64_t{2} * pitch;
  map.box_rows = box_rows;
  return map;
}

// A tensor whose windows are read: [images][height][width][channels], strides in elements.
struct Windowed {
  const void* base;
  int channels, images, pixel, row, image;
};
struct Window {                       // of one dimension
  int size, out, stride, pad, reach;  // reach: last tap's offset
};
// False: outside of what the hardware's fields hold.
inline bool set_window(BoxMap& map, int i, const Window& window) {
  map.lower[i] = -window.pad;
  // The last output pixel's window begins here, counted from the tensor's last pixel.
  map.upper[i] = -window.pad + (window.out - 1) * window.stride - (window.size - 1);
  map.step[i] = window.stride;
  return map.lower[i] >= -128 && map.upper[i] >= -128 && map.upper[i] <= 127 &&
         window.stride <= 8 && window.reach <= 255;
}
// False likewise.
inline bool set_pixels(BoxMap& map, const Windowed& x, const Window& across, const Window& down,
                       int box_pixels) {
  map.base = x.base;
  map.pixels = true;
  map.rank = 4;
  map.box_rows = box_pixels;
  const int64_t extent[] = {x.channels, across.size, down.size, x.images};
  const int64_t stride[] = {x.pixel, x.row, x.image};
  for (int i = 0; i < 4; ++i) map.extent[i] = extent[i];
  for (int i = 0; i < 3; ++i) map.stride[i] = 2 * stride[i];
  return set_window(map, 0, across) && set_window(map, 1, down);
}

}  // namespace boxes

// The maps for tiles of tile_m x tile_n. False where this way of copying cannot do it.
inline bool conv_boxes(const ConvProblem& p, int tile_m, int tile_n, ConvBoxes& all) {
  using namespace boxes;
  if (p.element == Element::kByte) return false;
  const auto strides = [](int a, int b, int c) { return (a | b | c) % kChunk == 0; };
  if (!aligned(p.x) || !aligned(p.w) || !aligned(p.y) || !aligned(p.residual) ||
      !aligned(p.extra.x) || !aligned(p.extra.w))
    return false;
  if (p.n % kChunk != 0 || p.y_pixel % kChunk != 0 || p.residual_pixel % kChunk != 0 ||
      !strides(p.x_pixel, p.x_row, p.x_image) || p.k % kChunk != 0 || p.channels % kChunk != 0 ||
      p.x_pixel < p.channels)
    return false;
  const int out_h = p.out_hw / p.out_w;
  if (is_pointwise(p)) {
    all.x = rows(p.x, p.channels, p.m, p.x_pixel, tile_m);
  } else {
    if (p.channels < kBlockK || p.m % p.out_hw != 0) return false;
    const int kernel_h = p.k / p.channels / p.kernel_w;
    const Windowed x{p.x, p.channels, p.m / p.out_hw, p.x_pixel, p.x_row, p.x_image};
    const Window across{p.width, p.out_w, p.stride_w, p.pad_w, (p.kernel_w - 1) * p.dilation_w};
    const Window down{p.height, out_h, p.stride_h, p.pad_h, (kernel_h - 1) * p.dilation_h};
    if (!set_pixels(all.x, x, across, down, tile_m)) return false;
  }
  all.w = rows(p.w, p.k, p.n, p.k, tile_n);
  all.y = rows(p.y, p.n, p.m, p.y_pixel, tile_m);
  if (p.residual != nullptr) all.residual = rows(p.residual, p.n, p.m, p.residual_pixel, tile_m);
  if (const ConvExtra& e = p.extra; e.x != nullptr) {
    if (e.channels % kChunk != 0 || e.channels < kBlockK || e.x_pixel < e.channels ||
        !strides(e.x_pixel, e.x_row, e.x_image) || p.m % p.out_hw != 0)
      return false;
    const Windowed x{e.x, e.channels, p.m / p.out_hw, e.x_pixel, e.x_row, e.x_image};
    if (!set_pixels(all.extra_x, x, {e.width, p.out_w, e.stride_w, 0, 0},
                    {e.height, out_h, e.stride_h, 0, 0}, tile_m))
      return false;
    all.extra_w = rows(e.w, e.channels, p.n, e.channels, tile_n);
  }
  return true;
}

}  // namespace corolla::engine::cuda
