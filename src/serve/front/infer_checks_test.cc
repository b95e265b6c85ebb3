#include "serve/front/infer_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::front {
namespace {

using ::testing::HasSubstr;

ServedModel flower() {
  ServedModel model;
  model.name = "flower";
  model.max_batch = 8;
  model.inputs = {{.name = "input", .dtype = DType::kFp32, .shape = {3, 224, 224}, .labels = {}}};
  model.outputs = {{.name = "output", .dtype = DType::kFp32, .shape = {102}, .labels = {}},
                   {.name = "features", .dtype = DType::kFp32, .shape = {2048}, .labels = {}}};
  return model;
}

wire::InferRequest request_of(std::vector<int64_t> shape) {
  wire::InferRequest request;
  wire::InputTensor input;
  input.name = "input";
  input.shape = std::move(shape);
  request.inputs.push_back(std::move(input));
  return request;
}

TEST(InferChecks, AGoodRequestSaysItsRowsAndItsOutputs) {
  auto request = request_of({3, 3, 224, 224});
  auto checked = check_request(flower(), request);
  ASSERT_TRUE(checked.ok()) << checked.error().what;
  EXPECT_EQ(checked->rows, 3u);
  EXPECT_EQ(checked->outputs_wanted, 0b11u) << "no outputs named: all of them";
  request.outputs.resize(1);
  request.outputs[0].name = "features";
  EXPECT_EQ(check_request(flower(), request)->outputs_wanted, 0b10u);
}

TEST(InferChecks, EachWrongThingIsNamedWithItsNumbers) {
  const auto why = [](const wire::InferRequest& request) {
    auto checked = check_request(flower(), request);
    EXPECT_FALSE(checked.ok());
    return checked ? std::string() : checked.error().what;
  };
  EXPECT_THAT(why(request_of({9, 3, 224, 224})), HasSubstr("batch-size must be <= 8 for 'flower'"));
  EXPECT_THAT(why(request_of({0, 3, 224, 224})), HasSubstr("has 0"));
  EXPECT_THAT(why(request_of({1, 3, 224})), HasSubstr("Expected [-1,3,224,224], got [1,3,224]"));
  EXPECT_THAT(why(request_of({1, 3, 224, -224})), HasSubstr("got [1,3,224,-224]"));
  EXPECT_THAT(why({}), HasSubstr("expected 1 inputs but got 0"));

  auto request = request_of({1, 3, 224, 224});
  request.inputs[0].dtype = DType::kUint8;
  EXPECT_THAT(why(request), HasSubstr("data-type is 'UINT8', but model 'flower' expects 'FP32'"));

  request = request_of({1, 3, 224, 224});
  request.inputs[0].name = "imput";
  EXPECT_THAT(why(request), HasSubstr("unexpected inference input 'imput' for model 'flower'"));

  request = request_of({1, 3, 224, 224});
  request.inputs.push_back(request.inputs[0]);
  EXPECT_THAT(why(request), HasSubstr("given twice"));

  request = request_of({1, 3, 224, 224});
  request.outputs.resize(1);
  request.outputs[0].name = "logits";
  EXPECT_THAT(why(request), HasSubstr("unexpected inference output 'logits'"));

  request = request_of({1, 3, 224, 224});
  request.sequence = true;
  EXPECT_THAT(why(request), HasSubstr("not a sequence model"));
}

TEST(InferChecks, BytesMustFitTheShape) {
  const auto request = request_of({1, 3, 224, 224});
  EXPECT_TRUE(check_input_size(flower(), request.inputs[0], 602112).ok());
  EXPECT_THAT(check_input_size(flower(), request.inputs[0], 602111).error().what,
              HasSubstr("Expected 602112, got 602111"));

  wire::InputTensor picture;
  picture.name = "picture";
  picture.dtype = DType::kBytes;
  picture.shape = {2};
  const auto check = [&picture](std::string_view bytes) {
    return check_input_bytes(flower(), picture, std::as_bytes(std::span(bytes)));
  };
  using namespace std::string_view_literals;
  EXPECT_TRUE(check("\1\0\0\0a\0\0\0\0"sv).ok());
  EXPECT_THAT(check("\1\0\0\0a"sv).error().what, HasSubstr("2 string elements"));
  EXPECT_THAT(check("\xff\xff\xff\xff"
                    "ab"sv)
                  .error()
                  .what,
              HasSubstr("element 0"));
  EXPECT_FALSE(check("\1\0"sv).ok());
}

TEST(InferChecks, OnlyEqualOpenShapesShareABatch) {
  auto model = flower();
  model.inputs[0].shape = {3, -1, -1};
  model.fixed_shapes = false;
  const auto small = *check_request(model, request_of({1, 3, 128, 128}));
  const auto same = *check_request(model, request_of({2, 3, 128, 128}));
  const auto large = *check_request(model, request_of({1, 3, 256, 128}));
  const auto turned = *check_request(model, request_of({1, 3, 128, 256}));
  EXPECT_EQ(small.shape_key, same.shape_key);
  EXPECT_NE(small.shape_key, large.shape_key);
  EXPECT_NE(large.shape_key, turned.shape_key);
}

}  // namespace
}  // namespace corolla::front
