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

}  // namespace corolla::engine::cuda
