#include "engine/external/batch_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/reply_memory.h"

namespace corolla::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Requests with one FP32 input, whose values are `first`, `first` + 1, ...
struct Sender {
  Sender(std::vector<int64_t> shape, float first) : shape(std::move(shape)) {
    values.resize(static_cast<size_t>(*element_count(this->shape)));
    for (float& value : values) value = first++;
    inputs.push_back({DType::kFp32, this->shape, std::as_bytes(std::span(values))});
  }
  Request request() {
    return {.inputs = inputs, .rows = static_cast<int>(shape[0]), .reply = &reply};
  }
  std::vector<int64_t> shape;
  std::vector<float> values;
  std::vector<ConstTensor> inputs;
  ReplyMemory reply;
};

CallModel model(DType out = DType::kFp32) {
  return {.name = "m",
          .version = "3",
          .batched = true,
          .inputs = {{"x", DType::kFp32, {-1}}},
          .outputs = {{"y", out, {2}}, {"z", DType::kUint8, {}}}};
}

client::InferAnswer answer(DType dtype, std::vector<int64_t> shape,
                           std::span<const std::byte> bytes, std::span<const std::byte> z) {
  const int64_t rows = shape.empty() ? 0 : shape[0];
  return {
      "m", "3", "", {{"z", DType::kUint8, {rows}, z}, {"y", dtype, std::move(shape), bytes}}, {}};
}

TEST(BatchCall, EqualShapesGoTogetherFromWhereTheyLie) {
  Sender a({1, 4}, 0), b({2, 4}, 10), c({1, 3}, 20);
  std::vector<Request> requests = {a.request(), b.request(), c.request()};
  const auto groups = groups_of(model(), requests);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_THAT(groups[0], ElementsAre(&requests[0], &requests[1]));
  EXPECT_THAT(groups[1], ElementsAre(&requests[2]));

  const BatchCall call = batch_call(model(), groups[0]);
  EXPECT_EQ(call.request.model, "m");
  EXPECT_EQ(call.request.version, "3");
  EXPECT_THAT(call.request.inputs.at(0).shape, ElementsAre(3, 4));
  ASSERT_EQ(call.parts.at(0).size(), 2u);
  EXPECT_EQ(call.parts[0][0].data(), a.inputs[0].bytes.data());
  EXPECT_EQ(call.parts[0][1].data(), b.inputs[0].bytes.data());
}

TEST(BatchCall, AModelWithoutABatchDimensionTakesOneRequestEach) {
  CallModel single = model();
  single.batched = false;
  Sender a({4}, 0), b({4}, 0);
  std::vector<Request> requests = {a.request(), b.request()};
  EXPECT_EQ(groups_of(single, requests).size(), 2u);
}

TEST(BatchCall, AsksForWhatAnybodyWantsAndGivesItToThoseAlone) {
  Sender a({1, 4}, 0), b({2, 4}, 10);
  a.reply.wanted = 1;
  b.reply.wanted = 3;
  std::vector<Request> requests = {a.request(), b.request()};
  const auto groups = groups_of(model(), requests);
  EXPECT_EQ(batch_call(model(), groups[0]).request.outputs.size(), 2u);

  const std::vector<float> y = {0, 1, 2, 3, 4, 5};
  const std::vector<uint8_t> z = {7, 8, 9};
  const Status dealt = deal_out(
      model(),
      answer(DType::kFp32, {3, 2}, std::as_bytes(std::span(y)), std::as_bytes(std::span(z))),
      groups[0]);
  ASSERT_TRUE(dealt.ok()) << dealt.error().what;
  EXPECT_THAT(a.reply.outputs.at(0).as<float>(), ElementsAre(0, 1));
  EXPECT_FALSE(a.reply.outputs.contains(1));
  EXPECT_THAT(b.reply.outputs.at(0).shape, ElementsAre(2, 2));
  EXPECT_THAT(b.reply.outputs.at(0).as<float>(), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(b.reply.outputs.at(1).as<uint8_t>(), ElementsAre(8, 9));
}

TEST(BatchCall, TextsAreDealtOutByTheirOwnLengths) {
  Sender a({1, 4}, 0), b({1, 4}, 0);
  a.reply.wanted = b.reply.wanted = 1;
  std::vector<Request> requests = {a.request(), b.request()};
  const auto groups = groups_of(model(DType::kBytes), requests);
  const std::string texts("\2\0\0\0ab\0\0\0\0\1\0\0\0c\3\0\0\0def", 22);
  const auto bytes = std::as_bytes(std::span(texts));
  const Status dealt =
      deal_out(model(DType::kBytes), answer(DType::kBytes, {2, 2}, bytes, {}), groups[0]);
  ASSERT_TRUE(dealt.ok()) << dealt.error().what;
  EXPECT_EQ(a.reply.outputs.at(0).bytes.size(), 10u);
  EXPECT_EQ(b.reply.outputs.at(0).bytes.size(), 12u);
  const Status cut =
      deal_out(model(DType::kBytes), answer(DType::kBytes, {2, 2}, bytes.first(21), {}), groups[0]);
  EXPECT_THAT(cut.error().what, HasSubstr("'y' has fewer elements"));
}

TEST(BatchCall, AnswersThatAreNotWhatWasPromisedAreRefused) {
  Sender a({1, 4}, 0);
  a.reply.wanted = 1;
  std::vector<Request> requests = {a.request()};
  const auto groups = groups_of(model(), requests);
  const std::vector<float> y = {0, 1, 2};
  const auto bytes = std::as_bytes(std::span(y));
  const auto refusal = [&](const client::InferAnswer& got) {
    const Status dealt = deal_out(model(), got, groups[0]);
    return dealt.ok() ? "" : dealt.error().what;
  };
  EXPECT_EQ(refusal(answer(DType::kFp32, {1, 2}, bytes.first(8), {})), "");
  EXPECT_THAT(refusal(answer(DType::kFp32, {1, 2}, bytes.first(7), {})),
              HasSubstr("7 bytes, fewer"));
  EXPECT_THAT(refusal(answer(DType::kFp32, {1, 2}, bytes, {})), HasSubstr("12 bytes, more"));
  EXPECT_THAT(refusal(answer(DType::kFp32, {1, INT64_MAX}, bytes.first(8), {})),
              HasSubstr("8 bytes, fewer"));
  EXPECT_THAT(refusal(answer(DType::kInt32, {1, 2}, bytes.first(8), {})),
              HasSubstr("is INT32, and was to be FP32"));
  EXPECT_THAT(refusal(answer(DType::kFp32, {2, 1}, bytes.first(8), {})), HasSubstr("for 1 rows"));
  EXPECT_THAT(refusal(answer(DType::kFp32, {1, -2}, bytes.first(8), {})), HasSubstr("[1,-2]"));
  EXPECT_THAT(refusal({}), HasSubstr("missing"));
}

}  // namespace
}  // namespace corolla::engine
