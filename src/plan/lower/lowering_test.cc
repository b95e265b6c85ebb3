// Small nets through the whole compiler: the program's reference gives the interpreter's answer.
#include "plan/lower/lowering.h"

#include <gtest/gtest.h>

#include "plan/compiler.h"
#include "plan/interpreter.h"
#include "plan/program_reference.h"
#include "plan/testing/graph_maker.h"

namespace corolla::plan {
namespace {

double compiled_difference(const Model& model, DType precision, int64_t batch) {
  CompileOptions options;
  options.precision = precision;
  options.batches = {batch};
  const auto plan = compile(model, options);
  CHECK(plan.ok(), plan.ok() ? "" : plan.error().what);
  const auto verified = verify(*plan);
  CHECK(verified.ok(), verified.ok() ? "" : verified.error().what);
  EXPECT_GE(plan->programs[0].arena_bytes, plan->programs[0].arena_lower_bound);
  const Graph graph = *bind(model, {batch, {}});
  const auto named = random_inputs(graph);
  std::vector<Tensor> inputs;
  for (const Port& port : plan->inputs) inputs.push_back(named.at(port.name));
  const auto want = interpret(graph, named);
  const auto have = run_program(*plan, plan->programs[0], inputs);
  CHECK(want.ok() && have.ok());
  double worst = 0;
  for (size_t i = 0; i < want->size(); ++i)
    worst = std::max(worst, difference((*have)[i], (*want)[i]));
  return worst;
}

void expect_same(const Model& model) {
  EXPECT_LE(compiled_difference(model, DType::kFp32, 1), 2e-6);
  EXPECT_LE(compiled_difference(model, DType::kFp32, 3), 2e-6);
  EXPECT_LE(compiled_difference(model, DType::kFp16, 2), 4e-3);
  EXPECT_LE(compiled_difference(model, DType::kBf16, 2), 4e-2);
}

TEST(Lowering, ResidualBlocksAndAHead) {
  GraphMaker m;
  ValueId x = m.node("Relu", {m.batch_norm(m.conv(m.input("x", {1, 3, 12, 12}), 3, 16, 7, 2), 16)});
  x = m.node("MaxPool", {x},
             {{"kernel_shape", std::vector<int64_t>{3, 3}},
              {"strides", std::vector<int64_t>{2, 2}},
              {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const ValueId a = m.node("Relu", {m.conv(x, 16, 8, 1)});
  const ValueId b = m.conv(m.node("Relu", {m.conv(a, 8, 8, 3)}), 8, 24, 1);
  x = m.node("Relu", {m.node("Add", {b, m.conv(x, 16, 24, 1)})});
  x = m.node("Flatten", {m.node("GlobalAveragePool", {x})});
  x = m.node("Gemm", {x, m.weight({10, 24}), m.weight({10})}, {{"transB", int64_t{1}}});
  m.output(m.node("Softmax", {x}));
  expect_same(m.finish_model());
}

// Channel counts that are no multiple of 8 everywhere: what pads them must never count.
TEST(Lowering, OddChannelsSqueezeExciteAndDepthwise) {
  GraphMaker m;
  ValueId x = m.node("HardSwish", {m.conv(m.input("x", {1, 3, 9, 7}), 3, 13, 3)});
  x = m.node("HardSwish", {m.conv(x, 13, 13, 5, 2, 13)});
  ValueId s = m.node("Relu", {m.conv(m.node("GlobalAveragePool", {x}), 13, 5, 1)});
  s = m.node("HardSigmoid", {m.conv(s, 5, 13, 1)});
  x = m.node("Mul", {x, s});
  m.output(m.node("Flatten", {m.conv(x, 13, 3, 1)}));
  expect_same(m.finish_model());
}

TEST(Lowering, GroupsConcatSplitAndPreActivation) {
  GraphMaker m;
  const ValueId x = m.conv(m.input("x", {1, 3, 8, 8}), 3, 16, 3);
  const ValueId grouped = m.conv(m.node("Relu", {m.batch_norm(x, 16)}), 16, 12, 3, 1, 4);
  ValueId y = m.node("Concat", {x, grouped}, {{"axis", int64_t{1}}});
  const auto parts = m.split(m.node("Relu", {m.batch_norm(y, 28)}), 1, {10, 18});
  y = m.node("Concat", {parts[1], parts[0]}, {{"axis", int64_t{1}}});
  y = m.node(
      "AveragePool", {y},
      {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  m.output(m.node("Flatten", {m.node("GlobalAveragePool", {y})}));
  expect_same(m.finish_model());
}

TEST(Lowering, CeilModeAndCountedPads) {
  GraphMaker m;
  const ValueId x = m.conv(m.input("x", {1, 3, 9, 9}), 3, 8, 3);
  const ValueId a = m.node("MaxPool", {x},
                           {{"kernel_shape", std::vector<int64_t>{2, 2}},
                            {"strides", std::vector<int64_t>{2, 2}},
                            {"ceil_mode", int64_t{1}}});
  const ValueId b = m.node("AveragePool", {x},
                           {{"kernel_shape", std::vector<int64_t>{3, 3}},
                            {"strides", std::vector<int64_t>{2, 2}},
                            {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                            {"count_include_pad", int64_t{1}}});
  m.output(m.node("Add", {a, b}));
  expect_same(m.finish_model());
}

// A transformer's block: patches, tokens, a class token, attention, MLP.
TEST(Lowering, AttentionOverTokens) {
  GraphMaker m;
  const ValueId x =
      m.node("Conv", {m.input("x", {1, 3, 8, 8}), m.weight({16, 3, 4, 4}), m.weight({16})},
             {{"strides", std::vector<int64_t>{4, 4}}});
  const ValueId shape = m.node("Shape", {x});
  const ValueId n = m.node("Gather", {shape, m.ints({0})}, {{"axis", int64_t{0}}});
  ValueId t =
      m.node("Reshape", {x, m.node("Concat", {n, m.ints({16, -1})}, {{"axis", int64_t{0}}})});
  t = m.node("Transpose", {t}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  const ValueId first = m.node(
      "Expand",
      {m.weight({1, 1, 16}), m.node("Concat", {n, m.ints({1, 16})}, {{"axis", int64_t{0}}})});
  t = m.node("Concat", {first, t}, {{"axis", int64_t{1}}});
  t = m.node("Add", {t, m.weight({1, 5, 16})});
  const ValueId normal = m.node("LayerNormalization", {t, m.weight({16}, 0.2f, 1), m.weight({16})});
  const auto heads = [&](std::vector<int64_t> perm) {
    const ValueId p =
        m.node("Add", {m.node("MatMul", {normal, m.weight({16, 16})}), m.weight({16})});
    const ValueId r = m.node("Reshape", {p, m.ints({0, 5, 2, 8})});
    return m.node("Transpose", {r}, {{"perm", std::move(perm)}});
  };
  const ValueId q = m.node("Mul", {heads({0, 2, 1, 3}), m.number(0.35f)});
  const ValueId scores = m.node("Softmax", {m.node("MatMul", {q, heads({0, 2, 3, 1})})});
  ValueId o = m.node("MatMul", {scores, heads({0, 2, 1, 3})});
  o = m.node("Transpose", {o}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  o = m.node("Reshape", {o, m.ints({0, 5, 16})});
  o = m.node("Add",
             {m.node("Add", {m.node("MatMul", {o, m.weight({16, 16})}), m.weight({16})}), t});
  ValueId y = m.node("MatMul", {o, m.weight({16, 32})});
  y = m.node("Gelu", {m.node("Add", {y, m.weight({32})})});
  y = m.node("Add", {o, m.node("MatMul", {y, m.weight({32, 16})})});
  m.output(m.node("Gather", {y, m.constant(Tensor::of_ints(std::vector<int64_t>{0}).reshaped({}))},
                  {{"axis", int64_t{1}}}));
  expect_same(m.finish_model());
}

// What blocks add to is kept in fp32, and that is more exact.
TEST(Lowering, ATransformersSumsAreWide) {
  GraphMaker m;
  ValueId t = m.node("Add", {m.node("MatMul", {m.input("x", {1, 6, 16}), m.weight({16, 16})}),
                             m.weight({1, 6, 16}, 4)});
  for (int block = 0; block < 8; ++block) {
    ValueId y = m.node("LayerNormalization", {t, m.weight({16}, 0.2f, 1), m.weight({16})});
    y = m.node("Gelu",
               {m.node("Add", {m.node("MatMul", {y, m.weight({16, 32})}), m.weight({32})})});
    t = m.node("Add",
               {t, m.node("Add", {m.node("MatMul", {y, m.weight({32, 16})}), m.weight({16})})});
  }
  m.output(m.node("LayerNormalization", {t, m.weight({16}, 0.2f, 1), m.weight({16})}));
  const Model model = m.finish_model();
  CompileOptions options;
  options.batches = {1};
  const auto wide = compile(model, options);
  ASSERT_TRUE(wide.ok()) << wide.error().what;
  int sums = 0;
  for (const Step& step : wide->programs[0].steps)
    sums += step.op() == StepOp::kElementwise &&
            wide->programs[0].tensors[static_cast<size_t>(step.outputs[0])].dtype == DType::kFp32;
  EXPECT_EQ(sums, 9);
  options.passes.disabled = {"widen-residuals"};
  const auto narrow = compile(model, options);
  ASSERT_TRUE(narrow.ok());
  const auto named = random_inputs(*bind(model, {1, {}}));
  const auto want = interpret(*bind(model, {1, {}}), named);
  const std::vector<Tensor> inputs = {named.at("x")};
  const auto error = [&](const Plan& plan) {
    return difference((*run_program(plan, plan.programs[0], inputs))[0], (*want)[0]);
  };
  EXPECT_LT(error(*wide), 0.75 * error(*narrow));
  EXPECT_LE(compiled_difference(model, DType::kFp32, 2), 2e-6);
}

// ConvNeXt's way: depthwise, then channels last for norm and MLP, then back.
TEST(Lowering, ChannelsLastInTheMiddle) {
  GraphMaker m;
  const ValueId x = m.conv(m.input("x", {1, 3, 6, 6}), 3, 16, 3);
  ValueId y = m.conv(x, 16, 16, 7, 1, 16);
  y = m.node("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  y = m.node("LayerNormalization", {y, m.weight({16}, 0.2f, 1), m.weight({16})});
  y = m.node("Gelu", {m.node("Add", {m.node("MatMul", {y, m.weight({16, 32})}), m.weight({32})})});
  y = m.node("Add", {m.node("MatMul", {y, m.weight({32, 16})}), m.weight({16})});
  y = m.node("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  m.output(m.node("Add", {x, m.node("Mul", {y, m.weight({16, 1, 1})})}));
  expect_same(m.finish_model());
}

TEST(Lowering, EverythingElse) {
  GraphMaker m;
  const ValueId x = m.conv(m.input("x", {1, 3, 6, 8}), 3, 10, 3);
  const ValueId padded = m.node("Pad", {x, m.ints({0, 0, 1, 2, 0, 0, 0, 1}), m.number(0.5f)});
  const ValueId cut =
      m.node("Slice", {padded, m.ints({0, 1}), m.ints({6, 100}), m.ints({2, 3}), m.ints({1, 2})});
  const ValueId large = m.node(
      "Resize", {cut, kNoValue, m.constant(Tensor::of_floats({4}, std::vector<float>{1, 1, 2, 2}))},
      {{"mode", std::string("linear")}});
  const ValueId near = m.node(
      "Resize", {cut, kNoValue, m.constant(Tensor::of_floats({4}, std::vector<float>{1, 1, 2, 2}))},
      {{"coordinate_transformation_mode", std::string("asymmetric")},
       {"nearest_mode", std::string("floor")}});
  const ValueId sum = m.node("Max", {m.node("Sub", {large, near}), m.node("Abs", {near})});
  const ValueId most = m.node("ReduceMax", {sum, m.ints({1})});
  const ValueId means =
      m.node("ReduceMean", {m.node("Mul", {sum, most}), m.ints({3})}, {{"keepdims", int64_t{0}}});
  m.output(m.node("Div", {means, m.node("Exp", {means})}));
  m.output(m.node("GlobalMaxPool", {x}));
  expect_same(m.finish_model());
}

// Scales that do not divide, every kind of coordinates and rounding.
TEST(Lowering, ResizesByScalesAndSizes) {
  for (const char* place :
       {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"})
    for (const char* nearest : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"})
      for (const char* mode : {"nearest", "linear"}) {
        GraphMaker m;
        const ValueId x = m.conv(m.input("x", {1, 3, 5, 7}), 3, 10, 3);
        const std::map<std::string, Attribute> how = {
            {"mode", std::string(mode)},
            {"coordinate_transformation_mode", std::string(place)},
            {"nearest_mode", std::string(nearest)}};
        const auto scales = Tensor::of_floats({4}, std::vector<float>{1, 1, 1.5f, 0.7f});
        m.output(m.node("Resize", {x, kNoValue, m.constant(scales)}, how));
        const ValueId y = m.node("Resize", {x, kNoValue, kNoValue, m.ints({1, 10, 1, 11})}, how);
        m.output(y);
        EXPECT_LE(compiled_difference(m.finish_model(), DType::kFp32, 1), 2e-6)
            << place << " " << nearest << " " << mode;
      }
}

TEST(Lowering, NormalisesGroupsOfChannels) {
  GraphMaker m;
  ValueId x = m.conv(m.input("x", {1, 3, 6, 8}), 3, 12, 3);
  x = m.node("Relu", {m.node("GroupNormalization", {x, m.weight({12}, 0.2f, 1), m.weight({12})},
                             {{"num_groups", int64_t{3}}, {"epsilon", 1e-3f}})});
  x = m.node("InstanceNormalization",
             {m.conv(x, 12, 10, 3), m.weight({10}, 0.2f, 1), m.weight({10})});
  ValueId rows = m.node("Reshape", {x, m.ints({0, 5, 96})});
  rows = m.node("InstanceNormalization", {rows, m.weight({5}, 0.2f, 1), m.weight({5})});
  m.output(rows);
  m.output(m.node("GlobalAveragePool", {x}));
  expect_same(m.finish_model());
}

TEST(Lowering, FindsTheLargestAndTheirPlaces) {
  GraphMaker m;
  const ValueId x = m.conv(m.input("x", {1, 3, 6, 8}), 3, 12, 3);
  m.output(m.node("ArgMax", {x}, {{"axis", int64_t{1}}}));
  m.output(m.node("ArgMin", {x}, {{"axis", int64_t{-1}}, {"keepdims", int64_t{0}}}));
  const ValueId flat = m.node("Flatten", {x});
  const auto top = m.nodes("TopK", {flat, m.ints({5})}, 2, {});
  m.output(top[0]);
  m.output(top[1]);
  const auto least =
      m.nodes("TopK", {x, m.ints({3})}, 2, {{"axis", int64_t{2}}, {"largest", int64_t{0}}});
  m.output(least[0]);
  const Model model = m.finish_model();
  EXPECT_LE(compiled_difference(model, DType::kFp32, 1), 2e-6);
  EXPECT_LE(compiled_difference(model, DType::kFp32, 3), 2e-6);

  // Their places go to outputs and nowhere else.
  GraphMaker other;
  const ValueId place = other.node("ArgMax", {other.input("x", {1, 4})}, {{"axis", int64_t{1}}});
  other.output(other.node("Concat", {place, place}, {{"axis", int64_t{1}}}));
  const auto refused = compile(other.finish_model(), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("INT64"), std::string::npos) << refused.error().what;
}

// The dequantised graph is exact in fp32; only rounding at the edge of two steps may differ.
TEST(Lowering, Int8KeepsEightBitsBetweenConvolutions) {
  GraphMaker m;
  ValueId x = m.fake_quantised(m.input("x", {1, 3, 8, 8}), 1 / 100.0f);
  const auto conv = [&](ValueId v, int64_t in, int64_t out) {
    return m.node("Conv", {v, m.int8_weight({out, in, 3, 3}), m.weight({out}, 0.05f)},
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  };
  const ValueId a = m.fake_quantised(m.node("Relu", {conv(x, 3, 12)}), 0.01f, 0);
  const ValueId b =
      m.fake_quantised(m.node("Relu", {m.node("Add", {conv(a, 12, 12), a})}), 0.02f, 0);
  m.output(conv(b, 12, 4));
  const Model model = m.finish_model();
  CompileOptions options;
  options.precision = DType::kInt8;
  const auto plan = compile(model, options);
  ASSERT_TRUE(plan.ok()) << plan.error().what;
  std::string steps;
  for (const Step& step : plan->programs[0].steps) {
    steps += std::string(step_op_name(step.op())) + " ";
    if (step.op() == StepOp::kConv) {
      EXPECT_EQ(plan->programs[0].tensors[static_cast<size_t>(step.inputs[0])].dtype,
                DType::kUint8);
    }
  }
  EXPECT_EQ(steps, "import conv conv conv export ");
  EXPECT_LE(compiled_difference(model, DType::kInt8, 2), 0.02);
}

// Pools and sums of quantised numbers read and write 8 bits, too; what only fp16 reads is fp16.
TEST(Lowering, Int8KeepsEightBitsThroughPoolsAndSums) {
  GraphMaker m;
  const ValueId x = m.fake_quantised(m.input("x", {1, 8, 8, 8}), 1 / 100.0f, 90);
  const auto pooled = [&](ValueId v) {
    return m.node(
        "MaxPool", {v},
        {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  };
  const auto conv = [&](ValueId v, int64_t in, int64_t out) {
    return m.node("Conv", {v, m.int8_weight({out, in, 1, 1}), m.weight({out}, 0.05f)});
  };
  const ValueId a = m.fake_quantised(pooled(x), 1 / 90.0f, 100);
  const ValueId b = m.fake_quantised(conv(a, 8, 16), 0.01f);
  const ValueId c = m.fake_quantised(conv(a, 8, 16), 0.02f);
  const ValueId d = m.fake_quantised(m.node("Relu", {m.node("Mul", {b, c})}), 0.005f,
                                     0);  // read twice: no conv takes it
  m.output(m.node("Flatten", {m.node("GlobalAveragePool", {pooled(d)})}));
  m.output(conv(d, 16, 8));
  const Model model = m.finish_model();
  CompileOptions options;
  options.precision = DType::kInt8;
  const auto plan = compile(model, options);
  ASSERT_TRUE(plan.ok()) << plan.error().what;
  std::string steps;
  const Program& program = plan->programs[0];
  for (const Step& step : program.steps)
    steps += std::string(step_op_name(step.op())) + ":" +
             std::string(dtype_name(program.tensors[static_cast<size_t>(step.outputs[0])].dtype)) +
             " ";
  EXPECT_EQ(steps,
            "import:UINT8 pool:UINT8 conv:UINT8 conv:UINT8 elementwise:UINT8 dequantize:FP16 "
            "pool:FP16 global_average_pool:FP16 reshape:FP16 reshape:FP16 conv:FP16 export:FP32 "
            "export:FP32 ");
  EXPECT_LE(compiled_difference(model, DType::kInt8, 2), 0.02);
}

// INT8 activations are the same numbers as UINT8 ones, stored 128 lower.
TEST(Lowering, SignedActivationsBecomeUnsignedOnes) {
  GraphMaker m;
  const ValueId zero = m.constant(*cast(Tensor::scalar(-28), DType::kInt8)),
                scale = m.number(0.01f);
  const ValueId q = m.node("QuantizeLinear", {m.input("x", {1, 8, 4, 4}), scale, zero});
  const ValueId x = m.node("DequantizeLinear", {q, scale, zero});
  m.output(m.node("Conv", {x, m.int8_weight({8, 8, 3, 3}), m.weight({8}, 0.05f)},
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}));
  const Model model = m.finish_model();
  CompileOptions options;
  options.precision = DType::kInt8;
  const auto plan = compile(model, options);
  ASSERT_TRUE(plan.ok()) << plan.error().what;
  const Program& program = plan->programs[0];
  const PlanTensor& read = program.tensors[static_cast<size_t>(program.steps[1].inputs[0])];
  EXPECT_EQ(read.dtype, DType::kUint8);
  EXPECT_EQ(read.zero, 100);
  EXPECT_LE(compiled_difference(model, DType::kInt8, 2), 0.002);
}

TEST(Lowering, FunctionsOfOneNumber) {
  for (const char* op : {"Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Asinh", "Softplus",
                         "Softsign", "Elu", "Selu", "Mish"}) {
    GraphMaker m;
    m.output(m.node(op, {m.node("Tanh", {m.input("x", {3, 40})})}));
    EXPECT_LE(compiled_difference(m.finish_model(), DType::kFp32, 1), 1e-5) << op;
  }
  for (const char* op : {"Floor", "Ceil", "Round", "Sign"}) {
    GraphMaker m;
    m.output(m.node(op, {m.input("x", {3, 40})}));
    EXPECT_EQ(compiled_difference(m.finish_model(), DType::kFp32, 1), 0) << op;
  }
  GraphMaker m;
  const ValueId picture = m.input("x", {2, 5, 4, 4});
  m.output(
      m.node("PRelu", {m.node("MaxPool", {picture}, {{"kernel_shape", std::vector<int64_t>{2, 2}}}),
                       m.weight({5, 1, 1})}));
  EXPECT_LE(compiled_difference(m.finish_model(), DType::kFp32, 1), 1e-6);
}

TEST(Lowering, SoftmaxAlongAnyDimension) {
  for (const char* op : {"Softmax", "LogSoftmax"})
    for (const int64_t axis : {0, 1, 2, -1}) {
      GraphMaker m;
      m.output(m.node(op, {m.input("x", {3, 5, 7})}, {{"axis", axis}}));
      EXPECT_LE(compiled_difference(m.finish_model(), DType::kFp32, 1), 1e-6) << op << axis;
    }
}

TEST(Lowering, TheLogarithmOfASmallProbabilityIsFinite) {
  GraphMaker m;
  m.output(m.node("LogSoftmax", {m.input("x", {1, 2})}));
  const auto plan = compile(m.finish_model(), {});
  ASSERT_TRUE(plan.ok()) << plan.error().what;
  const Tensor x = Tensor::of_floats({1, 2}, std::vector<float>{0, 30});  // exp(-30) is no fp16
  const auto made = run_program(*plan, plan->programs[0], std::span(&x, 1));
  ASSERT_TRUE(made.ok()) << made.error().what;
  EXPECT_NEAR((*made)[0].floats()[0], -30, 0.02);
}

TEST(Lowering, WhatCannotBeLoweredIsListedAtOnce) {
  GraphMaker m;
  const ValueId x = m.input("x", {1, 8});
  m.output(m.node("Softsign", {m.node("Relu", {m.node("Celu", {x})})}));
  m.output(m.node("Shrink", {x}));
  const auto plan = compile(m.finish_model(), {});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, Code::kUnsupported);
  EXPECT_NE(plan.error().what.find("Celu0 (Celu)"), std::string::npos) << plan.error().what;
  EXPECT_NE(plan.error().what.find("Shrink3 (Shrink)"), std::string::npos) << plan.error().what;
}

TEST(Lowering, WeightsThatFp16CannotHoldAreRefused) {
  GraphMaker m;
  m.output(m.node("MatMul", {m.input("x", {1, 8}), m.weight({8, 8}, 1e6f)}));
  const Model model = m.finish_model();
  const auto plan = compile(model, {});
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.error().what.find("--bf16"), std::string::npos) << plan.error().what;
  CompileOptions wide;
  wide.precision = DType::kBf16;
  EXPECT_TRUE(compile(model, wide).ok());
}

TEST(Lowering, EqualWeightsAreStoredOnce) {
  GraphMaker m;
  const ValueId x = m.input("x", {1, 64}), w = m.weight({64, 64});
  m.output(m.node("MatMul", {m.node("MatMul", {x, w}), w}));
  CompileOptions options;
  options.batches = {1, 2, 4};
  const auto plan = compile(m.finish_model(), options);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->weights.size(), 64 * 64 * 2 + 64 * 4u) << "one matrix and one bias of zeros";
}

}  // namespace
}  // namespace corolla::plan
