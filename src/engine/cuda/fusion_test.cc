// Which steps become one kernel: what can be seen without a device.
#include "engine/cuda/fusion.h"

#include <gtest/gtest.h>

namespace corolla::engine::cuda {
namespace {

// y = conv(b) + shortcut(a), each tensor at an offset of its own.
struct Block {
  plan::Program program;
  plan::Conv& conv(size_t step) { return std::get<plan::Conv>(program.steps[step].operation); }
};

Block make_block() {
  Block block;
  const auto tensor = [&](plan::Place place) {
    plan::PlanTensor t;
    t.place = place;
    t.layout = plan::Layout::kNhwc;
    t.shape = {1, 64, 8, 8};
    t.bytes = 8192;
    t.offset = static_cast<int64_t>(block.program.tensors.size()) * 8192;
    block.program.tensors.push_back(t);
    return static_cast<int32_t>(block.program.tensors.size() - 1);
  };
  const int32_t a = tensor(plan::Place::kArena), b = tensor(plan::Place::kArena);
  const int32_t sum = tensor(plan::Place::kArena), y = tensor(plan::Place::kArena);
  const int32_t w = tensor(plan::Place::kWeight);
  const auto add = [&](std::vector<int32_t> inputs, int32_t output, bool residual) {
    plan::Step step;
    plan::Conv conv;
    conv.kernel_h = conv.kernel_w = 1;
    conv.epilogue.residual = residual;
    step.operation = conv;
    step.inputs = std::move(inputs);
    step.outputs = {output};
    block.program.steps.push_back(step);
  };
  add({a, w, w}, b, false);
  add({a, w, w}, sum, false);
  add({b, w, w, sum}, y, true);
  return block;
}

TEST(Shortcuts, A1x1ProductThatIsOnlyAddedIsFound) {
  const Block block = make_block();
  EXPECT_EQ(find_shortcut(block.program, 2), std::optional<size_t>(1));
  EXPECT_FALSE(find_shortcut(block.program, 0));
  EXPECT_FALSE(find_shortcut(block.program, 1));
}

TEST(Shortcuts, AnInputThatWasOverwrittenCannotBeReadLater) {
  Block block = make_block();
  block.program.tensors[3].offset = block.program.tensors[0].offset + 4096;  // y on a
  EXPECT_FALSE(find_shortcut(block.program, 2));
}

TEST(Shortcuts, WhatIsReadElsewhereOrIsNoPlainProductStaysApart) {
  Block windows = make_block();
  windows.conv(1).kernel_h = 3;
  EXPECT_FALSE(find_shortcut(windows.program, 2));
  Block active = make_block();
  active.conv(1).epilogue.activation = plan::Activation::kRelu;
  EXPECT_FALSE(find_shortcut(active.program, 2));
  Block read_twice = make_block();
  plan::Step another = read_twice.program.steps[0];
  another.inputs[0] = 2;
  read_twice.program.steps.push_back(another);
  EXPECT_FALSE(find_shortcut(read_twice.program, 2));
}

}  // namespace
}  // namespace corolla::engine::cuda
