#include "load/inputs.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace corolla::load {
namespace {

namespace fs = std::filesystem;

class InputsTest : public testing::Test {
 protected:
  InputsTest() {
    char name[] = "/tmp/corolla_inputs_XXXXXX";
    folder_ = mkdtemp(name);
    metadata_.inputs = {{"input", DType::kFp32, {-1, 2, 2}}};
    config_.max_batch_size = 4;
  }
  ~InputsTest() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return folder_ + "/" + name;
  }

  Result<Inputs> make(const std::string& source, int64_t batch = 1) {
    options_.source = source;
    options_.batch = batch;
    return make_inputs(metadata_, config_, options_);
  }

  static std::vector<float> floats(const wire::InputTensor& tensor) {
    std::vector<float> out(tensor.bytes.size() / 4);
    memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
    return out;
  }

  std::string folder_;
  client::ModelMetadata metadata_;
  client::ModelConfig config_;
  InputOptions options_;
};

TEST_F(InputsTest, ZeroAndRandomHaveTheModelsShape) {
  const auto zero = make("zero", 3);
  ASSERT_TRUE(zero.ok());
  EXPECT_EQ(zero->steps.at(0).at(0).shape, (std::vector<int64_t>{3, 2, 2}));
  EXPECT_EQ(floats(zero->steps[0][0]), std::vector<float>(12, 0.0f));
  const auto random = make("random");
  for (const float value : floats(random->steps[0][0])) {
    EXPECT_TRUE(std::isfinite(value));
    EXPECT_NE(value, 0);
  }
  EXPECT_EQ(random->bytes_per_request(), 16u);
}

TEST_F(InputsTest, WrongBatchesAndShapesAreOneSentence) {
  EXPECT_NE(make("zero", 5).error().what.find("max_batch_size 4"), std::string::npos);
  EXPECT_FALSE(make("zero", 0).ok());
  metadata_.inputs[0].shape = {-1, -1, 2};
  EXPECT_NE(make("zero").error().what.find("give --shape input:"), std::string::npos);
  options_.shapes["input"] = {7, 2};
  EXPECT_EQ(make("zero")->steps[0][0].shape, (std::vector<int64_t>{1, 7, 2}));
  options_.shapes["input"] = {7, 3};
  EXPECT_FALSE(make("zero").ok());
  options_.shapes = {{"other", {1}}};
  EXPECT_NE(make("zero").error().what.find("'other'"), std::string::npos);
  config_.max_batch_size = 0;
  EXPECT_FALSE(make("zero", 2).ok());
}

TEST_F(InputsTest, JsonStepsFollowEachOther) {
  const std::string path =
      write("in.json",
            R"({"data":[{"input":[1,2,3,4]},{"input":{"content":[[5,6],[7,8]],"shape":[2,2]}}]})");
  const auto one = make(path);
  ASSERT_TRUE(one.ok()) << one.error().what;
  ASSERT_EQ(one->steps.size(), 2u);
  EXPECT_EQ(floats(one->steps[0][0]), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(floats(one->steps[1][0]), (std::vector<float>{5, 6, 7, 8}));
  const auto two = make(path, 2);
  EXPECT_EQ(floats(two->steps[0][0]), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(InputsTest, JsonCarriesTextAndBase64) {
  metadata_.inputs = {{"input", DType::kBytes, {-1, 2}}};
  const auto made =
      make(write("in.json", R"({"data":[{"input":["ab",""]},{"input":{"b64":"aGk="},"x":1}]})"));
  EXPECT_NE(made.error().what.find("'x'"), std::string::npos);
  const auto good = make(write("in.json", R"({"data":[{"input":["ab",""]}]})"));
  ASSERT_TRUE(good.ok()) << good.error().what;
  const std::string expected("\2\0\0\0ab\0\0\0\0", 10);
  EXPECT_EQ(memcmp(good->steps[0][0].bytes.data(), expected.data(), 10), 0);
  metadata_.inputs = {{"input", DType::kFp32, {-1, 1}}};
  const auto raw = make(write("in.json", R"({"data":[{"input":{"b64":"AACAPw=="}}]})"));
  ASSERT_TRUE(raw.ok()) << raw.error().what;
  EXPECT_EQ(floats(raw->steps[0][0]), std::vector<float>{1});
}

TEST_F(InputsTest, BrokenJsonIsOneSentence) {
  for (const char* text : {"", "{", "[]", "{}", R"({"data":[]})", R"({"data":[5]})",
                           R"({"data":[{"input":[1,2,3]}]})", R"({"data":[{"input":["x"]}]})",
                           R"({"data":[{"input":{"content":[1,2,3,4],"shape":[-1]}}]})",
                           R"({"data":[{"input":{"b64":"!"}}]})", R"({"data":[{"other":[1]}]})"}) {
    const auto made = make(write("in.json", text));
    ASSERT_FALSE(made.ok()) << text;
    EXPECT_EQ(made.error().code, Code::kInvalidArgument) << text;
    EXPECT_NE(made.error().what.find("in.json"), std::string::npos) << made.error().what;
  }
}

TEST_F(InputsTest, AFolderMayHoldOneFileAnInput) {
  const float values[4] = {9, 8, 7, 6};
  write("input", std::string(reinterpret_cast<const char*>(values), sizeof values));
  EXPECT_EQ(floats(make(folder_)->steps[0][0]), (std::vector<float>{9, 8, 7, 6}));
  write("input", "short");
  EXPECT_NE(make(folder_).error().what.find("has 5 bytes; the input takes 16"), std::string::npos);
}

TEST_F(InputsTest, AnEmptyFolderIsOneSentence) {
  EXPECT_NE(make(folder_).error().what.find("holds no .jpg"), std::string::npos);
  EXPECT_FALSE(make("/no/such/thing").ok());
}

TEST(ParseShape, TakesWhatPerfClientTakes) {
  EXPECT_EQ(parse_shape("in:3,224,224")->second, (std::vector<int64_t>{3, 224, 224}));
  EXPECT_EQ(parse_shape("a:b:1")->first, "a:b");
  for (const char* text : {"", "in", "in:", ":1", "in:x", "in:0", "in:1,,2"})
    EXPECT_FALSE(parse_shape(text).ok()) << text;
}

}  // namespace
}  // namespace corolla::load
