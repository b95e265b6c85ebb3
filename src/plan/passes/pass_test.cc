// Every pass: what it leaves, and that the interpreter gets the same answer from it.
#include "plan/passes/pass.h"

#include <gtest/gtest.h>

#include "plan/testing/graph_maker.h"

namespace corolla::plan {
namespace {

// The operators that are left when the passes named run, in their order; the answer is checked, and
// that running them again changes nothing.
std::string left_after(Graph graph, std::set<std::string, std::less<>> enabled,
                       double tolerance = 1e-5, DType precision = DType::kFp32) {
  PassOptions options;
  for (const Pass& pass : all_passes())
    if (!enabled.contains(pass.name)) options.disabled.emplace(pass.name);
  const Graph before = graph;
  const auto run = run_passes(graph, {precision}, options);
  EXPECT_TRUE(run.ok()) << (run.ok() ? "" : run.error().what);
  EXPECT_LE(difference(graph, before), tolerance);
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    EXPECT_EQ(graph.value(graph.outputs[i]).name, before.value(before.outputs[i]).name);
  const std::string once = graph_text(graph);
  EXPECT_TRUE(run_passes(graph, {precision}, options).ok());
  EXPECT_EQ(graph_text(graph), once) << "idempotent";
  return ops_text(graph);
}

TEST(Passes, EveryOneIsNamedOnceAndSaysItsRewrite) {
  std::set<std::string_view> names;
  for (const Pass& pass : all_passes()) {
    EXPECT_TRUE(names.insert(pass.name).second) << pass.name;
    EXPECT_NE(pass.rewrite.find("->"), std::string_view::npos) << pass.name;
  }
}

TEST(Passes, AnUnknownNameIsRefusedWithTheKnownOnes) {
  GraphMaker m;
  m.output(m.node("Relu", {m.input("x", {1, 2})}));
  Graph graph = m.finish();
  const auto run = run_passes(graph, {}, {.disabled = {"fold-everything"}});
  ASSERT_FALSE(run.ok());
  EXPECT_NE(run.error().what.find("fold-batchnorm"), std::string::npos);
}

TEST(Passes, BatchNormGoesIntoTheConvolution) {
  GraphMaker m;
  m.output(m.batch_norm(m.conv(m.input("x", {2, 3, 6, 6}), 3, 5, 3), 5));
  EXPECT_EQ(left_after(m.finish(), {"fold-batchnorm"}), "Conv");
}

TEST(Passes, BatchNormStaysWhereSomebodyElseReadsTheConvolution) {
  GraphMaker m;
  const ValueId conv = m.conv(m.input("x", {2, 3, 6, 6}), 3, 5, 3);
  m.output(m.batch_norm(conv, 5));
  m.output(conv);
  EXPECT_EQ(left_after(m.finish(), {"fold-batchnorm"}), "Conv corolla.Elementwise");
}

TEST(Passes, ChannelArithmeticGoesIntoTheConvolution) {
  GraphMaker m;
  const ValueId conv = m.conv(m.input("x", {2, 3, 6, 6}), 3, 4, 3);
  const ValueId scaled = m.node("Mul", {conv, m.weight({4, 1, 1})});
  m.output(m.node("Sub", {scaled, m.weight({1, 4, 1, 1})}));
  EXPECT_EQ(left_after(m.finish(), {"fold-batchnorm"}), "Conv");
}

TEST(Passes, ShiftsThatAreNoChannelsStay) {
  GraphMaker m;
  const ValueId conv = m.conv(m.input("x", {2, 3, 6, 6}), 3, 6, 3);
  m.output(m.node("Add", {conv, m.weight({6})}));  // along the width
  EXPECT_EQ(left_after(m.finish(), {"fold-batchnorm"}), "Conv Add");
}

TEST(Passes, ResidualsAndActivationsGoIntoTheConvolution) {
  GraphMaker m;
  const ValueId x = m.input("x", {1, 4, 5, 5});
  const ValueId a = m.node("Relu", {m.conv(x, 4, 4, 3)});
  m.output(m.node("Relu", {m.node("Add", {m.conv(a, 4, 4, 3), x})}));
  EXPECT_EQ(left_after(m.finish(), {"make-gemms", "fuse-epilogues"}), "corolla.Conv corolla.Conv");
}

TEST(Passes, AnActivationIsNotFusedPastASecondReader) {
  GraphMaker m;
  const ValueId conv = m.conv(m.input("x", {1, 4, 5, 5}), 4, 4, 3);
  m.output(m.node("Relu", {conv}));
  m.output(m.node("Sigmoid", {conv}));
  EXPECT_EQ(left_after(m.finish(), {"make-gemms", "fuse-epilogues"}), "corolla.Conv Relu Sigmoid");
}

TEST(Passes, AConvolutionAddedToItselfStays) {
  GraphMaker m;
  const ValueId conv = m.conv(m.input("x", {1, 4, 5, 5}), 4, 4, 3);
  m.output(m.node("Add", {conv, conv}));
  EXPECT_EQ(left_after(m.finish(), {"make-gemms", "fuse-epilogues"}), "corolla.Conv Add");
}

TEST(Passes, NothingIsAddedAfterAnActivation) {
  GraphMaker m;
  const ValueId x = m.input("x", {1, 4, 5, 5});
  m.output(m.node("Add", {m.node("Relu", {m.conv(x, 4, 4, 3)}), x}));
  EXPECT_EQ(left_after(m.finish(), {"make-gemms", "fuse-epilogues"}), "corolla.Conv Add");
}

TEST(Passes, MatMulAndBiasAreAGemm) {
  GraphMaker m;
  const ValueId y = m.node("MatMul", {m.input("x", {2, 3, 8}), m.weight({8, 5})});
  m.output(m.node("Add", {m.weight({5}), y}));
  EXPECT_EQ(left_after(m.finish(), {"make-gemms"}), "corolla.Gemm");
}

TEST(Passes, GemmsFactorsAreFolded) {
  GraphMaker m;
  m.output(m.node("Gemm", {m.input("x", {4, 8}), m.weight({8, 5}), m.weight({1, 5})},
                  {{"alpha", 0.5f}, {"beta", 2.0f}}));
  EXPECT_EQ(left_after(m.finish(), {"make-gemms"}), "corolla.Gemm");
}

TEST(Passes, ActivationsGetTheirNames) {
  GraphMaker m;
  const ValueId x = m.input("x", {2, 9});
  m.output(m.node("Mul", {x, m.node("Sigmoid", {x})}));
  m.output(m.node("Mul", {m.node("HardSigmoid", {x}, {{"alpha", 1.0f / 6}, {"beta", 0.5f}}), x}));
  const ValueId t =
      m.node("Add", {m.node("Erf", {m.node("Div", {x, m.number(1.41421356f)})}), m.number(1)});
  m.output(m.node("Mul", {m.node("Mul", {x, t}), m.number(0.5f)}));
  EXPECT_EQ(left_after(m.finish(), {"name-activations"}), "corolla.Silu HardSwish Gelu");
}

TEST(Passes, LayerNormalizationIsFound) {
  GraphMaker m;
  const ValueId x = m.input("x", {2, 3, 8});
  const auto mean = [&](ValueId v) { return m.node("ReduceMean", {v, m.ints({-1})}); };
  const ValueId centred = m.node("Sub", {x, mean(x)});
  const ValueId variance = mean(m.node("Pow", {centred, m.number(2)}));
  const ValueId deviation = m.node("Sqrt", {m.node("Add", {variance, m.number(1e-5f)})});
  const ValueId normal = m.node("Div", {centred, deviation});
  m.output(m.node("Add", {m.node("Mul", {normal, m.weight({8})}), m.weight({8})}));
  EXPECT_EQ(left_after(m.finish(), {"name-layernorm"}), "LayerNormalization");
}

TEST(Passes, ReshapesAreOne) {
  GraphMaker m;
  const ValueId x = m.input("x", {2, 4, 1, 1});
  const ValueId y = m.node("Flatten", {m.node("Identity", {x})});
  m.output(m.node("Unsqueeze", {m.node("Squeeze", {y, m.ints({})}), m.ints({0})}));
  EXPECT_EQ(left_after(m.finish(), {"simplify-shapes"}), "Reshape");
}

TEST(Passes, MeansOverThePictureArePools) {
  GraphMaker m;
  const ValueId x = m.input("x", {2, 4, 5, 6});
  m.output(m.node("ReduceMean", {x, m.ints({-2, -1})}, {{"keepdims", int64_t{0}}}));
  m.output(m.node("AveragePool", {x}, {{"kernel_shape", std::vector<int64_t>{5, 6}}}));
  m.output(m.node("AveragePool", {x}, {{"kernel_shape", std::vector<int64_t>{5, 5}}}));
  EXPECT_EQ(left_after(m.finish(), {"simplify-pools"}),
            "GlobalAveragePool GlobalAveragePool AveragePool Reshape");
}

TEST(Passes, QuantisationIsStripped) {
  GraphMaker m;
  const ValueId x = m.fake_quantised(m.input("x", {1, 4, 5, 5}), 1 / 127.0f);
  m.output(m.node("Conv", {x, m.int8_weight({4, 4, 1, 1})}));
  // Half a step of the input's quantisation is what may change.
  EXPECT_EQ(left_after(m.finish(), {"strip-qdq"}, 0.05), "Conv");
}

TEST(Passes, QuantisationStaysForInt8) {
  GraphMaker m;
  const ValueId x = m.fake_quantised(m.input("x", {1, 4, 5, 5}), 1 / 127.0f);
  m.output(m.node("Conv", {x, m.int8_weight({4, 4, 1, 1})}));
  EXPECT_EQ(left_after(m.finish(), {"strip-qdq", "fold-constants"}, 0, DType::kInt8),
            "QuantizeLinear DequantizeLinear DequantizeLinear Conv");
}

TEST(Passes, TokensAreTurnedWithoutMoving) {
  GraphMaker m;
  const ValueId x = m.input("x", {2, 8, 3, 4});
  const ValueId flat = m.node("Reshape", {x, m.ints({0, 0, -1})});
  m.output(m.node("Transpose", {flat}, {{"perm", std::vector<int64_t>{0, 2, 1}}}));
  EXPECT_EQ(left_after(m.finish(), {"turn-tokens"}), "Transpose Reshape");
}

TEST(Passes, PicturesAreNhwcAndRowsArePlain) {
  GraphMaker m;
  const ValueId x = m.input("x", {2, 3, 6, 6});
  const ValueId pooled = m.node("GlobalAveragePool", {m.node("Relu", {m.conv(x, 3, 4, 3)})});
  m.output(m.node("Gemm", {m.node("Flatten", {pooled}), m.weight({4, 5}), m.weight({5})}));
  Graph graph = m.finish();
  const Graph before = graph;
  ASSERT_TRUE(run_passes(graph, {DType::kFp16}).ok());
  EXPECT_EQ(ops_text(graph),
            "corolla.Relayout corolla.Conv GlobalAveragePool Reshape corolla.Gemm");
  EXPECT_LE(difference(graph, before), 1e-5);
  for (const Node& node : graph.nodes)
    EXPECT_EQ(graph.value(node.outputs[0]).layout == Layout::kNhwc,
              graph.value(node.outputs[0]).shape.size() == 4)
        << node.name;
}

TEST(Passes, Fp16ModelsAreWidenedAndKeepTheirTypes) {
  GraphMaker m;
  const ValueId x = m.input("x", {1, 8}, DType::kFp16);
  m.output(m.node("Relu", {m.node("Add", {x, m.constant(*cast(m.random({8}), DType::kFp16))})}));
  Graph graph = m.finish();
  ASSERT_TRUE(run_passes(graph, {DType::kFp16}).ok());
  EXPECT_EQ(ops_text(graph), "Cast corolla.Elementwise Cast");
  EXPECT_EQ(graph.value(graph.outputs[0]).dtype, DType::kFp16);
}

}  // namespace
}  // namespace corolla::plan
