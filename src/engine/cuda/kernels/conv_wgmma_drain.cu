#include "engine/cuda/kernels/conv_groups.h"
#include "engine/cuda/kernels/conv_kernel.cuh"

namespace corolla::engine::cuda {

#define COROLLA_CONV_WGMMA_DRAIN

std::span<const ConvKernel> conv_group_wgmma_drain() {
  static const ConvKernel all[] = {
#define COROLLA_CONV(name, ...) conv_entry<ConvTile<Element::kHalf, __VA_ARGS__>>(#name),
#include "engine/cuda/kernels/conv_table.inc"
#undef COROLLA_CONV
  };
  return all;
}

}  // namespace corolla::engine::cuda
