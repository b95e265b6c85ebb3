// The kernels of kernels/conv_boxes.cuh on the host: copies of boxes as the tensor memory
// accelerator is documented to make them, from the kernels' own maps and walk of K, and products of
// the stages that they fill.
#pragma once
#include <vector>

#include "engine/cuda/kernels/conv_boxes.h"

namespace corolla::engine::cuda {

// One load into `to`, [box_rows][kBlockK] floats, swizzled; floats stand for fp16, so strides in
// bytes count half. `at`: column and row, or channel, w, h, image.
void emulate_load(const BoxMap& map, const int (&at)[4], int right, int down, float* to);

// As emulate_conv (emulated_conv.h), tiles of tile_m x tile_n. False when the maps cannot be made,
// or something was written twice.
bool emulate_boxes(ConvProblem problem, int tile_m, int tile_n, int splits, std::vector<float>& y);

}  // namespace corolla::engine::cuda
