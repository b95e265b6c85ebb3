#include "engine/openvino/openvino_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include "engine/image/picture.h"
#include "engine/reply_memory.h"

namespace corolla::engine {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class OpenvinoEngineTest : public testing::Test {
 protected:
  OpenvinoEngineTest() {
    std::string name = (fs::temp_directory_path() / "openvino_engine_XXXXXX").string();
    cache = ::mkdtemp(name.data());
    engine = make();
  }
  ~OpenvinoEngineTest() override { fs::remove_all(cache); }

  std::unique_ptr<Engine> make() {
    auto made = make_openvino_engine(
        {.cache_dir = (cache / "blobs").string(), .options = {{"threads", "1"}}});
    CHECK(made.ok());
    return *std::move(made);
  }
  static ModelSource source(const std::string& file, int max_batch) {
    return {.name = file,
            .path = std::string(COROLLA_TESTDATA) + "/" + file + ".onnx",
            .max_batch = max_batch};
  }
  std::unique_ptr<Model> load(const ModelSource& wanted) {
    auto model = engine->load(wanted);
    CHECK(model.ok(), model.error().what);
    return *std::move(model);
  }

  // Requests of one float input with `rows[i]` rows of `width`, filled with rising numbers, as one
  // batch.
  struct Batch {
    std::vector<std::vector<float>> values;
    std::vector<std::vector<int64_t>> shapes;
    std::vector<ConstTensor> tensors;
    std::vector<ReplyMemory> replies;
    std::vector<Request> requests;
  };
  Batch batch(std::vector<int> rows, int64_t width) {
    Batch made;
    const size_t n = rows.size();
    made.values.resize(n), made.shapes.resize(n), made.tensors.resize(n), made.replies.resize(n),
        made.requests.resize(n);
    float next = 0;
    for (size_t i = 0; i < n; ++i) {
      made.values[i].resize(static_cast<size_t>(rows[i] * width));
      for (float& value : made.values[i]) value = next++;
      made.shapes[i] = {rows[i], width};
      made.tensors[i] = {DType::kFp32, made.shapes[i], std::as_bytes(std::span(made.values[i]))};
      made.requests[i] = {
          .inputs = {&made.tensors[i], 1}, .rows = rows[i], .reply = &made.replies[i]};
    }
    return made;
  }
  Status run(Model& model, std::span<Request> requests) {
    Status status = Error{Code::kInternal, "done was not called"};
    engine->submit(model, requests, [&](Status s, const Timing& timing) {
      status = s;
      EXPECT_GT(timing.infer_ns, 0);
    });
    return status;
  }

  fs::path cache;
  std::unique_ptr<Engine> engine;
};

TEST_F(OpenvinoEngineTest, SaysWhatTheFileHas) {
  EXPECT_THAT(engine->name(), HasSubstr("openvino 20"));
  auto model = load(source("affine", 8));
  EXPECT_THAT(model->inputs(), ElementsAre(TensorSpec{"x", DType::kFp32, {4}}));
  EXPECT_THAT(model->outputs(), ElementsAre(TensorSpec{"double", DType::kFp32, {4}},
                                            TensorSpec{"sum", DType::kFp32, {1}}));
}

TEST_F(OpenvinoEngineTest, BatchesOfAnySizeAndSplitAreRight) {
  auto model = load(source("affine", 8));
  for (const std::vector<int>& rows : std::vector<std::vector<int>>{
           {1}, {4}, {8}, {3}, {1, 1, 1, 1}, {3, 2, 2}, {1, 7}, {5, 1, 1, 1}}) {
    Batch made = batch(rows, 4);
    ASSERT_TRUE(run(*model, made.requests).ok());
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_TRUE(made.requests[i].outcome.ok());
      const auto doubled = made.replies[i].outputs.at(0).as<float>();
      const auto sums = made.replies[i].outputs.at(1).as<float>();
      ASSERT_EQ(doubled.size(), made.values[i].size());
      ASSERT_EQ(sums.size(), static_cast<size_t>(rows[i]));
      for (size_t k = 0; k < doubled.size(); ++k) EXPECT_EQ(doubled[k], 2 * made.values[i][k] + 1);
      for (size_t r = 0; r < sums.size(); ++r)
        EXPECT_EQ(sums[r],
                  std::accumulate(doubled.begin() + r * 4, doubled.begin() + r * 4 + 4, 0.0f));
      EXPECT_THAT(made.replies[i].outputs.at(1).shape, ElementsAre(rows[i], 1));
    }
  }
}

TEST_F(OpenvinoEngineTest, OutputsNotWantedOrWithoutRoomAreSkipped) {
  auto model = load(source("affine", 8));
  Batch made = batch({2, 1}, 4);
  made.replies[0].wanted = 2;
  made.replies[1].most = 8;
  ASSERT_TRUE(run(*model, made.requests).ok());
  EXPECT_FALSE(made.replies[0].outputs.contains(0));
  EXPECT_THAT(made.replies[0].outputs.at(1).as<float>(), ElementsAre(2 * 6 + 4, 2 * 22 + 4));
  EXPECT_FALSE(made.replies[1].outputs.contains(0));
  EXPECT_EQ(made.replies[1].needed, 20u);
  EXPECT_THAT(made.replies[1].outputs.at(1).as<float>(), ElementsAre(2 * 38 + 4));
}

TEST_F(OpenvinoEngineTest, LargeOutputsGoStraightToTheirPlaceAndNowhereElseLater) {
  auto model = load(source("wide", 8));
  for (int round = 0; round < 3; ++round) {
    Batch alone = batch({1}, 1);
    alone.values[0][0] = 3;
    ASSERT_TRUE(run(*model, alone.requests).ok());
    const auto before = alone.replies[0].outputs.at(0).as<float>();
    ASSERT_EQ(before.size(), 20000u);
    EXPECT_EQ(before[19999], 3 * 19999.0f);
    Batch joined = batch({1, 3, 1}, 1);  // a four of two requests, then a one
    ASSERT_TRUE(run(*model, joined.requests).ok());
    EXPECT_EQ(joined.replies[1].outputs.at(0).as<float>()[2 * 20000 + 7], 3 * 7.0f);
    EXPECT_EQ(joined.replies[2].outputs.at(0).as<float>()[7], 4 * 7.0f);
    Batch none = batch({1}, 1);
    none.replies[0].wanted = 0;
    ASSERT_TRUE(run(*model, none.requests).ok());
    EXPECT_EQ(alone.replies[0].outputs.at(0).as<float>(), before)
        << "somebody wrote into an old reply";
  }
}

TEST_F(OpenvinoEngineTest, InputsNeedNoAlignment) {
  auto model = load(source("affine", 8));
  std::vector<std::byte> memory(100);
  const float values[4] = {1, 2, 3, 4};
  const int64_t shape[2] = {1, 4};
  for (size_t at = 0; at < 8; ++at) {
    std::memcpy(memory.data() + at, values, sizeof values);
    const ConstTensor tensor{DType::kFp32, shape, std::span(memory).subspan(at, 16)};
    ReplyMemory reply;
    Request request{.inputs = {&tensor, 1}, .reply = &reply};
    ASSERT_TRUE(run(*model, {&request, 1}).ok());
    EXPECT_THAT(reply.outputs.at(0).as<float>(), ElementsAre(3, 5, 7, 9)) << at;
  }
}

TEST_F(OpenvinoEngineTest, ModelsWithoutABatchTakeAnyShapeTheyHave) {
  auto model = load(source("lengths", 0));
  EXPECT_THAT(model->inputs()[0].shape, ElementsAre(-1));
  for (int64_t length : {3, 1, 100}) {
    std::vector<int64_t> a(static_cast<size_t>(length), 40), b(static_cast<size_t>(length), 2);
    const ConstTensor tensors[2] = {{DType::kInt64, {&length, 1}, std::as_bytes(std::span(a))},
                                    {DType::kInt64, {&length, 1}, std::as_bytes(std::span(b))}};
    ReplyMemory reply;
    Request request{.inputs = tensors, .reply = &reply};
    ASSERT_TRUE(run(*model, {&request, 1}).ok());
    ASSERT_TRUE(request.outcome.ok()) << request.outcome.error().what;
    EXPECT_THAT(reply.outputs.at(0).shape, ElementsAre(length));
    EXPECT_THAT(reply.outputs.at(0).as<int64_t>(), testing::Each(42));
  }
  // Shapes that do not go together are that request's fault, and nobody else's.
  const int64_t two = 2, three = 3;
  std::vector<int64_t> numbers(3, 1);
  const ConstTensor tensors[2] = {
      {DType::kInt64, {&two, 1}, std::as_bytes(std::span(numbers)).first(16)},
      {DType::kInt64, {&three, 1}, std::as_bytes(std::span(numbers))}};
  ReplyMemory reply, fine_reply;
  const ConstTensor fine[2] = {tensors[1], tensors[1]};
  Request requests[2] = {{.inputs = tensors, .reply = &reply},
                         {.inputs = fine, .reply = &fine_reply}};
  ASSERT_TRUE(run(*model, requests).ok());
  EXPECT_EQ(requests[0].outcome.error().code, Code::kInvalidArgument);
  ASSERT_TRUE(requests[1].outcome.ok()) << requests[1].outcome.error().what;
  EXPECT_THAT(fine_reply.outputs.at(0).as<int64_t>(), ElementsAre(2, 2, 2));
}

TEST_F(OpenvinoEngineTest, ABatchThatCannotBeIsRefusedAtLoad) {
  auto fixed = load(source("fixed", 0));
  EXPECT_THAT(fixed->outputs()[0].shape, ElementsAre(2, 2));
  const auto refused = engine->load(source("fixed", 8));
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(refused.error().what, HasSubstr("max_batch_size"));
}

TEST_F(OpenvinoEngineTest, DeclarationsAreHeldAgainstTheFile) {
  const auto refuse = [&](ModelSource wanted, const char* word) {
    const auto answer = engine->load(wanted);
    ASSERT_FALSE(answer.ok()) << word;
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
    EXPECT_THAT(answer.error().what, HasSubstr(word));
  };
  ModelSource good = source("affine", 8);
  good.inputs = {{"x", DType::kFp32, {4}}};
  good.outputs = {{"sum", DType::kFp32, {1}}};
  EXPECT_EQ(load(good)->outputs().size(), 2u);
  ModelSource wrong = good;
  wrong.inputs[0].name = "y";
  refuse(wrong, "'x'");
  wrong = good;
  wrong.inputs[0].dtype = DType::kInt32;
  refuse(wrong, "INT32");
  wrong = good;
  wrong.inputs[0].shape = {5};
  refuse(wrong, "[5]");
  wrong = good;
  wrong.inputs[0].shape = {2, 2};
  refuse(wrong, "[2,2]");
  wrong = good;
  wrong.outputs[0].shape = {2};
  refuse(wrong, "[2]");
  wrong = good;
  wrong.outputs[0].name = "probability";
  refuse(wrong, "'sum'");
}

TEST_F(OpenvinoEngineTest, BrokenFilesGetASentence) {
  std::ifstream whole(source("affine", 8).path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(whole)), {});
  ModelSource broken = source("affine", 8);
  broken.path = (cache / "model.onnx").string();
  const auto refuse = [&](const std::string& content) {
    std::ofstream(broken.path, std::ios::binary | std::ios::trunc) << content;
    const auto answer = engine->load(broken);
    ASSERT_FALSE(answer.ok()) << content.size();
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument) << answer.error().what;
    EXPECT_THAT(answer.error().what, HasSubstr("affine"));
    EXPECT_THAT(answer.error().what, testing::Not(HasSubstr("Exception from")));
  };
  refuse(bytes.substr(0, bytes.size() / 2));
  refuse(bytes.substr(0, 10));
  refuse("this is not a model at all");
  refuse(std::string(5000, '\xff'));
  for (const auto& [file, word] :
       {std::pair{"unknown_op", "Frobnicate"}, {"no_such_file", "cannot be read"}}) {
    const auto answer = engine->load(source(file, 8));
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
    EXPECT_THAT(answer.error().what, HasSubstr(word));
  }
}

TEST_F(OpenvinoEngineTest, TheSecondLoadComesFromTheCacheAndAnswersTheSame) {
  auto first = load(source("affine", 8));
  EXPECT_FALSE(first->from_cache());
  engine = make();
  auto second = load(source("affine", 8));
  EXPECT_TRUE(second->from_cache());
  EXPECT_EQ(first->inputs(), second->inputs());
  EXPECT_EQ(first->outputs(), second->outputs());
  Batch made = batch({5}, 4);
  ASSERT_TRUE(run(*second, made.requests).ok());
  EXPECT_EQ(made.replies[0].outputs.at(0).as<float>()[19], 39);
  // Anything that the compiled model depends on makes it another.
  EXPECT_FALSE(load(source("affine", 2))->from_cache());
  ModelSource other = source("affine", 8);
  other.parameters["threads"] = "2";
  EXPECT_FALSE(load(other)->from_cache());
}

TEST_F(OpenvinoEngineTest, DamagedBlobsAreCompiledAnew) {
  load(source("affine", 8));
  for (const auto& entry : fs::directory_iterator(cache / "blobs")) {
    if (entry.path().extension() != ".blob") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5000);
    file << "rubbish";
  }
  EXPECT_FALSE(load(source("affine", 8))->from_cache());
  EXPECT_TRUE(load(source("affine", 8))->from_cache());
}

TEST_F(OpenvinoEngineTest, WorksWithoutACache) {
  auto made = make_openvino_engine({.cache_dir = "", .options = {{"threads", "1"}}});
  ASSERT_TRUE(made.ok());
  engine = *std::move(made);
  EXPECT_FALSE(load(source("affine", 8))->from_cache());
  EXPECT_FALSE(load(source("affine", 8))->from_cache());
}

TEST_F(OpenvinoEngineTest, LoadsWhileItRuns) {
  auto model = load(source("affine", 8));
  std::thread loader([&] {
    for (int i = 0; i < 3; ++i) {
      ModelSource other = source("wide", 2 + i);
      EXPECT_TRUE(engine->load(other).ok());
    }
  });
  for (int i = 0; i < 200; ++i) {
    Batch made = batch({3, 2}, 4);
    ASSERT_TRUE(run(*model, made.requests).ok());
    ASSERT_EQ(made.replies[1].outputs.at(0).as<float>()[7], 39);
  }
  loader.join();
}

// The model hands back what it is given, so that the normalisation can be read off: 3 planes of 8
// x 6.
class PicturesTest : public OpenvinoEngineTest {
 protected:
  static constexpr float kMean[3] = {0.485f, 0.456f, 0.406f}, kStd[3] = {0.229f, 0.224f, 0.225f};
  std::unique_ptr<Model> pictures(ImageInput::Form form, int max_batch) {
    ModelSource wanted = source("picture", max_batch);
    wanted.path =
        std::string(COROLLA_TESTDATA) + (max_batch > 0 ? "/picture.onnx" : "/picture_alone.onnx");
    wanted.images = {{"input", form, {kMean, kMean + 3}, {kStd, kStd + 3}}};
    return load(wanted);
  }
  // Within the last bits of what ToTensor and Normalize make of these pixels.
  static void expect_normalised(std::span<const float> planes, std::span<const uint8_t> rgb) {
    ASSERT_EQ(planes.size(), 144u);
    ASSERT_EQ(rgb.size(), 144u);
    for (size_t c = 0; c < 3; ++c)
      for (size_t i = 0; i < 48; ++i)
        EXPECT_NEAR(planes[c * 48 + i],
                    (static_cast<float>(rgb[i * 3 + c]) / 255 - kMean[c]) / kStd[c], 2e-6);
  }
  static std::vector<uint8_t> pixels(size_t count) {
    std::vector<uint8_t> made(count);
    for (size_t i = 0; i < count; ++i) made[i] = static_cast<uint8_t>(i * 37 + 11);
    return made;
  }
};

TEST_F(PicturesTest, PixelsAreNormalisedInsideTheModel) {
  auto model = pictures(ImageInput::Form::kUint8, 8);
  EXPECT_THAT(model->inputs(), ElementsAre(TensorSpec{"input", DType::kUint8, {-1, -1, 3}}));
  const auto rgb = pixels(5 * 144);
  const int64_t shape[] = {5, 8, 6, 3};
  const ConstTensor tensor{DType::kUint8, shape, std::as_bytes(std::span(rgb))};
  ReplyMemory reply;
  Request request{.inputs = {&tensor, 1}, .rows = 5, .reply = &reply};
  ASSERT_TRUE(run(*model, {&request, 1}).ok());
  ASSERT_TRUE(request.outcome.ok());
  const auto planes = reply.outputs.at(0).as<float>();
  for (size_t row = 0; row < 5; ++row)
    expect_normalised(std::span(planes).subspan(row * 144, 144),
                      std::span(rgb).subspan(row * 144, 144));
}

TEST_F(PicturesTest, OtherSizesAndFilesAreFittedAndABadOneHarmsNoOther) {
  for (bool cached : {false, true}) {
    auto model = pictures(ImageInput::Form::kEncoded, 8);
    EXPECT_EQ(model->from_cache(), cached);
    EXPECT_THAT(model->inputs(), ElementsAre(TensorSpec{"input", DType::kBytes, {1}}));
    std::ifstream in(std::string(COROLLA_SOURCE_DIR) +
                         "/src/engine/image/testdata/picture_fuzz/orientation6.jpg",
                     std::ios::binary);
    const std::string jpeg((std::istreambuf_iterator<char>(in)), {});
    const auto element = [](const std::string& text) {
      const auto length = static_cast<uint32_t>(text.size());
      return std::string(reinterpret_cast<const char*>(&length), 4) + text;
    };
    const std::string texts[] = {element("no picture"), element(jpeg) + element(jpeg)};
    const int64_t shapes[2][2] = {{1, 1}, {2, 1}};
    ConstTensor tensors[2];
    ReplyMemory replies[2];
    Request requests[2];
    for (int i = 0; i < 2; ++i) {
      tensors[i] = {DType::kBytes, shapes[i], std::as_bytes(std::span(texts[i]))};
      requests[i] = {.inputs = {&tensors[i], 1}, .rows = i + 1, .reply = &replies[i]};
    }
    ASSERT_TRUE(run(*model, requests).ok());
    EXPECT_THAT(requests[0].outcome.error().what, HasSubstr("neither a JPEG nor a PNG"));
    EXPECT_EQ(requests[0].outcome.error().code, Code::kInvalidArgument);
    EXPECT_TRUE(replies[0].outputs.empty());
    ASSERT_TRUE(requests[1].outcome.ok());
    std::vector<uint8_t> fitted(144);
    fit_picture(*decode_picture(std::as_bytes(std::span(jpeg))), 6, 8, fitted);
    const auto planes = replies[1].outputs.at(0).as<float>();
    for (size_t row = 0; row < 2; ++row)
      expect_normalised(std::span(planes).subspan(row * 144, 144), fitted);
  }
}

TEST_F(PicturesTest, WithoutABatchDimensionOneAtATime) {
  auto model = pictures(ImageInput::Form::kUint8, 0);
  const auto rgb = pixels(144);
  const int64_t shape[] = {8, 6, 3};
  const ConstTensor tensor{DType::kUint8, shape, std::as_bytes(std::span(rgb))};
  ReplyMemory reply;
  Request request{.inputs = {&tensor, 1}, .reply = &reply};
  ASSERT_TRUE(run(*model, {&request, 1}).ok());
  EXPECT_THAT(reply.outputs.at(0).shape, ElementsAre(1, 3, 8, 6));
  expect_normalised(reply.outputs.at(0).as<float>(), rgb);
}

TEST_F(PicturesTest, WhatIsNoPictureInputIsRefusedAtLoad) {
  ModelSource wanted = source("affine", 8);
  wanted.images = {{"x", ImageInput::Form::kUint8, {}, {}}};
  EXPECT_THAT(engine->load(wanted).error().what, HasSubstr("[N,3,H,W]"));
  wanted.images[0].input = "no";
  EXPECT_THAT(engine->load(wanted).error().what, HasSubstr("none of the file's: 'x'"));
  wanted = source("picture", 8);
  wanted.images = {{"input", ImageInput::Form::kUint8, {0.5f}, {}}};
  EXPECT_THAT(engine->load(wanted).error().what, HasSubstr("three means"));
  wanted.images = {{"input", ImageInput::Form::kUint8, {}, {1, 0, 1}}};
  EXPECT_EQ(engine->load(wanted).error().code, Code::kInvalidArgument);
}

TEST(OpenvinoEngineOptions, UnknownOrWrongOnesAreNamed) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"cores", "1"}, {"threads", "0"}, {"precision", "f8"}}) {
    const auto made = make_openvino_engine({.options = {{name, value}}});
    ASSERT_FALSE(made.ok());
    EXPECT_THAT(made.error().what, HasSubstr(name));
  }
}

}  // namespace
}  // namespace corolla::engine
