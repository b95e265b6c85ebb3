#include "client/infer_call.h"

#include <gtest/gtest.h>
#include <string.h>

#include "wire/inference.pb.h"

namespace corolla::client {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(InferAnswer, BrokenOnesAreRefused) {
  const std::string good =
      R"({"outputs":[{"name":"o","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]})";
  auto read = [](std::string_view body, std::optional<size_t> json) {
    wire::Answer answer;
    answer.body = bytes(body);
    answer.json_size = json;
    return read_infer_answer(wire::Protocol::kHttp, answer);
  };
  EXPECT_TRUE(read(good + std::string(4, '\0'), good.size()).ok());
  EXPECT_FALSE(read(good + std::string(3, '\0'), good.size()).ok());  // cut off
  EXPECT_FALSE(read(good, good.size() + 9).ok());
  EXPECT_FALSE(read("{}", std::nullopt).ok());
  EXPECT_FALSE(read("nonsense", std::nullopt).ok());
  EXPECT_FALSE(
      read(R"({"outputs":[{"name":"o","datatype":"FP99","shape":[1],"data":[1]}]})", std::nullopt)
          .ok());
  EXPECT_FALSE(
      read(R"({"outputs":[{"name":"o","datatype":"FP32","shape":[1],"data":["x"]}]})", std::nullopt)
          .ok());
}

TEST(InferAnswer, ClassificationsAreReadWithTheirLabels) {
  auto text = [](std::string_view t) {
    std::string out(4, '\0');
    const uint32_t size = static_cast<uint32_t>(t.size());
    memcpy(out.data(), &size, 4);
    return out + std::string(t);
  };
  const std::string raw = text("0.990000:7:pink: primrose") + text("-1e-3:101");
  OutputValue output{"o", DType::kBytes, {2}, bytes(raw)};
  const auto classes = read_classification(output);
  ASSERT_TRUE(classes.ok()) << classes.error().what;
  ASSERT_EQ(classes->size(), 2u);
  EXPECT_EQ(classes->at(0).index, 7);
  EXPECT_EQ(classes->at(0).label, "pink: primrose");
  EXPECT_NEAR(classes->at(1).score, -0.001, 1e-9);
  EXPECT_EQ(classes->at(1).label, "");
  output.bytes = output.bytes.first(output.bytes.size() - 1);
  EXPECT_FALSE(read_classification(output).ok());
}

TEST(InferAnswer, ShowsBinaryTensorsWhereTheyLieAndKeepsThemWhenAsked) {
  const std::string json =
      R"({"outputs":[{"name":"a","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}},)"
      R"({"name":"b","datatype":"UINT8","shape":[1],"data":[7]}]})";
  std::string body = json + "xy";
  wire::Answer answer;
  answer.body = bytes(body);
  answer.json_size = json.size();
  const auto shown = read_infer_answer(wire::Protocol::kHttp, answer);
  ASSERT_TRUE(shown.ok()) << shown.error().what;
  EXPECT_EQ(shown->outputs[0].bytes.data(), answer.body.data() + json.size());
  const InferAnswer own = kept(*shown);
  body.assign(body.size(), '?');
  EXPECT_EQ(std::to_integer<char>(own.outputs[0].bytes[1]), 'y');
  EXPECT_EQ(std::to_integer<int>(own.outputs[1].bytes[0]), 7);
}

TEST(InferAnswer, OfGrpcHasRawAndTypedContents) {
  inference::ModelInferResponse message;
  for (const char* name : {"raw", "typed"}) {
    auto& output = *message.add_outputs();
    output.set_name(name);
    output.set_datatype("INT32");
    output.add_shape(1);
  }
  message.mutable_outputs(1)->mutable_contents()->add_int_contents(9);
  message.add_raw_output_contents(std::string("\1\0\0\0", 4));
  const std::string body = message.SerializeAsString();
  wire::Answer answer;
  answer.body = bytes(body);
  const auto read = read_infer_answer(wire::Protocol::kGrpc, answer);
  ASSERT_TRUE(read.ok()) << read.error().what;
  ASSERT_EQ(read->outputs.size(), 2u);
  EXPECT_EQ(std::to_integer<int>(read->outputs[0].bytes[0]), 1);
  ASSERT_EQ(read->outputs[1].bytes.size(), 4u);
  EXPECT_EQ(std::to_integer<int>(read->outputs[1].bytes[0]), 9);
}

}  // namespace
}  // namespace corolla::client
