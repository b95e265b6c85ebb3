#include "engine/cuda/kernels/tensor_map.h"

namespace corolla::engine::cuda {
namespace {

template <class F>
F find(const char* name) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result;
  if (cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &result) !=
          cudaSuccess ||
      result != cudaDriverEntryPointSuccess) {
    (void)cudaGetLastError();
    return nullptr;
  }
  return reinterpret_cast<F>(found);
}

cudaError_t encode(const BoxMap& box, CUtensorMap& map) {
  static const auto tiled = find<decltype(&cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled");
  static const auto im2col = find<decltype(&cuTensorMapEncodeIm2col)>("cuTensorMapEncodeIm2col");
  if (box.base == nullptr) return cudaSuccess;
  if (tiled == nullptr || im2col == nullptr) return cudaErrorNotSupported;
  cuuint64_t extent[4], stride[3];
  for (int i = 0; i < box.rank; ++i) extent[i] = static_cast<cuuint64_t>(box.extent[i]);
  for (int i = 0; i + 1 < box.rank; ++i) stride[i] = static_cast<cuuint64_t>(box.stride[i]);
  const auto rank = static_cast<cuuint32_t>(box.rank), rows = static_cast<cuuint32_t>(box.box_rows);
  CUresult result;
  if (box.pixels) {
    const cuuint32_t step[] = {1, static_cast<cuuint32_t>(box.step[0]),
                               static_cast<cuuint32_t>(box.step[1]), 1};
    result = im2col(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, rank, const_cast<void*>(box.base),
                    extent, stride, box.lower, box.upper, kBlockK, rows, step,
                    CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                    CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  } else {
    const cuuint32_t size[] = {kBlockK, rows}, step[] = {1, 1};
    result = tiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, rank, const_cast<void*>(box.base), extent,
                   stride, size, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                   CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  }
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace

cudaError_t encode_boxes(const ConvBoxes& boxes, BoxArguments& a) {
  cudaError_t error = encode(boxes.x, a.x);
  if (error == cudaSuccess) error = encode(boxes.w, a.w);
  if (error == cudaSuccess) error = encode(boxes.extra_x, a.extra_x);
  if (error == cudaSuccess) error = encode(boxes.extra_w, a.extra_w);
  if (error == cudaSuccess) error = encode(boxes.residual, a.residual);
  if (error == cudaSuccess) error = encode(boxes.y, a.y);
  return error;
}

}  // namespace corolla::engine::cuda
