// ResNet-50 of any number of classes as a plan, with random weights: what `corolla compile` makes
// of torchvision's, without a model file. For checking and timing kernels.
#pragma once
#include "plan/plan.h"

namespace corolla::bench {

// precision: FP16, BF16 or INT8, in which the last convolution makes fp16 and the classifier's
// input is quantised, as in the shipped flower model. Input u8 NHWC [224,224,3] or fp32 NCHW;
// output FP32 [classes].
plan::Plan resnet50(std::vector<int64_t> batches, int64_t classes, bool pixels, DType precision,
                    uint64_t seed);

}  // namespace corolla::bench
