// Random programs: tensors that are alive together never share memory.
#include "plan/lower/memory_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace corolla::plan {
namespace {

Program random_program(unsigned seed) {
  std::mt19937 random(seed);
  Program program;
  const auto tensor = [&](int64_t elements) {
    PlanTensor t;
    t.name = "t" + std::to_string(program.tensors.size());
    t.shape = {elements};
    t.bytes = elements * 2;
    program.tensors.push_back(t);
    return static_cast<int32_t>(program.tensors.size() - 1);
  };
  std::vector<int32_t> made = {tensor(1 + random() % 5000)};
  Step first;
  first.operation = Import{};
  first.outputs = {made[0]};
  program.steps.push_back(first);
  for (int s = 0; s < 60; ++s) {
    Step step;
    const auto pick = [&] {
      return made[made.size() - 1 - random() % std::min<size_t>(made.size(), 6)];
    };
    step.inputs = {pick(), pick()};
    const int64_t like = program.tensors[static_cast<size_t>(step.inputs[0])].shape[0];
    switch (random() % 4) {
      case 0:
        step.operation = Elementwise{};
        step.outputs = {tensor(like)};
        break;
      case 1:
        step.operation = Reshape{};
        step.inputs.resize(1);
        step.outputs = {tensor(like)};
        break;
      default:
        step.operation = Conv{};
        step.outputs = {tensor(1 + random() % 5000)};
    }
    made.push_back(step.outputs[0]);
    program.steps.push_back(step);
  }
  return program;
}

// Follows every byte: what a step reads must be what was last written there for that tensor.
void expect_sound(const Program& program, unsigned seed) {
  std::vector<int> memory(static_cast<size_t>(program.arena_bytes), -1);
  std::vector<int> content(program.tensors.size(), -1);  // who wrote a tensor's bytes
  for (size_t s = 0; s < program.steps.size(); ++s) {
    const Step& step = program.steps[s];
    for (const int32_t id : step.inputs) {
      const PlanTensor& t = program.tensors[static_cast<size_t>(id)];
      for (int64_t b = 0; b < t.bytes; ++b)
        ASSERT_EQ(memory[static_cast<size_t>(t.offset + b)], content[static_cast<size_t>(id)])
            << "seed " << seed << ", step " << s << " reads " << t.name;
    }
    const int32_t out = step.outputs[0];
    const PlanTensor& t = program.tensors[static_cast<size_t>(out)];
    ASSERT_EQ(t.offset % kArenaAlignment, 0);
    ASSERT_LE(t.offset + t.bytes, program.arena_bytes);
    if (step.op() == StepOp::kReshape) {
      ASSERT_EQ(t.offset, program.tensors[static_cast<size_t>(step.inputs[0])].offset);
      content[static_cast<size_t>(out)] = content[static_cast<size_t>(step.inputs[0])];
      continue;
    }
    if (step.op() != StepOp::kElementwise)  // others may not write what they read
      for (const int32_t id : step.inputs) {
        const PlanTensor& in = program.tensors[static_cast<size_t>(id)];
        ASSERT_TRUE(in.offset + in.bytes <= t.offset || t.offset + t.bytes <= in.offset)
            << "seed " << seed << ", step " << s;
      }
    for (int64_t b = 0; b < t.bytes; ++b)
      memory[static_cast<size_t>(t.offset + b)] = static_cast<int>(s);
    content[static_cast<size_t>(out)] = static_cast<int>(s);
  }
}

// y = conv(b) + shortcut(a): what the shortcut reads is still there when y is made.
TEST(MemoryPlan, WhatAShortcutReadsStaysUntilItsSum) {
  Program program;
  for (int t = 0; t < 4; ++t) {
    PlanTensor tensor;
    tensor.bytes = 1024;
    program.tensors.push_back(tensor);
  }
  const auto add = [&](Operation operation, std::vector<int32_t> inputs, int32_t output) {
    Step step;
    step.operation = operation;
    step.inputs = std::move(inputs);
    step.outputs = {output};
    program.steps.push_back(step);
  };
  const int32_t a = 0, b = 1, shortcut = 2, y = 3;
  add(Import{}, {}, a);
  add(Conv{}, {a}, b);
  add(Conv{}, {a}, shortcut);
  Conv sum;
  sum.epilogue.residual = true;
  add(sum, {b, b, b, shortcut}, y);
  plan_memory(program);
  EXPECT_NE(program.tensors[a].offset, program.tensors[y].offset);
  EXPECT_EQ(program.arena_bytes, 4 * 1024);
}

TEST(MemoryPlan, NothingAliveIsOverwritten) {
  double over = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Program program = random_program(seed);
    plan_memory(program);
    expect_sound(program, seed);
    ASSERT_GE(program.arena_bytes, program.arena_lower_bound);
    over +=
        static_cast<double>(program.arena_bytes) / static_cast<double>(program.arena_lower_bound);
  }
  EXPECT_LT(over / 200, 1.1) << "a tenth above what no plan could beat";
}

TEST(MemoryPlan, IsTheSameEveryTime) {
  Program a = random_program(3), b = random_program(3);
  plan_memory(a);
  plan_memory(b);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace corolla::plan
