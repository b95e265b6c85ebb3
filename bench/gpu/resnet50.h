// ResNet-50 of any number of classes as a plan, with random weights: what `corolla compile` makes
// of torchvision's, without a model file. For checking and timing kernels.
#pragma once
#include "plan/plan.h"

namespace corolla::bench {

// fp16; input u8 NHWC [224,224,3] or fp32 NCHW; output FP32 [classes].
plan::Plan resnet50(std::vector<int64_t> batches, int64_t classes, bool pixels, uint64_t seed);

}  // namespace corolla::bench
