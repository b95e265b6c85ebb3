#include "engine/cuda/kernels/conv_groups.h"
#include "engine/cuda/kernels/conv_kernel.cuh"

namespace corolla::engine::cuda {

#define COROLLA_CONV_S8_WGMMA

std::span<const ConvKernel> conv_group_s8_wgmma() {
  static const ConvKernel all[] = {
#define COROLLA_CONV(name, ...) conv_entry<ConvTile<Element::kByte, __VA_ARGS__>>(#name),
#include "engine/cuda/kernels/conv_table.inc"
#undef COROLLA_CONV
  };
  return all;
}

}  // namespace corolla::engine::cuda
