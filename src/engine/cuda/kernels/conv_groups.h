// The parts of the table, one a translation unit: nvcc is slow.
#pragma once
#include "engine/cuda/kernels/conv_kernels.h"

namespace corolla::engine::cuda {

std::span<const ConvKernel> conv_group_mma();
std::span<const ConvKernel> conv_group_wgmma();
std::span<const ConvKernel> conv_group_wgmma_drain();
std::span<const ConvKernel> conv_group_wgmma_big();
std::span<const ConvKernel> conv_group_bf16_mma();
std::span<const ConvKernel> conv_group_bf16_wgmma();
std::span<const ConvKernel> conv_group_s8_mma();
std::span<const ConvKernel> conv_group_s8_wgmma();
std::span<const ConvKernel> conv_group_s8_wgmma_big();
std::span<const ConvKernel> conv_group_wgmma_boxes();
std::span<const ConvKernel> conv_group_bf16_wgmma_boxes();
std::span<const ConvKernel> conv_group_wgmma_boxes_big();

}  // namespace corolla::engine::cuda
