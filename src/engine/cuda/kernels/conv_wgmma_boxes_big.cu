#include "engine/cuda/kernels/conv_boxes.cuh"
#include "engine/cuda/kernels/conv_groups.h"

namespace corolla::engine::cuda {

#define COROLLA_CONV_BOXES_BIG

std::span<const ConvKernel> conv_group_wgmma_boxes_big() {
  static const ConvKernel all[] = {
#define COROLLA_CONV_BOX(name, ...) boxes_entry<BoxTile<Element::kHalf, __VA_ARGS__>>(#name),
#include "engine/cuda/kernels/conv_table.inc"
#undef COROLLA_CONV_BOX
  };
  return all;
}

}  // namespace corolla::engine::cuda
