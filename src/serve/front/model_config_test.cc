#include "serve/front/model_config.h"

#include <gtest/gtest.h>

#include "wire/proto_json.h"

namespace corolla::front {
namespace {

constexpr char kFlower[] = R"(
name: "flower"
backend: "python"
max_batch_size: 8
input [ { name: "input", data_type: TYPE_FP32, dims: [ 3, 224, 224 ] } ]
output [ { name: "output", data_type: TYPE_FP32, dims: [ 102 ], label_filename: "labels.txt" } ]
instance_group [ { kind: KIND_CPU, count: 1 } ]
dynamic_batching { }
)";

inference::ModelConfig parsed(const std::string& text) {
  auto config = parse_config_text(text, "config.pbtxt of model 'flower'");
  EXPECT_TRUE(config.ok()) << (config.ok() ? "" : config.error().what);
  return config.ok() ? *config : inference::ModelConfig();
}

inference::ModelConfig checked(const std::string& text) {
  auto config = parsed(text);
  auto status = check_config(config, "flower");
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().what);
  return config;
}

void refused(const std::string& text, const std::string& word, Code code = Code::kInvalidArgument) {
  auto config = parse_config_text(text, "config.pbtxt of model 'flower'");
  Status status = config.ok() ? check_config(*config, "flower") : Status(config.error());
  ASSERT_FALSE(status.ok()) << "accepted: " << text;
  EXPECT_EQ(status.error().code, code) << status.error().what;
  EXPECT_NE(status.error().what.find(word), std::string::npos)
      << status.error().what << "\n  lacks: " << word;
  EXPECT_NE(status.error().what.find("flower"), std::string::npos) << status.error().what;
}

link::TensorSpec spec(const std::string& name, DType dtype, std::vector<int64_t> shape) {
  link::TensorSpec s;
  s.set_name(name);
  s.set_dtype(static_cast<uint32_t>(dtype));
  s.mutable_shape()->Add(shape.begin(), shape.end());
  return s;
}

TEST(ModelConfig, ReadsARealFile) {
  auto config = checked(kFlower);
  EXPECT_EQ(config.max_batch_size(), 8);
  ModelPolicy policy = model_policy(config);
  EXPECT_EQ(policy.max_batch, 8u);
  EXPECT_TRUE(policy.batching);
  EXPECT_TRUE(policy.allow_timeout_override) << "no policy written: a request's timeout counts";
  EXPECT_EQ(config.version_policy().latest().num_versions(), 1u);
}

TEST(ModelConfig, ErrorsSayLineAndColumn) {
  refused("name: \"flower\"\nmax_batch_size: many\n", "line 2, column 17");
  refused("name: \"flower\"\n  max_bach_size: 8\n", "line 2");
  refused("input [ { name: \"x\" ", "line 1");
  refused("name: \"\\xff\"", "UTF-8");
  refused(std::string(kMaxConfigBytes + 1, ' '), "limit");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "sequence_batching{state{initial_state{";
  refused(deep, "flower");
  refused("input [ { name: \"x\" data_type: TYPE_FP31 } ]", "TYPE_FP31");
}

TEST(ModelConfig, RefusesWhatIsNotOffered) {
  refused("sequence_batching { }", "sequence_batching is not offered", Code::kUnsupported);
  refused("ensemble_scheduling { }", "ensembles are not offered", Code::kUnsupported);
  refused("platform: \"ensemble\"", "ensembles", Code::kUnsupported);
  refused("model_transaction_policy { decoupled: true }", "decoupled", Code::kUnsupported);
  refused("input [{name:\"a\" data_type:TYPE_FP32 dims:[4] reshape{shape:[2,2]}}]", "reshape",
          Code::kUnsupported);
  refused("input [{name:\"a\" data_type:TYPE_FP32 dims:[4] allow_ragged_batch:true}]", "ragged",
          Code::kUnsupported);
  refused("input [{name:\"a\" data_type:TYPE_FP32 dims:[4] optional:true}]", "optional",
          Code::kUnsupported);
  refused("dynamic_batching{default_queue_policy{timeout_action:DELAY}}", "DELAY",
          Code::kUnsupported);
  refused("batch_input [{kind:BATCH_ELEMENT_COUNT}]", "batch_input", Code::kUnsupported);
}

TEST(ModelConfig, RefusesWhatCannotBe) {
  refused("name: \"rose\"", "'rose'");
  refused("max_batch_size: -1", "max_batch_size");
  refused("max_batch_size: 2147483647", "max_batch_size");
  refused("input [{name:\"a\" data_type:TYPE_FP32 dims:[0]}]", "dim 0");
  refused("input [{name:\"a\" data_type:TYPE_FP32 dims:[-2]}]", "dim -2");
  refused("input [{name:\"a\" data_type:TYPE_FP32 dims:[4611686018427387904,4]}]", "63 bits");
  refused("input [{name:\"a\" dims:[1]}]", "data_type");
  refused("input [{data_type:TYPE_FP32 dims:[1]}]", "no name");
  refused(
      "output [{name:\"a\" data_type:TYPE_FP32 dims:[1]},{name:\"a\" data_type:TYPE_FP32 "
      "dims:[1]}]",
      "twice");
  refused("output [{name:\"a\" data_type:TYPE_FP32 dims:[1] label_filename:\"../../etc/passwd\"}]",
          "label_filename");
  refused("default_model_filename: \"/etc/passwd\"", "default_model_filename");
  refused("max_batch_size: 4 dynamic_batching{preferred_batch_size:[2,8]}",
          "preferred_batch_size 8");
  refused("dynamic_batching{priority_levels:2}", "default_priority_level");
  refused("dynamic_batching{priority_levels:2 default_priority_level:3}",
          "default_priority_level 3");
  refused("dynamic_batching{default_priority_level:3}", "priority_levels");
  refused("version_policy{latest{num_versions:0}}", "num_versions");
  refused("version_policy{specific{versions:[0]}}", "version 0");
  refused("version_policy{specific{}}", "names no version");
  std::string many;
  for (int i = 0; i < 17; ++i)
    many += "input [{name:\"a" + std::to_string(i) + "\" data_type:TYPE_FP32 dims:[1]}]";
  refused(many, "17 inputs", Code::kUnsupported);
}

TEST(ModelConfig, TurnsBatchingIntoAPolicy) {
  auto config = checked(R"(max_batch_size: 16
    dynamic_batching { preferred_batch_size: [4, 16] max_queue_delay_microseconds: 500
      priority_levels: 3 default_priority_level: 2
      default_queue_policy { default_timeout_microseconds: 20000 max_queue_size: 7 } })");
  ModelPolicy policy = model_policy(config);
  EXPECT_EQ(policy.preferred, (std::vector<uint32_t>{4, 16}));
  EXPECT_EQ(policy.max_queue_delay, std::chrono::microseconds(500));
  EXPECT_EQ(policy.priority_levels, 3u);
  EXPECT_EQ(policy.default_priority, 2u);
  EXPECT_EQ(policy.max_queue, 7u);
  EXPECT_EQ(policy.default_timeout, std::chrono::milliseconds(20));
  EXPECT_FALSE(policy.allow_timeout_override);
  EXPECT_FALSE(model_policy(checked("max_batch_size: 4")).batching);
  EXPECT_FALSE(model_policy(checked("dynamic_batching{}")).batching) << "nothing to batch along";
}

TEST(ModelConfig, FillsInWhatIsNotWritten) {
  auto config = checked("");
  FileTensors file{{spec("x", DType::kFp32, {-1, 3, 224, 224})},
                   {spec("y", DType::kFp32, {-1, 10})}};
  EXPECT_EQ(guess_max_batch(config, file), kGuessedMaxBatch);
  EXPECT_EQ(guess_max_batch(config, {{spec("x", DType::kFp32, {1, 4})}, file.outputs}), 0);
  EXPECT_EQ(guess_max_batch(checked("max_batch_size: 4"), file), 0);
  config.set_max_batch_size(8);
  FileTensors rows{{spec("x", DType::kFp32, {3, 224, 224})}, {spec("y", DType::kBytes, {10})}};
  auto full = complete_config(config, rows);
  ASSERT_TRUE(full.ok()) << full.error().what;
  auto metadata = model_metadata(*full, {1, 3});
  EXPECT_EQ(
      wire::to_json(metadata),
      R"({"name":"flower","versions":["1","3"],"platform":"","inputs":[{"name":"x","datatype":"FP32",)"
      R"("shape":[-1,3,224,224]}],"outputs":[{"name":"y","datatype":"BYTES","shape":[-1,10]}]})");
}

TEST(ModelConfig, ChecksDeclaredTensorsAgainstTheFile) {
  auto config = checked(kFlower);
  auto x = spec("input", DType::kFp32, {3, 224, 224});
  auto y = spec("output", DType::kFp32, {102});
  EXPECT_TRUE(complete_config(config, {{x}, {y}}).ok());
  EXPECT_TRUE(complete_config(config, {{spec("input", DType::kFp32, {3, -1, -1})}, {y}}).ok());
  EXPECT_TRUE(complete_config(config, {{x}, {y, spec("more", DType::kFp32, {1})}}).ok())
      << "outputs may be left out";
  auto expect = [&](FileTensors file, const std::string& word) {
    auto full = complete_config(config, file);
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().code, Code::kInvalidArgument);
    EXPECT_NE(full.error().what.find(word), std::string::npos) << full.error().what;
  };
  expect({{spec("input", DType::kFp16, {3, 224, 224})}, {y}}, "TYPE_FP16");
  expect({{spec("input", DType::kFp32, {3, 224, 225})}, {y}}, "[3,224,225]");
  expect({{spec("input", DType::kFp32, {3, 224})}, {y}}, "[3,224]");
  expect({{spec("data", DType::kFp32, {3, 224, 224})}, {y}}, "'data'");
  expect({{x, spec("second", DType::kFp32, {1})}, {y}}, "'second'");
  expect({{x}, {}}, "'output'");
}

TEST(ModelConfig, ReadsPictureParameters) {
  std::string image = R"(parameters { key: "image" value { string_value: "u8" } }
    parameters { key: "image_mean" value { string_value: "0.485, 0.456,0.406" } }
    parameters { key: "image_std" value { string_value: "0.5" } })";
  auto config = checked(kFlower + image);
  auto spec_sent = model_spec(config, 2, "/models/flower/2/model.onnx", 7);
  ASSERT_TRUE(spec_sent.ok()) << spec_sent.error().what;
  ASSERT_EQ(spec_sent->images_size(), 1);
  EXPECT_EQ(spec_sent->images(0).input(), "input");
  EXPECT_FLOAT_EQ(spec_sent->images(0).mean(1), 0.456f);
  EXPECT_FLOAT_EQ(spec_sent->images(0).std(2), 0.5f);
  EXPECT_EQ(spec_sent->inputs(0).dtype(), static_cast<uint32_t>(DType::kUint8));
  EXPECT_EQ(spec_sent->inputs(0).shape(2), 3) << "channels last, as pictures are";
  EXPECT_EQ(spec_sent->max_batch(), 8u);
  auto full = complete_config(config, {{spec("input", DType::kUint8, {224, 224, 3})},
                                       {spec("output", DType::kFp32, {102})}});
  ASSERT_TRUE(full.ok()) << full.error().what;
  EXPECT_EQ(full->input(0).data_type(), inference::TYPE_UINT8);

  refused(std::string(kFlower) + R"(parameters { key: "image" value { string_value: "jpg" } })",
          "'jpg'");
  refused(kFlower + image + R"(parameters { key: "image_input" value { string_value: "z" } })",
          "'z'");
  for (const char* std : {"0", "1,2", "1,2,3,4", "x", "1,,2", "nan", "1e300", ""})
    refused(std::string(kFlower) +
                R"(parameters { key: "image" value { string_value: "u8" } })"
                R"(parameters { key: "image_std" value { string_value: ")" +
                std + "\" } }",
            "image_std");
}

TEST(ModelConfig, PrintsAsTritonDoes) {
  auto config = checked(kFlower);
  std::string json = wire::to_json(config);
  for (const char* part :
       {R"("name":"flower")", R"("max_batch_size":8)", R"("dims":[3,224,224])",
        R"("optional":false)", R"("is_shape_tensor":false)", R"("label_filename":"labels.txt")",
        R"("version_policy":{"latest":{"num_versions":1}})",
        R"("dynamic_batching":{"preferred_batch_size":[],"max_queue_delay_microseconds":0,)"})
    EXPECT_NE(json.find(part), std::string::npos) << part << " is not in " << json;
  auto again = parse_config_json(json, "json");
  ASSERT_TRUE(again.ok()) << again.error().what;
  EXPECT_EQ(again->SerializeAsString(), config.SerializeAsString());
  EXPECT_FALSE(parse_config_json("{\"no_such\":1}", "json").ok());
  EXPECT_FALSE(parse_config_json(std::string(1000000, '['), "json").ok());
}

}  // namespace
}  // namespace corolla::front
