// What lowering one step looks at. Private to lowering*.cc.
#pragma once
#include "engine/cuda/lowering.h"

namespace corolla::engine::cuda {

struct LoweringContext {
  const plan::Plan& plan;
  const plan::Program& program;
  const plan::Step& step;
  const Addresses& addresses;
  DerivedWeights& derived;

  // Of what is computed with: bf16 where the plan says so, else fp16.
  Element element() const {
    return plan.precision == DType::kBf16 ? Element::kBfloat : Element::kHalf;
  }
  bool is_number(const plan::PlanTensor& t) const {  // of that type
    return t.dtype == (element() == Element::kBfloat ? DType::kBf16 : DType::kFp16);
  }
  const plan::PlanTensor& tensor(int32_t i) const {
    return program.tensors[static_cast<size_t>(i)];
  }
  const plan::PlanTensor& input(size_t i) const { return tensor(step.inputs[i]); }
  const plan::PlanTensor& output() const { return tensor(step.outputs[0]); }
  std::byte* address(const plan::PlanTensor& t) const {
    switch (t.place) {
      case plan::Place::kInput:
        return addresses.inputs[static_cast<size_t>(t.index)];
      case plan::Place::kOutput:
        return addresses.outputs[static_cast<size_t>(t.index)];
      case plan::Place::kArena:
        return addresses.arena + t.offset;
      case plan::Place::kWeight:
        return addresses.weights + t.offset;
    }
    return nullptr;
  }
};

// The sizes of a convolution and its window, for a kernel that computes one output at a time
// (GroupedConvProblem, ByteConvProblem).
template <class Problem>
void set_conv_sizes(const LoweringContext& at, const plan::Conv& conv, Problem& p) {
  const plan::Shape &x = at.input(0).shape, &y = at.output().shape;
  const auto number = [](int64_t v) { return static_cast<int>(v); };
  p.images = number(x[0]);
  p.channels = number(x[1]);
  p.x_stored = number(plan::stored_channels(x[1]));
  p.height = number(x[2]);
  p.width = number(x[3]);
  p.outputs = number(y[1]);
  p.y_stored = number(plan::stored_channels(y[1]));
  p.out_h = number(y[2]);
  p.out_w = number(y[3]);
  p.kernel_h = number(conv.kernel_h);
  p.kernel_w = number(conv.kernel_w);
  p.stride_h = number(conv.stride_h);
  p.stride_w = number(conv.stride_w);
  p.dilation_h = number(conv.dilation_h);
  p.dilation_w = number(conv.dilation_w);
  p.pad_h = number(conv.pad_top);
  p.pad_w = number(conv.pad_left);
  p.groups = number(conv.groups);
}

}  // namespace corolla::engine::cuda
