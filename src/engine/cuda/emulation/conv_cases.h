// Convolutions of small whole numbers, with their answers by the naive loops.
#pragma once
#include <algorithm>
#include <random>
#include <vector>

#include "engine/cuda/kernels/conv_problem.h"

namespace corolla::engine::cuda {

struct Shape {
  int images, height, width, channels, outputs, kernel, stride, pad, dilation = 1;
  bool residual = false;
};

inline int extent(int size, const Shape& s) {
  return (size + 2 * s.pad - s.dilation * (s.kernel - 1) - 1) / s.stride + 1;
}

inline int stored_outputs(const Shape& s) { return (s.outputs + 7) / 8 * 8; }

// Sizes and strides, of pixels that are `channels` units of two bytes.
inline void set_geometry(ConvProblem& p, const Shape& s, int channels) {
  p.out_w = extent(s.width, s);
  p.out_hw = extent(s.height, s) * p.out_w;
  p.m = s.images * p.out_hw;
  p.n = p.y_pixel = p.residual_pixel = stored_outputs(s);
  p.n_real = s.outputs;
  p.channels = p.x_pixel = channels;
  p.k = s.kernel * s.kernel * channels;
  p.height = s.height;
  p.width = s.width;
  p.x_row = s.width * channels;
  p.x_image = s.height * p.x_row;
  p.kernel_w = s.kernel;
  p.stride_h = p.stride_w = s.stride;
  p.pad_h = p.pad_w = s.pad;
  p.dilation_h = p.dilation_w = s.dilation;
}

struct Case {
  std::vector<float> x, w, bias, residual, wanted;
  ConvProblem problem;
};

// Small whole numbers: every order of fp32 sums gives the same bits.
inline Case make(const Shape& s, uint32_t seed) {
  std::mt19937 random(seed);
  const auto numbers = [&](int count) {
    std::vector<float> made(static_cast<size_t>(count));
    for (float& v : made) v = static_cast<float>(static_cast<int>(random() % 7) - 3);
    return made;
  };
  Case c;
  const int oh = extent(s.height, s), ow = extent(s.width, s), stored = stored_outputs(s);
  c.x = numbers(s.images * s.height * s.width * s.channels);
  c.w = numbers(stored * s.kernel * s.kernel * s.channels);
  c.bias = numbers(stored);
  c.residual = numbers(s.images * oh * ow * stored);
  ConvProblem& p = c.problem;
  p.x = c.x.data();
  p.w = c.w.data();
  p.bias = c.bias.data();
  p.residual = s.residual ? c.residual.data() : nullptr;
  set_geometry(p, s, s.channels);
  p.act = Act::kRelu;
  const auto place = [](int i) { return static_cast<size_t>(i); };
  c.wanted.assign(place(p.m * stored), 0);
  for (int n = 0; n < s.images; ++n)
    for (int h = 0; h < oh; ++h)
      for (int v = 0; v < ow; ++v)
        for (int o = 0; o < s.outputs; ++o) {
          const int m = (n * oh + h) * ow + v;
          float sum = 0;
          for (int r = 0; r < s.kernel; ++r)
            for (int q = 0; q < s.kernel; ++q) {
              const int ih = h * s.stride - s.pad + r * s.dilation,
                        iw = v * s.stride - s.pad + q * s.dilation;
              if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
              for (int k = 0; k < s.channels; ++k)
                sum += c.x[place(((n * s.height + ih) * s.width + iw) * s.channels + k)] *
                       c.w[place(((o * s.kernel + r) * s.kernel + q) * s.channels + k)];
            }
          sum += c.bias[static_cast<size_t>(o)];
          const size_t at = place(m * stored + o);
          if (s.residual) sum += c.residual[at];
          c.wanted[at] = std::max(sum, 0.f);
        }
  return c;
}

}  // namespace corolla::engine::cuda
