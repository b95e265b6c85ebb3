// One convolution as the kernels see it: an implicit GEMM.
//
//   y[m][n] = act(sum_k x(m, k) * w[n][k] + bias[n] + residual[m][n])
//
// m runs over output pixels (image, oh, ow), n over output channels, k over (r, s, c): kernel row,
// kernel column, input channel. x is NHWC with any strides; w is [n][k]; bias is fp32. A matrix
// product is the convolution of 1 x 1 pixels.
//
// What x and w hold is Element. k, channels and the strides of x count units of two bytes: one fp16
// or bf16 number, or two 8-bit ones; so all types share this arithmetic, and a pixel's channels are
// a multiple of 16 bytes. y and the residual count numbers.
//
// K is walked in steps of 64 units (kBlockK). Each thread copies chunks of 8 units (16 bytes):
// chunk t % 8 of rows t / 8, t / 8 + threads / 8, ... of the tile; so it walks K alone, at one (r,
// s, c).
#pragma once
#include <cmath>
#include <cstdint>

#include "engine/cuda/kernels/host_device.h"

namespace corolla::engine::cuda {

inline constexpr int kBlockK = 64;
inline constexpr int kChunk = 8;  // units copied at once

enum class Element : int {
  kHalf,    // fp16, sums fp32, y and residual fp16
  kBfloat,  // bf16, likewise
  kByte,    // x u8, w s8, sums s32; y and residual u8 or fp16
};

enum class Act : int {  // in plan::Activation's order
  kNone,
  kRelu,
  kClip,
  kSilu,
  kHardSwish,
  kGelu,
  kGeluTanh,
  kSigmoid,
  kHardSigmoid,
  kTanh,
  kLeaky,
};

// Division by a number known beforehand, of 0 <= a < 2^31: a multiplication and a shift.
struct Divider {
  uint32_t multiplier = 1, shift = 0;
  Divider() = default;
  explicit Divider(int by) {
    while ((int64_t{1} << shift) < by) ++shift;
    multiplier = static_cast<uint32_t>(
        ((uint64_t{1} << 32) * ((uint64_t{1} << shift) - static_cast<uint64_t>(by))) /
            static_cast<uint64_t>(by) +
        1);
  }
};
COROLLA_HD int divide(int a, const Divider& by) {
  const uint32_t n = static_cast<uint32_t>(a);
#ifdef __CUDA_ARCH__
  const uint32_t high = __umulhi(n, by.multiplier);
#else
  const uint32_t high = static_cast<uint32_t>((uint64_t{n} * by.multiplier) >> 32);
#endif
  return static_cast<int>((high + n) >> by.shift);
}

// A second product summed into the same outputs: 1 x 1, without padding, of another tensor, such as
// the convolution on a block's shortcut. Its sums add to the first one's before anything is
// rounded.
struct ConvExtra {
  const void* x = nullptr;  // null: there is none
  const void* w = nullptr;  // [n][channels]
  const float* bias = nullptr;
  int height = 0, width = 0, channels = 0;
  int stride_h = 1, stride_w = 1;
  int x_image = 0, x_row = 0, x_pixel = 0;
};

struct ConvProblem {
  Element element = Element::kHalf;
  const void* x = nullptr;
  const void* w = nullptr;
  const float* bias = nullptr;     // or null
  const void* residual = nullptr;  // or null
  void* y = nullptr;
  float* partial = nullptr;  // split-K through memory: [tile][split][elements of the tile]
  int* arrivals = nullptr;   // one counter a tile, zero before and after
  int m = 0, n = 0, k = 0;   // n: rows of w, channels written
  int n_real = 0;            // channels from here on are written as zero
  int height = 0, width = 0, channels = 0;  // of x
  int out_hw = 0, out_w = 0, kernel_w = 1;
  int stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  int x_image = 0, x_row = 0, x_pixel = 0;  // strides in elements
  int y_pixel = 0, residual_pixel = 0;
  int k_steps = 0;  // ceil(k / kBlockK)
  int tiles_n = 0;
  int splits = 1;
  int cluster = 0;  // 1: the splits of a tile are one thread-block cluster
  Act act = Act::kNone;
  float act_a = 0, act_b = 0;  // alpha and beta of plan::Epilogue
  int received = 0;            // byte in shared memory of the sums that a cluster's blocks send
  // kByte: y = act(sum * scale[n] + bias[n] + residual * residual_scale), all zero points being in
  // the bias; where y is u8, rounded after * y_scale + y_zero.
  const float* scale = nullptr;
  bool y_bytes = false, residual_bytes = false;
  float residual_scale = 1, y_scale = 1, y_zero = 0;
  uint32_t fill = 0;  // four bytes of x's zero point: what x counts as outside of the picture
  ConvExtra extra;    // only kernels of conv_boxes.cuh can
  // Follow from the rest: complete().
  bool pointwise = false;  // 1 x 1, stride 1, no padding: pixel m is at m * x_pixel
  Divider by_out_hw, by_out_w, by_channels, by_kernel_w, by_tiles_n;
};

// kByte: what a sum means before residual and activation; and a value as y has it.
COROLLA_HD float real_sum(int sum, float scale, float bias) {
  return fmaf(static_cast<float>(sum), scale, bias);
}
COROLLA_HD int quantised(float v, float scale, float zero, float low = 0, float high = 255) {
  const float q = fmaf(v, scale, zero);
#ifdef __CUDA_ARCH__
  return __float2int_rn(fminf(fmaxf(q, low), high));
#else
  return static_cast<int>(std::nearbyintf(std::fmin(std::fmax(q, low), high)));
#endif
}

inline bool is_pointwise(const ConvProblem& p) {
  return p.k == p.channels && p.stride_h == 1 && p.stride_w == 1 && p.pad_h == 0 && p.pad_w == 0 &&
         p.out_w == p.width && p.out_hw == p.height * p.width && p.x_row == p.width * p.x_pixel &&
         p.x_image == p.height * p.x_row;
}
inline void complete(ConvProblem& p) {
  p.pointwise = is_pointwise(p);
  p.by_out_hw = Divider(p.out_hw);
  p.by_out_w = Divider(p.out_w);
  p.by_channels = Divider(p.channels);
  p.by_kernel_w = Divider(p.kernel_w);
  p.by_tiles_n = Divider(p.tiles_n);
}

// Where output pixel m begins in x. Rows outside lie so far off that every bound check fails.
struct PixelRow {
  int offset, h, w;
};
COROLLA_HD PixelRow pointwise_row(const ConvProblem& p, int m) {
  return {m * p.x_pixel, m < p.m ? 0 : -(1 << 28), 0};
}
COROLLA_HD PixelRow window_row(const ConvProblem& p, int m) {
  const int image = divide(m, p.by_out_hw), rest = m - image * p.out_hw;
  const int oh = divide(rest, p.by_out_w), ow = rest - oh * p.out_w;
  const int h = oh * p.stride_h - p.pad_h, w = ow * p.stride_w - p.pad_w;
  return {image * p.x_image + h * p.x_row + w * p.x_pixel, m < p.m ? h : -(1 << 28), w};
}
COROLLA_HD PixelRow pixel_row(const ConvProblem& p, int m) {
  return p.pointwise ? pointwise_row(p, m) : window_row(p, m);
}

// Where in K a thread's chunk stands.
struct KWalk {
  int k, r, s, c;
};
COROLLA_HD KWalk k_walk(const ConvProblem& p, int k) {
  const int tap = divide(k, p.by_channels), r = divide(tap, p.by_kernel_w);
  return {k, r, tap - r * p.kernel_w, k - tap * p.channels};
}
COROLLA_HD void k_next(const ConvProblem& p, KWalk& at) {
  at.k += kBlockK;
  at.c += kBlockK;
  while (at.c >= p.channels) {
    at.c -= p.channels;
    if (++at.s == p.kernel_w) {
      at.s = 0;
      ++at.r;
    }
  }
}

// Offset in x of the chunk of `row` at `at`; -1: zeros (padding, or past the end).
struct Source {
  int offset;
  bool inside;
};
COROLLA_HD Source x_source(const ConvProblem& p, const PixelRow& row, const KWalk& at) {
  const int dh = at.r * p.dilation_h, dw = at.s * p.dilation_w;
  const bool inside = at.k < p.k &&
                      static_cast<unsigned>(row.h + dh) < static_cast<unsigned>(p.height) &&
                      static_cast<unsigned>(row.w + dw) < static_cast<unsigned>(p.width);
  return {row.offset + (dh * p.x_row + dw * p.x_pixel + at.c), inside};
}
COROLLA_HD Source w_source(const ConvProblem& p, int n, const KWalk& at) {
  return {n * p.k + at.k, n < p.n && at.k < p.k};
}

// Byte in a stage's tile of (row, chunk): rows of 128 bytes whose eight chunks are permuted by the
// row, so that neither copies nor ldmatrix meet in a bank. It is also wgmma's 128-byte swizzle.
COROLLA_HD int tile_byte(int row, int chunk) { return row * 128 + ((chunk ^ (row & 7)) << 4); }

// Steps of K that split z of `splits` computes: [begin, end). Every split has at least one where
// splits <= k_steps.
struct Steps {
  int begin, end;
};
COROLLA_HD Steps split_steps(int k_steps, int splits, int z) {
  if (splits == 1) return {0, k_steps};
  return {k_steps * z / splits, k_steps * (z + 1) / splits};
}

// Byte of (row, chunk of 16 bytes) in the finished tile, whose rows have kN numbers of two bytes,
// permuted likewise. (A tile of bytes has rows of half as many.)
template <int kN>
COROLLA_HD int result_byte(int row, int chunk) {
  if (kN == 16) return row * 32 + ((chunk ^ (row >> 2 & 1)) << 4);
  if (kN == 32) return row * 64 + ((chunk ^ (row >> 1 & 3)) << 4);
  return row * kN * 2 + (((chunk & ~7) | ((chunk ^ row) & 7)) << 4);
}

// First row of row block i of a warp. wgmma: four warps share 64 rows, and each warpgroup has
// row_blocks times 64.
COROLLA_HD int warp_row(bool wgmma, int row_blocks, int warp_m, int i) {
  if (wgmma) return (warp_m / 4 * row_blocks + i) * 64 + warp_m % 4 * 16;
  return (warp_m * row_blocks + i) * 16;
}

// Where accumulator `i` of a lane lies in its warp's 16 x (8 * blocks) piece: mma.sync's and
// wgmma's fragments alike hold pairs of columns, two rows.
struct Place {
  int row, column;
};
COROLLA_HD Place fragment_place(int lane, int i) {
  return {lane / 4 + (i & 2) * 4, (i >> 2) * 8 + (lane & 3) * 2 + (i & 1)};
}

}  // namespace corolla::engine::cuda
