#include "engine/cuda/stem.h"

#include <algorithm>
#include <cstring>

namespace corolla::engine::cuda {
namespace {

bool reads(const plan::Step& step, int32_t tensor) {
  return std::find(step.inputs.begin(), step.inputs.end(), tensor) != step.inputs.end();
}

const plan::Step* only_reader(const plan::Program& program, int32_t tensor) {
  const plan::Step* found = nullptr;
  for (const plan::Step& step : program.steps) {
    if (!reads(step, tensor)) continue;
    if (found != nullptr) return nullptr;
    found = &step;
  }
  return found;
}

std::optional<Stem> make_stem(const plan::Program& program, const plan::Step& step) {
  const auto& conv = std::get<plan::Conv>(step.operation);
  const plan::PlanTensor& x = program.tensors[static_cast<size_t>(step.inputs[0])];
  const plan::PlanTensor& y = program.tensors[static_cast<size_t>(step.outputs[0])];
  const bool bytes = x.dtype == DType::kUint8;
  if (!(bytes || x.dtype == DType::kFp16 || x.dtype == DType::kBf16) ||
      x.place != plan::Place::kArena || x.shape[1] > Stem::kPixel || conv.groups != 1 ||
      conv.stride_w % 2 != 0 || conv.dilation_w != 1)
    return std::nullopt;
  if (bytes && (conv.stride_h != 2 || conv.stride_w != 2 || conv.dilation_h != 1))
    return std::nullopt;
  Stem stem;
  stem.bytes = bytes;
  stem.kernel_h = static_cast<int>(conv.kernel_h);
  stem.kernel_w = static_cast<int>(conv.kernel_w);
  stem.channels = static_cast<int>(x.shape[1]);
  stem.row_elements = (stem.kernel_w * Stem::kPixel + 7) / 8 * 8;
  stem.top = static_cast<int>(conv.pad_top);
  stem.left = static_cast<int>(conv.pad_left);
  if (bytes) {
    const int64_t columns = (conv.kernel_w + 1) / 2;
    stem.row_elements = static_cast<int>(columns) * 4 * Stem::kPixel;
    stem.padded_height = static_cast<int>(
        std::max(y.shape[2] - 1 + stem.rows(), (x.shape[2] + conv.pad_top + 1) / 2));
    stem.padded_width =
        static_cast<int>(std::max(y.shape[3] - 1 + columns, (x.shape[3] + conv.pad_left + 1) / 2));
    const int64_t size = int64_t{stem.padded_height} * stem.padded_width * 4 * Stem::kPixel;
    return x.shape[0] * size > x.bytes ? std::nullopt : std::optional(stem);
  }
  const int64_t height =
      std::max((y.shape[2] - 1) * conv.stride_h + (conv.kernel_h - 1) * conv.dilation_h + 1,
               x.shape[2] + conv.pad_top);
  const int64_t width =
      std::max((y.shape[3] - 1) * conv.stride_w + stem.row_elements / Stem::kPixel,
               x.shape[3] + conv.pad_left);
  stem.padded_height = static_cast<int>(height);
  stem.padded_width = static_cast<int>((width + 1) / 2 * 2);
  // It lies where the eight-channel picture would lie.
  if (x.shape[0] * stem.padded_height * stem.padded_width * Stem::kPixel * 2 > x.bytes)
    return std::nullopt;
  return stem;
}

}  // namespace

bool imports_picture(const plan::Program& program, const plan::Step& import) {
  const DType from = program.tensors[static_cast<size_t>(import.inputs[0])].dtype;
  const plan::PlanTensor& to = program.tensors[static_cast<size_t>(import.outputs[0])];
  return to.layout == plan::Layout::kNhwc && (from == DType::kFp32 || from == DType::kUint8);
}

std::optional<Stem> find_stem(const plan::Program& program, const plan::Step& conv) {
  const int32_t x = conv.inputs[0];
  if (only_reader(program, x) != &conv) return std::nullopt;
  for (const plan::Step& step : program.steps)
    if (step.op() == plan::StepOp::kImport && step.outputs[0] == x &&
        imports_picture(program, step))
      return make_stem(program, conv);
  return std::nullopt;
}

std::optional<Stem> stem_after(const plan::Program& program, const plan::Step& import) {
  const plan::Step* reader = only_reader(program, import.outputs[0]);
  if (reader == nullptr || reader->op() != plan::StepOp::kConv ||
      reader->inputs[0] != import.outputs[0] || !imports_picture(program, import))
    return std::nullopt;
  return make_stem(program, *reader);
}

void Stem::set(const plan::Conv& conv, ConvProblem& p) const {
  const int unit = bytes ? 2 : 1;  // elements
  p.height = padded_height;
  p.width = p.out_w;
  p.channels = row_elements / unit;
  p.k = rows() * p.channels;
  p.x_pixel = (bytes ? 1 : static_cast<int>(conv.stride_w)) * pixel_channels() / unit;
  p.x_row = padded_width * pixel_channels() / unit;
  p.x_image = padded_height * p.x_row;
  if (bytes) p.stride_h = 1;
}

std::string Stem::key(int64_t weight_offset) const {
  return (bytes ? "stem of bytes " : "stem ") + std::to_string(weight_offset) + " " +
         std::to_string(kernel_h) + " " + std::to_string(row_elements);
}

std::vector<std::byte> Stem::pack_weights(const std::byte* weights,
                                          const plan::Shape& shape) const {
  const auto outputs = static_cast<size_t>(shape[0]), from_channels = static_cast<size_t>(shape[3]);
  const auto rows = static_cast<size_t>(kernel_h), columns = static_cast<size_t>(kernel_w);
  const auto to_row = static_cast<size_t>(row_elements);
  if (bytes) {
    const auto block_rows = static_cast<size_t>(this->rows());
    std::vector<std::byte> packed(outputs * block_rows * to_row);
    for (size_t n = 0; n < outputs; ++n)
      for (size_t r = 0; r < rows; ++r)
        for (size_t s = 0; s < columns; ++s)
          std::memcpy(packed.data() + (n * block_rows + r / 2) * to_row +
                          (s / 2 * 4 + r % 2 * 2 + s % 2) * kPixel,
                      weights + ((n * rows + r) * columns + s) * from_channels,
                      static_cast<size_t>(channels));
    return packed;
  }
  std::vector<std::byte> packed(outputs * rows * to_row * 2);
  for (size_t n = 0; n < outputs; ++n)
    for (size_t r = 0; r < rows; ++r)
      for (size_t s = 0; s < columns; ++s)
        std::memcpy(packed.data() + ((n * rows + r) * to_row + s * kPixel) * 2,
                    weights + ((n * rows + r) * columns + s) * from_channels * 2,
                    static_cast<size_t>(channels) * 2);
  return packed;
}

}  // namespace corolla::engine::cuda
