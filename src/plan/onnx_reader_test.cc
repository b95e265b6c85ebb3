// What is wrong with a model is said in one sentence, and right ones are read as they are.
#include "plan/onnx_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "plan/interpreter.h"
#include "plan/onnx.pb.h"

namespace corolla::plan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct OnnxMaker {
  onnx::ModelProto model;
  explicit OnnxMaker(int64_t opset = 17) {
    model.add_opset_import()->set_version(opset);
    model.mutable_graph()->set_name("g");
  }
  onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output, const std::string& name = "") {
    onnx::NodeProto& n = *model.mutable_graph()->add_node();
    n.set_op_type(op);
    n.set_name(name.empty() ? op + "_" + output : name);
    for (const std::string& input : inputs) n.add_input(input);
    n.add_output(output);
    return n;
  }
  // -1: open.
  void input(const std::string& name, const Shape& shape, int type = 1) {
    describe(*model.mutable_graph()->add_input(), name, shape, type);
  }
  void output(const std::string& name) {
    describe(*model.mutable_graph()->add_output(), name, {}, 1);
  }
  onnx::TensorProto& weight(const std::string& name, const Shape& shape,
                            const std::vector<float>& values) {
    onnx::TensorProto& t = *model.mutable_graph()->add_initializer();
    t.set_name(name);
    t.set_data_type(1);
    for (const int64_t d : shape) t.add_dims(d);
    for (const float v : values) t.add_float_data(v);
    return t;
  }
  std::string bytes() const { return model.SerializeAsString(); }

 private:
  static void describe(onnx::ValueInfoProto& info, const std::string& name, const Shape& shape,
                       int type) {
    info.set_name(name);
    auto& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    for (const int64_t d : shape) {
      auto& dim = *tensor.mutable_shape()->add_dim();
      if (d < 0)
        dim.set_dim_param(tensor.shape().dim_size() == 1 ? "batch" : "width");
      else
        dim.set_dim_value(d);
    }
  }
};

Result<Model> parse(const OnnxMaker& maker, const std::filesystem::path& folder = {}) {
  const std::string bytes = maker.bytes();
  return parse_onnx(std::as_bytes(std::span(bytes.data(), bytes.size())), folder);
}

std::string refusal(const OnnxMaker& maker, const std::filesystem::path& folder = {}) {
  const auto model = parse(maker, folder);
  return model.ok() ? "" : model.error().what;
}

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/onnx.XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

OnnxMaker relu() {
  OnnxMaker m;
  m.input("x", {-1, 3});
  m.node("Relu", {"x"}, "y");
  m.output("y");
  return m;
}

TEST(OnnxReader, ReadsAndBindsAnyBatch) {
  const auto model = parse(relu());
  ASSERT_TRUE(model.ok()) << model.error().what;
  EXPECT_TRUE(has_open_batch(*model));
  const auto graph = bind(*model, {5, {}});
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->value(graph->outputs[0]).shape, (Shape{5, 3}));
  EXPECT_EQ(model->hash.size(), 16u);
}

TEST(OnnxReader, UnsupportedOperatorsAreListedAllAtOnceWithTheirNodes) {
  OnnxMaker m;
  m.input("x", {1, 3});
  m.node("LSTM", {"x"}, "a", "encoder");
  m.node("Relu", {"a"}, "b");
  m.node("Loop", {"b"}, "c", "decoder");
  m.node("LSTM", {"c"}, "d", "second");
  m.node("FusedGemm", {"d"}, "y", "odd").set_domain("com.example");
  m.output("y");
  EXPECT_THAT(refusal(m),
              AllOf(HasSubstr("4 nodes"), HasSubstr("LSTM (encoder, second)"),
                    HasSubstr("Loop (decoder)"), HasSubstr("com.example.FusedGemm (odd)")));
}

TEST(OnnxReader, OpenDimensionsBeyondTheBatchAreNamed) {
  OnnxMaker m;
  m.input("pixels", {-1, 3, -1, 224});
  m.node("Relu", {"pixels"}, "y");
  m.output("y");
  const auto model = parse(m);
  ASSERT_TRUE(model.ok());
  const auto graph = bind(*model);
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(graph.error().what,
              AllOf(HasSubstr("'pixels'"), HasSubstr("2 ('width')"), HasSubstr("exporting")));
  EXPECT_TRUE(bind(*model, {1, {{"pixels", {1, 3, 224, 224}}}}).ok());
}

TEST(OnnxReader, AFixedBatchCannotBeBoundToAnother) {
  OnnxMaker m;
  m.input("x", {1, 3});
  m.node("Relu", {"x"}, "y");
  m.output("y");
  const auto graph = bind(*parse(m), {4, {}});
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(graph.error().what, AllOf(HasSubstr("fixed"), HasSubstr("batch 4")));
}

TEST(OnnxReader, ACycleIsNamed) {
  OnnxMaker m;
  m.input("x", {1, 3});
  m.node("Add", {"x", "c"}, "a", "first");
  m.node("Relu", {"a"}, "b", "second");
  m.node("Relu", {"b"}, "c", "third");
  m.output("c");
  EXPECT_THAT(refusal(m), AllOf(HasSubstr("cycle"), HasSubstr("'first'")));
}

TEST(OnnxReader, NodesMayComeInAnyOrder) {
  OnnxMaker m;
  m.input("x", {1, 3});
  m.node("Relu", {"a"}, "y");
  m.node("Neg", {"x"}, "a");
  m.output("y");
  const auto model = parse(m);
  ASSERT_TRUE(model.ok()) << model.error().what;
  EXPECT_EQ(model->graph.nodes[0].op, "Neg");
}

TEST(OnnxReader, NanWeightsAreRefusedAndCounted) {
  OnnxMaker m;
  m.input("x", {1, 2});
  m.weight("w", {2, 2}, {1, 2, NAN, NAN});
  m.node("MatMul", {"x", "w"}, "y");
  m.output("y");
  EXPECT_THAT(refusal(m), AllOf(HasSubstr("'w'"), HasSubstr("2 NaN of 4"), HasSubstr("element 2")));
}

TEST(OnnxReader, WeightsMustFitTheirShapes) {
  OnnxMaker m = relu();
  m.weight("w", {1 << 20, 1 << 20}, {1});
  EXPECT_THAT(refusal(m), AllOf(HasSubstr("'w'"), HasSubstr("1 elements")));
  OnnxMaker raw = relu();
  raw.weight("w", {2}, {}).set_raw_data("1234567");
  EXPECT_THAT(refusal(raw), AllOf(HasSubstr("'w'"), HasSubstr("8 bytes"), HasSubstr("7")));
  OnnxMaker negative = relu();
  negative.weight("w", {-3}, {});
  EXPECT_THAT(refusal(negative), HasSubstr("'w'"));
}

TEST_F(Folder, MissingExternalDataIsNamed) {
  OnnxMaker m = relu();
  onnx::TensorProto& w = m.weight("w", {4}, {});
  w.set_data_location(onnx::TensorProto::EXTERNAL);
  auto& location = *w.add_external_data();
  location.set_key("location");
  location.set_value("weights.bin");
  EXPECT_THAT(refusal(m, folder_), AllOf(HasSubstr("'w'"), HasSubstr("weights.bin")));
  std::ofstream(folder_ / "weights.bin") << "0123456789";
  EXPECT_THAT(refusal(m, folder_), AllOf(HasSubstr("16"), HasSubstr("10 bytes")));
  std::ofstream(folder_ / "weights.bin") << "0123456789012345";
  const auto first = parse(m, folder_);
  ASSERT_TRUE(first.ok()) << first.error().what;
  std::ofstream(folder_ / "weights.bin") << "0123456789012344";
  EXPECT_NE(parse(m, folder_)->hash, first->hash) << "the hash covers external data";
}

TEST_F(Folder, ExternalDataMayNotLeaveTheFolder) {
  for (const char* path : {"../secret", "/etc/passwd", "a/../../b", ""}) {
    OnnxMaker m = relu();
    onnx::TensorProto& w = m.weight("w", {4}, {});
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    auto& location = *w.add_external_data();
    location.set_key("location");
    location.set_value(path);
    EXPECT_THAT(refusal(m, folder_), HasSubstr("not a file beside the model")) << path;
  }
}

// Sparse: it takes no room on the disk, and must take no time either.
TEST_F(Folder, ThreeGigabytesAreRefusedBeforeTheyAreRead) {
  const auto path = folder_ / "large.onnx";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::ftruncate(fd, int64_t{3} << 30), 0);
  ::close(fd);
  const auto model = read_onnx(path);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, Code::kTooLarge);
  EXPECT_THAT(model.error().what, AllOf(HasSubstr("3221225472"), HasSubstr("external data")));
}

TEST_F(Folder, FilesThatAreNoModels) {
  EXPECT_EQ(read_onnx(folder_ / "none.onnx").error().code, Code::kNotFound);
  EXPECT_THAT(read_onnx(folder_).error().what, HasSubstr("no regular file"));
  std::ofstream(folder_ / "empty.onnx").flush();
  EXPECT_THAT(read_onnx(folder_ / "empty.onnx").error().what, HasSubstr("is empty"));
  std::ofstream(folder_ / "text.onnx") << "this is no model";
  EXPECT_THAT(read_onnx(folder_ / "text.onnx").error().what, HasSubstr("not an ONNX model"));
}

TEST(OnnxReader, EveryTruncationIsRefusedOrReadWithoutHarm) {
  const std::string bytes = relu().bytes();
  for (size_t n = 0; n < bytes.size(); ++n)
    (void)parse_onnx(std::as_bytes(std::span(bytes.data(), n)), "");
}

TEST(OnnxReader, OldAndNewOpsetsAreRefused) {
  for (const int64_t opset : {int64_t{1}, int64_t{6}, int64_t{99}}) {
    OnnxMaker m(opset);
    m.input("x", {1});
    m.node("Relu", {"x"}, "y");
    m.output("y");
    EXPECT_THAT(refusal(m), HasSubstr("opset " + std::to_string(opset)));
  }
}

TEST(OnnxReader, ValuesThatNobodyMakesOrTwoDo) {
  OnnxMaker ghost = relu();
  ghost.node("Add", {"y", "ghost"}, "z", "sum");
  EXPECT_THAT(refusal(ghost), AllOf(HasSubstr("'sum'"), HasSubstr("'ghost'")));
  OnnxMaker twice = relu();
  twice.node("Neg", {"x"}, "y", "again");
  EXPECT_THAT(refusal(twice), AllOf(HasSubstr("'y'"), HasSubstr("'again'")));
  OnnxMaker nothing = relu();
  nothing.output("nothing");
  EXPECT_THAT(refusal(nothing), HasSubstr("'nothing'"));
}

TEST(OnnxReader, ShapesThatFollowFromTheInputAreWorkedOut) {
  OnnxMaker m;
  m.input("x", {-1, 4, 5});
  m.node("Shape", {"x"}, "s");
  m.model.mutable_graph()->add_initializer()->set_name("zero");
  auto& zero = *m.model.mutable_graph()->mutable_initializer(0);
  zero.set_data_type(7);
  zero.add_dims(1);
  zero.add_int64_data(0);
  auto& last = *m.model.mutable_graph()->add_initializer();
  last.set_name("last");
  last.set_data_type(7);
  last.add_dims(1);
  last.add_int64_data(-1);
  m.node("Gather", {"s", "zero"}, "n");
  m.node("Concat", {"n", "last"}, "to").add_attribute()->set_name("axis");
  auto& axis = *m.model.mutable_graph()->mutable_node(2)->mutable_attribute(0);
  axis.set_type(onnx::AttributeProto::INT);
  axis.set_i(0);
  m.node("Reshape", {"x", "to"}, "y");
  m.output("y");
  const auto graph = bind(*parse(m), {3, {}});
  ASSERT_TRUE(graph.ok()) << graph.error().what;
  EXPECT_EQ(graph->nodes.size(), 1u) << "only the reshape is left";
  EXPECT_EQ(graph->value(graph->outputs[0]).shape, (Shape{3, 20}));
}

TEST(OnnxReader, DataDependentShapesAreRefusedByName) {
  OnnxMaker m;
  m.input("x", {1, 6});
  m.input("to", {2}, 7);
  m.node("Reshape", {"x", "to"}, "y", "shaper");
  m.output("y");
  const auto graph = bind(*parse(m));
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(graph.error().what, AllOf(HasSubstr("'shaper'"), HasSubstr("depends on the data")));
}

}  // namespace
}  // namespace corolla::plan
