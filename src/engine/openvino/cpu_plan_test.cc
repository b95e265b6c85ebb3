// Plans of OpenVINO's compiled models: served as the model itself is, and refused where they were
// not made for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/openvino/cpu_target.h"
#include "engine/openvino/openvino_engine.h"
#include "engine/openvino/ov_types.h"
#include "engine/reply_memory.h"
#include "plan/lower/weight_store.h"
#include "plan/plan_file.h"

namespace corolla::engine {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class CpuPlanTest : public testing::Test {
 protected:
  CpuPlanTest() {
    std::string name = (fs::temp_directory_path() / "cpu_plan_XXXXXX").string();
    folder = ::mkdtemp(name.data());
    auto made = make_openvino_engine({.options = {{"threads", "1"}}});
    CHECK(made.ok());
    engine = *std::move(made);
    target = cpu_target();
  }
  ~CpuPlanTest() override { fs::remove_all(folder); }

  static std::string blob(const std::string& model, int64_t rows) {
    ov::Core core;
    auto graph = core.read_model(std::string(COROLLA_TESTDATA) + "/" + model + ".onnx");
    if (rows > 0) {
      ov::PartialShape shape = graph->input().get_partial_shape();
      shape[0] = rows;
      graph->reshape(shape);
    }
    std::ostringstream out;
    core.compile_model(graph, "CPU").export_model(out);
    return out.str();
  }

  // `blobs`: batch and compiled model.
  ModelSource plan(const std::vector<std::pair<int64_t, std::string>>& blobs, int max_batch,
                   bool batched = true) {
    plan::Plan made;
    made.model = "a model";
    made.target = target;
    made.batched = batched;
    made.inputs = {{"x", DType::kFp32, {-1, 4}}};
    made.outputs = {{"double", DType::kFp32, {-1, 4}}, {"sum", DType::kFp32, {-1, 1}}};
    plan::WeightStore store;
    for (const auto& [batch, content] : blobs) {
      plan::PlanTensor tensor;
      tensor.dtype = DType::kUint8;
      tensor.shape = {static_cast<int64_t>(content.size())};
      tensor.bytes = tensor.shape[0];
      tensor.place = plan::Place::kWeight;
      tensor.offset = store.add(std::as_bytes(std::span(content)));
      plan::Program program;
      program.batch = batch;
      program.tensors = {tensor};
      made.programs.push_back(program);
    }
    made.owner = store.take(made.weights);
    ModelSource source;
    source.name = "planned";
    source.path = (folder / "model.plan").string();
    source.max_batch = max_batch;
    CHECK(plan::write_plan(made, source.path).ok());
    return source;
  }

  std::string refusal(const ModelSource& source) {
    const auto model = engine->load(source);
    if (model.ok()) return "it was loaded";
    EXPECT_EQ(model.error().code, Code::kInvalidArgument);
    return model.error().what;
  }

  void expect_doubles(Model& model, int rows) {
    std::vector<float> values(static_cast<size_t>(rows) * 4);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    const int64_t shape[] = {rows, 4};
    const ConstTensor tensor{DType::kFp32, shape, std::as_bytes(std::span(values))};
    ReplyMemory reply;
    Request request{.inputs = {&tensor, 1}, .rows = rows, .reply = &reply};
    engine->submit(model, {&request, 1},
                   [](const Status& s, const Timing&) { EXPECT_TRUE(s.ok()); });
    ASSERT_TRUE(request.outcome.ok()) << request.outcome.error().what;
    const auto doubled = reply.outputs.at(0).as<float>();
    ASSERT_EQ(doubled.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(doubled[i], 2 * values[i] + 1) << i;
    EXPECT_EQ(reply.outputs.at(1).as<float>().size(), static_cast<size_t>(rows));
  }

  fs::path folder;
  std::unique_ptr<Engine> engine;
  plan::Target target;
};

TEST_F(CpuPlanTest, AnswersBatchesOfAnySizeByThoseItHas) {
  for (const std::vector<int64_t>& batches :
       std::vector<std::vector<int64_t>>{{1}, {1, 4}, {4}, {3, 5, 16}}) {
    std::vector<std::pair<int64_t, std::string>> blobs;
    for (const int64_t batch : batches) blobs.emplace_back(batch, blob("affine", batch));
    const auto model = engine->load(plan(blobs, 8));
    ASSERT_TRUE(model.ok()) << model.error().what;
    EXPECT_TRUE((*model)->from_cache()) << "nothing is compiled";
    EXPECT_THAT((*model)->inputs(), ElementsAre(TensorSpec{"x", DType::kFp32, {4}}));
    for (const int rows : {1, 2, 3, 4, 7, 8}) expect_doubles(**model, rows);
  }
}

TEST_F(CpuPlanTest, TakesPicturesThoughItWasCompiledForFloats) {
  constexpr float kMean[3] = {0.485f, 0.456f, 0.406f}, kStd[3] = {0.229f, 0.224f, 0.225f};
  ModelSource source = plan({{1, blob("picture", 1)}, {4, blob("picture", 4)}}, 8);
  source.images = {{"input", ImageInput::Form::kUint8, {kMean, kMean + 3}, {kStd, kStd + 3}}};
  const auto model = engine->load(source);
  ASSERT_TRUE(model.ok()) << model.error().what;
  EXPECT_THAT((*model)->inputs(), ElementsAre(TensorSpec{"input", DType::kUint8, {-1, -1, 3}}));
  std::vector<uint8_t> rgb(5 * 144);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * 37 + 11);
  const int64_t shape[] = {5, 8, 6, 3};
  const ConstTensor tensor{DType::kUint8, shape, std::as_bytes(std::span(rgb))};
  ReplyMemory reply;
  Request request{.inputs = {&tensor, 1}, .rows = 5, .reply = &reply};
  engine->submit(**model, {&request, 1}, [](const Status&, const Timing&) {});
  ASSERT_TRUE(request.outcome.ok()) << request.outcome.error().what;
  const auto planes = reply.outputs.at(0).as<float>();
  ASSERT_EQ(planes.size(), rgb.size());
  for (size_t row = 0; row < 5; ++row)
    for (size_t c = 0; c < 3; ++c)
      for (size_t i = 0; i < 48; ++i)
        EXPECT_NEAR(planes[row * 144 + c * 48 + i],
                    (static_cast<float>(rgb[row * 144 + i * 3 + c]) / 255 - kMean[c]) / kStd[c],
                    2e-6);
  source.images[0].input = "other";
  EXPECT_THAT(refusal(source), HasSubstr("'other' is none of the file's"));
  source.images[0] = {"input", ImageInput::Form::kUint8, {0.5f}, {}};
  EXPECT_THAT(refusal(source), HasSubstr("three means"));
}

// The front asks for the tensors first, and loads again with the batch that it finds.
TEST_F(CpuPlanTest, TellsItsBatchDimensionWhereNobodyDeclaredOne) {
  const ModelSource source = plan({{1, blob("affine", 1)}}, 0);
  const auto model = engine->load(source);
  ASSERT_TRUE(model.ok()) << model.error().what;
  EXPECT_THAT((*model)->inputs(), ElementsAre(TensorSpec{"x", DType::kFp32, {-1, 4}}));
  EXPECT_THAT((*model)->outputs()[1].shape, ElementsAre(-1, 1));
  ReplyMemory reply;
  Request request{.inputs = {}, .reply = &reply};
  engine->submit(**model, {&request, 1},
                 [](const Status& s, const Timing&) { EXPECT_TRUE(s.ok()); });
  EXPECT_THAT(request.outcome.error().what, HasSubstr("max_batch_size"));

  ModelSource declared = source;  // as having none: then it is one of one row
  declared.inputs = {{"x", DType::kFp32, {1, 4}}};
  const auto single = engine->load(declared);
  ASSERT_TRUE(single.ok()) << single.error().what;
  EXPECT_THAT((*single)->inputs()[0].shape, ElementsAre(1, 4));
}

TEST_F(CpuPlanTest, IsHeldAgainstItsDeclaration) {
  ModelSource source = plan({{1, blob("affine", 1)}}, 8);
  source.inputs = {{"x", DType::kFp32, {5}}};
  EXPECT_THAT(refusal(source), HasSubstr("'x' is declared as FP32 [5]; the file has FP32 [4]"));
  source.inputs = {{"y", DType::kFp32, {4}}};
  EXPECT_THAT(refusal(source), HasSubstr("the file has 'x'"));
  EXPECT_THAT(refusal(plan({{1, blob("fixed", 0)}}, 8, false)), HasSubstr("max_batch_size to 0"));
}

TEST_F(CpuPlanTest, MadeElsewhereIsRefusedNamingBoth) {
  const std::string one = blob("affine", 1);
  const plan::Target here = target;
  target.driver = "2025.0.0-old";
  EXPECT_THAT(refusal(plan({{1, one}}, 8)),
              testing::AllOf(HasSubstr("OpenVINO 2025.0.0-old"), HasSubstr(here.driver)));
  target = here;
  target.arch = "x86_64 sse4_2 amx_of_the_future";
  EXPECT_THAT(refusal(plan({{1, one}}, 8)),
              testing::AllOf(HasSubstr("amx_of_the_future"), HasSubstr(here.arch),
                             HasSubstr("compile the model again")));
  target = here;
  target.engine = "cuda";
  EXPECT_THAT(refusal(plan({{1, one}}, 8)),
              testing::AllOf(HasSubstr("'cuda'"), HasSubstr("'openvino'")));
  target = here;
  target.arch.clear();
  EXPECT_THAT(refusal(plan({{1, one}}, 8)), HasSubstr("does not say"));
}

TEST_F(CpuPlanTest, DamagedOrUntrueIsRefused) {
  const std::string one = blob("affine", 1), four = blob("affine", 4);
  EXPECT_THAT(refusal(plan({{1, four}, {4, one}}, 8)), HasSubstr("batches of 1"));
  {  // One that is only needed later is left out.
    const auto model = engine->load(plan({{1, one}, {4, blob("wide", 4)}}, 8));
    ASSERT_TRUE(model.ok()) << model.error().what;
    for (int i = 0; i < 50; ++i) expect_doubles(**model, 6);
  }
  EXPECT_THAT(refusal(plan({}, 8)), HasSubstr("no compiled model"));
  // Past the checksums: whatever OpenVINO says of it is a sentence.
  const auto rubbish = engine->load(plan({{1, std::string(10000, 'x')}}, 8));
  ASSERT_FALSE(rubbish.ok());
  EXPECT_THAT(rubbish.error().what, HasSubstr("planned"));

  const ModelSource source = plan({{1, one}}, 8);
  const auto size = fs::file_size(source.path);
  {
    std::fstream file(source.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size) - 100);
    file << "rubbish";
  }
  EXPECT_THAT(refusal(source), HasSubstr("damaged"));
  fs::resize_file(source.path, size / 2);
  EXPECT_THAT(refusal(source), HasSubstr("damaged"));
  std::ofstream(source.path, std::ios::trunc) << "no plan at all";
  EXPECT_THAT(refusal(source), HasSubstr(source.path));
}

}  // namespace
}  // namespace corolla::engine
