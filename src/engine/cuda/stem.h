// The first convolution of a network of pictures, whose three channels would waste five of eight.
//
// Where an import of at most four channels feeds one convolution alone, with an even stride along
// the width, the picture is imported as four channels a pixel, with its zero border in memory. A
// row of the kernel's window is then one run of kernel_w * 4 numbers, 16-byte aligned, and the
// convolution of kernel_h x kernel_w x 8 becomes one of kernel_h x 1 x row_elements (7 x 32 instead
// of 7 x 7 x 8 for ResNet: 224 products a sum, not 392) without a bound to check.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace corolla::engine::cuda {

struct Stem {
  static constexpr int kPixel = 4;  // channels in memory

  int kernel_h = 0, kernel_w = 0, channels = 0;
  int row_elements = 0;  // of a window: kernel_w * 4, rounded up to 8
  int padded_height = 0, padded_width = 0;
  int top = 0, left = 0;  // border

  std::string key(int64_t weight_offset) const;
  // From [Cout'][kernel_h][kernel_w][8] to [Cout'][kernel_h][row_elements], fp16.
  std::vector<std::byte> pack_weights(const std::byte* weights, const plan::Shape& shape) const;
};

// Of a convolution; nothing when it is no such.
std::optional<Stem> find_stem(const plan::Program& program, const plan::Step& conv);
// Of the convolution that alone reads what `import` writes.
std::optional<Stem> stem_after(const plan::Program& program, const plan::Step& import);

}  // namespace corolla::engine::cuda
