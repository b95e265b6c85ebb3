// What a network of pictures begins with, as one kernel: import, a 7 x 7 convolution of stride 2 on
// three or four channels, ReLU, and 3 x 3 maxima of stride 2.
//
//   y = max over 3 x 3 of act(sum_k normalised(x) * w[n][k] + bias[n]),  rounded before max
//
// A block makes kPooledH x kPooledW pixels of y. It imports the part of the picture that these
// need, four channels a pixel, into shared memory: a row of a window is then 32 numbers in one
// piece, and the windows of neighbouring pixels overlap there, 16 bytes apart. Products are those
// of a matrix whose row q is the window of convolved pixel q of kConvH x kConvW, of which 256 are
// made.
#pragma once
#include <cstdint>

#include "engine/cuda/kernels/conv_problem.h"

namespace corolla::engine::cuda {

struct StemProblem {
  Element element = Element::kHalf;  // of w and y; or kBfloat
  const void* x = nullptr;           // u8 NHWC, or fp32 NCHW
  const void* w = nullptr;           // [n][kKernelH][kRowElements]
  const float* bias = nullptr;
  void* y = nullptr;  // NHWC of n channels
  int images = 0, height = 0, width = 0, channels = 0;
  int conv_h = 0, conv_w = 0, pad_top = 0, pad_left = 0;
  int out_h = 0, out_w = 0, pool_top = 0, pool_left = 0;
  int n = 0;
  bool pixels = false, relu = false;
  float mean[4] = {}, scale[4] = {};
};

struct StemTile {
  static constexpr int kPooledH = 7, kPooledW = 8;
  static constexpr int kConvH = 2 * kPooledH + 1, kConvW = 2 * kPooledW + 1;
  static constexpr int kPixels = 256;  // kConvH * kConvW, rounded up to 16
  static constexpr int kKernelH = 7, kRowElements = 32, kK = kKernelH * kRowElements;
  static constexpr int kRows = 2 * (kConvH - 1) + kKernelH;             // of the picture
  static constexpr int kColumns = 2 * (kConvW - 1) + kRowElements / 4;  // likewise
  static constexpr int kRowBytes = kColumns * 8;
  static constexpr int kPictureBytes = kRows * kRowBytes;
  static constexpr int kWeightBytes = kK * 2 + 16;  // a row; no bank conflicts for ldmatrix
};
static_assert(StemTile::kConvH * StemTile::kConvW <= StemTile::kPixels);

// The pixel of x that the tile's picture begins with, and of the convolution.
struct StemOrigin {
  int h, w, conv_h, conv_w;
};
COROLLA_HD StemOrigin stem_origin(const StemProblem& p, int tile_h, int tile_w) {
  const int conv_h = 2 * tile_h * StemTile::kPooledH - p.pool_top;
  const int conv_w = 2 * tile_w * StemTile::kPooledW - p.pool_left;
  return {2 * conv_h - p.pad_top, 2 * conv_w - p.pad_left, conv_h, conv_w};
}

// Byte in the tile's picture where the window of convolved pixel q begins; its rows are kRowBytes
// apart.
COROLLA_HD int stem_window(int q) {
  const int last = StemTile::kConvH * StemTile::kConvW - 1;
  const int at = q < last ? q : last;
  const int h = at / StemTile::kConvW, w = at - h * StemTile::kConvW;
  return 2 * h * StemTile::kRowBytes + w * 16;
}

// Whether convolved pixel q of the tile exists: only those take part in the maxima.
COROLLA_HD bool stem_exists(const StemProblem& p, const StemOrigin& origin, int q) {
  const int h = q / StemTile::kConvW, w = q - h * StemTile::kConvW;
  return h < StemTile::kConvH &&
         static_cast<unsigned>(origin.conv_h + h) < static_cast<unsigned>(p.conv_h) &&
         static_cast<unsigned>(origin.conv_w + w) < static_cast<unsigned>(p.conv_w);
}

// Convolved pixel (r, s) of the 3 x 3 under pooled pixel `pooled` of the tile.
COROLLA_HD int stem_under(int pooled, int r, int s) {
  const int h = pooled / StemTile::kPooledW, w = pooled - h * StemTile::kPooledW;
  return (2 * h + r) * StemTile::kConvW + 2 * w + s;
}

}  // namespace corolla::engine::cuda
