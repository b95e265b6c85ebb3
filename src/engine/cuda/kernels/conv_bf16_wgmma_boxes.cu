#include "engine/cuda/kernels/conv_boxes.cuh"
#include "engine/cuda/kernels/conv_groups.h"

namespace corolla::engine::cuda {

#define COROLLA_CONV_BF16_BOXES

std::span<const ConvKernel> conv_group_bf16_wgmma_boxes() {
  static const ConvKernel all[] = {
#define COROLLA_CONV_BOX(name, ...) boxes_entry<BoxTile<Element::kBfloat, __VA_ARGS__>>(#name),
#include "engine/cuda/kernels/conv_table.inc"
#undef COROLLA_CONV_BOX
  };
  return all;
}

}  // namespace corolla::engine::cuda
