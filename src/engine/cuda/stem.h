// The first convolution of a network of pictures, whose three channels would waste five of eight.
//
// Where an import of at most four channels feeds one convolution alone, with an even stride along
// the width, the picture is imported as four channels a pixel, with its zero border in memory. A
// row of the kernel's window is then one run of kernel_w * 4 numbers, 16-byte aligned, and the
// convolution of kernel_h x kernel_w x 8 becomes one of kernel_h x 1 x row_elements (7 x 32 instead
// of 7 x 7 x 8 for ResNet: 224 products a sum, not 392) without a bound to check.
//
// In 8 bits four channels are no 16 bytes. There a stride of 2 in both directions is asked for, and
// memory holds blocks of 2 x 2 pixels of four channels: the window is one of whole blocks (4 x 4
// for ResNet: 256 products a sum), which moves by one block an output.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/cuda/kernels/conv_problem.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

struct Stem {
  static constexpr int kPixel = 4;  // channels in memory

  bool bytes = false;
  int kernel_h = 0, kernel_w = 0, channels = 0;
  int row_elements = 0;  // of a window: kernel_w * 4, rounded up to 8; of blocks: 16 each
  int padded_height = 0, padded_width = 0;  // blocks where it is bytes
  int top = 0, left = 0;                    // border, pixels

  int pixel_channels() const { return bytes ? 4 * kPixel : kPixel; }
  int rows() const { return bytes ? (kernel_h + 1) / 2 : kernel_h; }  // of a window
  std::string key(int64_t weight_offset) const;
  // x's sizes and strides, and k.
  void set(const plan::Conv& conv, ConvProblem& problem) const;
  // From [Cout'][kernel_h][kernel_w][8] to [Cout'][rows()][row_elements].
  std::vector<std::byte> pack_weights(const std::byte* weights, const plan::Shape& shape) const;
};

// Only these imports have kernels that write pictures: from FP32, or pixels. Others copy.
bool imports_picture(const plan::Program& program, const plan::Step& import);
// Of a convolution; nothing when it is no such.
std::optional<Stem> find_stem(const plan::Program& program, const plan::Step& conv);
// Of the convolution that alone reads what `import` writes.
std::optional<Stem> stem_after(const plan::Program& program, const plan::Step& import);

}  // namespace corolla::engine::cuda
