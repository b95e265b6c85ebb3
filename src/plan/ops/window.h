// The window that slides over a picture, of conv and pools: reads ONNX's attributes, knows the
// output's size. Any number of spatial dimensions up to 3.
#pragma once
#include "base/result.h"
#include "plan/graph.h"
#include "plan/tensor.h"

namespace corolla::plan {

struct Window {
  // One entry a spatial dimension.
  Shape kernel, stride, dilation, pad_begin, pad_end, in, out;
  size_t dimensions() const { return kernel.size(); }
};

// `picture`: [N, C, spatial...]; `kernel`: the window's size. kInvalidArgument for attributes of
// the wrong length, strides or dilations below 1, negative pads, or a window larger than the padded
// picture.
Result<Window> window_of(const Attributes& attributes, const Shape& picture, Shape kernel);

}  // namespace corolla::plan
