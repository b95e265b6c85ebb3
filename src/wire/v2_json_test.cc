#include "wire/v2_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "wire/bytes_tensor.h"
#include "wire/json_text.h"

namespace corolla::wire {
namespace {

template <class T>
std::vector<T> values(std::span<const std::byte> bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

// A request with one input "x".
std::string one_input(const std::string& dtype, const std::string& shape, const std::string& data) {
  return R"({"inputs":[{"name":"x","datatype":")" + dtype + R"(","shape":)" + shape +
         R"(,"data":)" + data + "}]}";
}

class V2Json : public ::testing::Test {
 protected:
  Error refused(const std::string& json, uint64_t binary = 0) {
    auto result = decoder_.decode(json, binary);
    if (result.ok()) {
      ADD_FAILURE() << "accepted: " << json.substr(0, 200);
      return {};
    }
    EXPECT_EQ(result.error().code, Code::kInvalidArgument) << result.error().what;
    return result.error();
  }
  void refused_naming(const std::string& json, const std::string& word, uint64_t binary = 0) {
    Error error = refused(json, binary);
    EXPECT_NE(error.what.find(word), std::string::npos) << error.what << "\n  lacks: " << word;
  }
  V2Decoder decoder_;
};

TEST_F(V2Json, ReadsWhatPerfClientSends) {
  auto request = decoder_.decode(
      R"({"id":"","inputs":[{"name":"input","datatype":"FP32","shape":[1,3,224,224],"parameters":)"
      R"({"binary_data_size":602112}}],"outputs":[{"name":"output","parameters":{"binary_data":true}}]})",
      602112);
  ASSERT_TRUE(request.ok()) << request.error().what;
  ASSERT_EQ(request->inputs.size(), 1u);
  const InputTensor& input = request->inputs[0];
  EXPECT_EQ(input.name, "input");
  EXPECT_EQ(input.dtype, DType::kFp32);
  EXPECT_EQ(input.shape, (std::vector<int64_t>{1, 3, 224, 224}));
  EXPECT_TRUE(input.binary);
  EXPECT_EQ(input.binary_size, 602112u);
  EXPECT_TRUE(input.bytes.empty());
  ASSERT_EQ(request->outputs.size(), 1u);
  EXPECT_TRUE(request->outputs[0].binary);
}

TEST_F(V2Json, ReadsEachDataType) {
  auto read = [&](const std::string& dtype, const std::string& shape, const std::string& data) {
    auto request = decoder_.decode(one_input(dtype, shape, data), 0);
    EXPECT_TRUE(request.ok()) << request.error().what;
    return request.ok() ? request->inputs[0].bytes : std::span<const std::byte>();
  };
  EXPECT_EQ(values<uint8_t>(read("BOOL", "[3]", "[true,false,true]")),
            (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(values<uint8_t>(read("UINT8", "[2]", "[0,255]")), (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(values<uint16_t>(read("UINT16", "[2]", "[0,65535]")),
            (std::vector<uint16_t>{0, 65535}));
  EXPECT_EQ(values<uint32_t>(read("UINT32", "[1]", "[4294967295]")),
            (std::vector<uint32_t>{4294967295u}));
  EXPECT_EQ(values<uint64_t>(read("UINT64", "[1]", "[18446744073709551615]")),
            (std::vector<uint64_t>{std::numeric_limits<uint64_t>::max()}));
  EXPECT_EQ(values<int8_t>(read("INT8", "[2]", "[-128,127]")), (std::vector<int8_t>{-128, 127}));
  EXPECT_EQ(values<int16_t>(read("INT16", "[2]", "[-32768,32767]")),
            (std::vector<int16_t>{-32768, 32767}));
  EXPECT_EQ(values<int32_t>(read("INT32", "[2]", "[-2147483648,7]")),
            (std::vector<int32_t>{std::numeric_limits<int32_t>::min(), 7}));
  EXPECT_EQ(values<int64_t>(read("INT64", "[1]", "[-9223372036854775808]")),
            (std::vector<int64_t>{std::numeric_limits<int64_t>::min()}));
  EXPECT_EQ(values<float>(read("FP32", "[4]", "[1, 2.5,-0.0,1e-3]")),
            (std::vector<float>{1, 2.5f, -0.0f, 1e-3f}));
  EXPECT_EQ(values<double>(read("FP64", "[2]", "[0.1,-1e300]")),
            (std::vector<double>{0.1, -1e300}));
  auto text = read("BYTES", "[3]", R"(["a","","\u00e9\n"])");
  std::string expected;
  for (std::string_view element : {"a", "", "\xc3\xa9\n"}) append_bytes_element(expected, element);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(text.data()), text.size()), expected);
}

TEST_F(V2Json, ReadsNestedAndFlatDataAlike) {
  auto nested = decoder_.decode(one_input("INT32", "[2,1,3]", "[[[1,2,3]],[[4,5,6]]]"), 0);
  ASSERT_TRUE(nested.ok()) << nested.error().what;
  EXPECT_EQ(values<int32_t>(nested->inputs[0].bytes), (std::vector<int32_t>{1, 2, 3, 4, 5, 6}));
  auto flat = decoder_.decode(one_input("INT32", "[2,1,3]", "[1,2,3,4,5,6]"), 0);
  ASSERT_TRUE(flat.ok()) << flat.error().what;
  EXPECT_EQ(values<int32_t>(flat->inputs[0].bytes), (std::vector<int32_t>{1, 2, 3, 4, 5, 6}));
  refused_naming(one_input("INT32", "[3]", "[[1,2],3]"), "mixes");
}

TEST_F(V2Json, ReadsDataThatComesBeforeShapeAndType) {
  auto request = decoder_.decode(
      R"({"outputs":[{"name":"y"}],"inputs":[{"data":[1.5,2],"parameters":{"mine":"x"},"shape":[1,2],)"
      R"("extra":[{"deep":[null]}],"datatype":"FP64","name":"a"},)"
      R"({"shape":[1],"data":["t"],"datatype":"BYTES","name":"b"}],)"
      R"("parameters":{"binary_data_output":true}})",
      0);
  ASSERT_TRUE(request.ok()) << request.error().what;
  ASSERT_EQ(request->inputs.size(), 2u);
  EXPECT_EQ(values<double>(request->inputs[0].bytes), (std::vector<double>{1.5, 2}));
  EXPECT_EQ(request->inputs[1].name, "b");
  EXPECT_EQ(request->inputs[1].bytes.size(), 5u);
  EXPECT_TRUE(request->outputs[0].binary) << "binary_data_output came last and still counts";
}

TEST_F(V2Json, ReadsRequestParameters) {
  auto request = decoder_.decode(
      R"({"id":"a\"b","parameters":{"priority":2,"timeout":1500,"sequence_id":0,"sequence_start":false,)"
      R"("custom":1.5,"binary_data_output":true},"inputs":[],)"
      R"("outputs":[{"name":"p"},{"name":"q","parameters":{"binary_data":false,"classification":3}}]})",
      0);
  ASSERT_TRUE(request.ok()) << request.error().what;
  EXPECT_EQ(request->id, "a\"b");
  EXPECT_EQ(request->priority, 2u);
  EXPECT_EQ(request->timeout_us, 1500u);
  EXPECT_FALSE(request->sequence) << "id 0 is none";
  EXPECT_TRUE(request->outputs[0].binary);
  EXPECT_FALSE(request->outputs[1].binary);
  EXPECT_EQ(request->outputs[1].class_count, 3u);
  for (const char* parameter : {R"("sequence_id":7)", R"("sequence_id":"s")",
                                R"("sequence_start":true)", R"("sequence_end":true)"}) {
    auto sequence =
        decoder_.decode(std::string(R"({"inputs":[],"parameters":{)") + parameter + "}}", 0);
    ASSERT_TRUE(sequence.ok()) << sequence.error().what;
    EXPECT_TRUE(sequence->sequence) << parameter;
  }
}

TEST_F(V2Json, ReadsSharedMemory) {
  auto request = decoder_.decode(
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[4],"parameters":{"shared_memory_region":"r",)"
      R"("shared_memory_byte_size":16}}],"outputs":[{"name":"y","parameters":{"shared_memory_region":"s",)"
      R"("shared_memory_offset":64,"shared_memory_byte_size":408}}]})",
      0);
  ASSERT_TRUE(request.ok()) << request.error().what;
  ASSERT_TRUE(request->inputs[0].shm);
  EXPECT_EQ(request->inputs[0].shm->region, "r");
  EXPECT_EQ(request->inputs[0].shm->offset, 0u);
  EXPECT_EQ(request->inputs[0].shm->bytes, 16u);
  EXPECT_EQ(request->outputs[0].shm->offset, 64u);
  refused_naming(
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[4],"parameters":{"shared_memory_region":"r"}}]})",
      "shared_memory_byte_size");
  refused_naming(
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[4],"parameters":{"shared_memory_region":"r",)"
      R"("shared_memory_byte_size":15}}]})",
      "needs 16");
  refused_naming(R"({"inputs":[],"outputs":[{"name":"y","parameters":{"classification":2,)"
                 R"("shared_memory_region":"s","shared_memory_byte_size":8}}]})",
                 "classification");
}

TEST_F(V2Json, ReadsWordsForNumbersThatAreNotFinite) {
  auto request =
      decoder_.decode(one_input("FP32", "[5]", "[NaN, Infinity,-Infinity ,Inf,-Inf]"), 0);
  ASSERT_TRUE(request.ok()) << request.error().what;
  auto got = values<float>(request->inputs[0].bytes);
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_EQ(got[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(got[2], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(got[3], std::numeric_limits<float>::infinity());
  EXPECT_EQ(got[4], -std::numeric_limits<float>::infinity());
  refused(one_input("FP32", "[1]", "[Nan]"));
  refused(one_input("INT32", "[1]", "[NaN]"));
  refused_naming(one_input("FP32", "[1]", "[1e39]"), "FP32");
}

// This shape, and nesting a million deep, each ended a real server's process.
TEST_F(V2Json, RefusesShapesThatOverflow) {
  for (const char* dtype : {"FP32", "INT64", "BYTES", "BOOL"}) {
    refused_naming(one_input(dtype, "[1, 4611686018427387904]", "[1]"), "inputs[0]");
    refused_naming(one_input(dtype, "[4611686018427387904,4611686018427387904]", "[1]"),
                   "inputs[0].shape");
  }
  refused_naming(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,4611686018427387904],)"
                 R"("parameters":{"binary_data_size":0}}]})",
                 "inputs[0].shape");
  refused_naming(one_input("FP32", "[-1]", "[1]"), "inputs[0].shape[0]");
  refused_naming(one_input("FP32", "[1.0]", "[1]"), "inputs[0].shape[0]");
  refused_naming(one_input("FP32", "[9223372036854775808]", "[1]"), "inputs[0].shape[0]");
  std::string ones = "[1";
  for (int i = 0; i < 40; ++i) ones += ",1";
  refused_naming(one_input("FP32", ones + "]", "[1]"), "dimensions");
}

TEST_F(V2Json, RefusesNestingAMillionDeep) {
  std::string open(1'000'000, '['), close(1'000'000, ']');
  refused_naming(one_input("FP32", "[1]", open + "1" + close), "inputs[0].data");
  refused_naming(R"({"x":)" + open + close + R"(,"inputs":[]})", "nests");
  refused(open + close);
  refused(open);
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  refused(objects);
  refused_naming(R"({"inputs":[],"parameters":{"p":)" + open + close + "}}", "parameters");
}

TEST_F(V2Json, RefusesElementCountsThatDiffer) {
  refused_naming(one_input("FP32", "[3]", "[1,2]"), "has 2 elements where its shape has 3");
  refused_naming(one_input("FP32", "[2]", "[1,2,3]"), "more than the 2");
  refused_naming(one_input("BYTES", "[2]", R"(["a"])"), "1 elements");
  refused_naming(one_input("FP32", "[0]", "[1]"), "more than the 0");
  auto none = decoder_.decode(one_input("FP32", "[0]", "[]"), 0);
  EXPECT_TRUE(none.ok()) << none.error().what;
  auto scalar = decoder_.decode(one_input("FP32", "[]", "[1]"), 0);
  EXPECT_TRUE(scalar.ok()) << scalar.error().what;
}

TEST_F(V2Json, RefusesNumbersOutOfRange) {
  refused_naming(one_input("UINT8", "[2]", "[1,256]"), "element 1");
  refused_naming(one_input("UINT8", "[1]", "[-1]"), "element 0");
  refused(one_input("INT8", "[1]", "[128]"));
  refused(one_input("INT16", "[1]", "[-32769]"));
  refused(one_input("UINT32", "[1]", "[4294967296]"));
  refused(one_input("INT32", "[1]", "[2147483648]"));
  refused(one_input("INT64", "[1]", "[9223372036854775808]"));
  refused(one_input("UINT64", "[1]", "[-1]"));
  refused(one_input("UINT64", "[1]", "[18446744073709551616]"));
  refused(one_input("INT32", "[1]", "[1.5]"));
  refused(one_input("FP64", "[1]", "[1e999]"));
  refused(one_input("FP32", "[1]", "[01]"));
  refused(one_input("FP32", "[1]", "[+1]"));
  refused(one_input("FP32", "[1]", "[1.]"));
}

TEST_F(V2Json, RefusesWrongTypes) {
  refused_naming(one_input("FP32", "[1]", R"(["1"])"), "inputs[0].data");
  refused_naming(one_input("FP32", "[1]", "[null]"), "inputs[0].data");
  refused_naming(one_input("FP32", "[1]", "1"), "inputs[0].data");
  refused_naming(one_input("BOOL", "[1]", "[1]"), "true or false");
  refused_naming(one_input("BYTES", "[1]", "[1]"), "string");
  refused_naming(one_input("FP16", "[1]", "[1]"), "sending FP16 data via JSON is not supported");
  refused_naming(one_input("BF16", "[1]", "[1]"), "sending BF16 data via JSON is not supported");
  refused_naming(one_input("FP33", "[1]", "[1]"), "inputs[0].datatype");
  refused_naming(R"({"inputs":{}})", "inputs is not an array");
  refused_naming(R"({"inputs":[7]})", "inputs[0] is not an object");
  refused_naming(R"({"id":7,"inputs":[]})", "id is not a string");
  refused_naming(R"({"inputs":[],"outputs":[{"name":1}]})", "outputs[0].name");
  refused_naming(R"({"inputs":[],"parameters":{"timeout":"x"}})", "parameters.timeout");
  refused_naming(R"({"inputs":[],"parameters":{"timeout":-1}})", "parameters.timeout");
  refused_naming(R"({"inputs":[],"parameters":[]})", "parameters is not an object");
  refused(R"([])");
  refused(R"(7)");
  refused("");
  refused("null");
}

TEST_F(V2Json, RefusesWhatIsMissingOrTwice) {
  refused_naming("{}", "inputs is missing");
  refused_naming(R"({"inputs":[{"datatype":"FP32","shape":[1],"data":[1]}]})", "inputs[0].name");
  refused_naming(R"({"inputs":[{"name":"x","shape":[1],"data":[1]}]})", "inputs[0].datatype");
  refused_naming(R"({"inputs":[{"name":"x","datatype":"FP32","data":[1]}]})", "inputs[0].shape");
  refused_naming(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]})", "no content");
  refused_naming(R"({"inputs":[],"inputs":[]})", "inputs is given twice");
  refused_naming(R"({"inputs":[{"name":"x","name":"y","datatype":"FP32","shape":[1],"data":[1]}]})",
                 "inputs[0].name is given twice");
  std::string x = R"({"name":"x","datatype":"FP32","shape":[1],"data":[1]})";
  refused_naming(R"({"inputs":[)" + x + "," + x + "]}", "given before");
  refused_naming(R"({"inputs":[],"outputs":[{"name":"y"},{"name":"y"}]})", "asked for before");
}

TEST_F(V2Json, RefusesBrokenText) {
  std::string good = one_input("FP32", "[2]", "[1,2]");
  for (size_t cut = 0; cut < good.size(); ++cut) refused(good.substr(0, cut));
  refused(good + "x");
  refused(good + "{}");
  refused(good + "]");
  refused(R"({"inputs":[],"id":"\ud800"})");
  refused("{\"inputs\":[],\"id\":\"\xff\xfe\"}");
  refused("{\"inputs\":[],\"id\":\"\xc0\x80\"}");
  refused("{\"inputs\":[],\"id\":\"a\nb\"}");
  refused(R"({"inputs":[],"x":[1,2})");
  refused(R"({"inputs":[],"x":tru})");
  refused(R"({"inputs":[],"x":[{"a":nullA}]})");
  refused(R"({"inputs":[,]})");
  refused(R"({"inputs" []})");
  refused(std::string("{\"inputs\":[]}\0", 14));
}

TEST_F(V2Json, ErrorsSayWhere) {
  std::string json = one_input("UINT8", "[2]", "[1,256]");
  size_t at = json.find("256");
  refused_naming(json, "at byte " + std::to_string(at) + " of " + std::to_string(json.size()));
}

TEST_F(V2Json, ChecksBinarySizes) {
  auto two = [](const std::string& a, const std::string& b) {
    return R"({"inputs":[{"name":"a","datatype":"UINT8","shape":[4],"parameters":{"binary_data_size":)" +
           a +
           R"(}},{"name":"b","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":)" +
           b + "}}]}";
  };
  EXPECT_TRUE(decoder_.decode(two("4", "12"), 16).ok());
  refused_naming(two("4", "12"), "follow the JSON", 17);
  refused_naming(two("4", "12"), "inputs[1].parameters.binary_data_size", 15);
  refused_naming(two("5", "12"), "needs 4", 17);
  refused_naming(two("4", "18446744073709551615"), "binary_data_size", 3);
  refused_naming(R"({"inputs":[]})", "0 bytes of binary data", 5);
  refused_naming(R"({"inputs":[{"name":"a","datatype":"UINT8","shape":[1],"data":[1],"parameters":)"
                 R"({"binary_data_size":1}}]})",
                 "give one", 1);
}

TEST_F(V2Json, KeepsItsLimits) {
  std::string many = R"({"inputs":[)";
  for (int i = 0; i < 65; ++i)
    many += (i ? "," : "") + std::string(R"({"name":"x)") + std::to_string(i) +
            R"(","datatype":"FP32","shape":[1],"data":[1]})";
  refused_naming(many + "]}", "limit of 64");
  V2Decoder small(V2Limits{.max_json_bytes = 20});
  auto result = small.decode(one_input("FP32", "[1]", "[1]"), 0);
  EXPECT_EQ(result.error().code, Code::kTooLarge);
}

TEST_F(V2Json, LargeRequestsCanFollowSmallOnes) {
  for (size_t n : {3u, 400'000u, 2u, 150'528u}) {
    std::string data = "[0";
    for (size_t i = 1; i < n; ++i) data += "," + std::to_string(i % 251);
    auto request = decoder_.decode(one_input("FP32", "[" + std::to_string(n) + "]", data + "]"), 0);
    ASSERT_TRUE(request.ok()) << request.error().what;
    auto got = values<float>(request->inputs[0].bytes);
    ASSERT_EQ(got.size(), n);
    EXPECT_EQ(got[n - 1], static_cast<float>((n - 1) % 251));
  }
}

TEST(V2JsonRaw, FillsInTheOpenDimension) {
  const int64_t fixed[] = {4};
  auto raw = raw_request("x", DType::kFp32, fixed, true, 16);
  ASSERT_TRUE(raw.ok()) << raw.error().what;
  EXPECT_EQ(raw->request.inputs[0].shape, (std::vector<int64_t>{1, 4}));
  EXPECT_TRUE(raw->request.inputs[0].binary);
  EXPECT_TRUE(raw->request.binary_by_default);
  const int64_t open[] = {-1, 2};
  EXPECT_EQ(raw_request("x", DType::kFp32, open, false, 24)->request.inputs[0].shape,
            (std::vector<int64_t>{3, 2}));
  const int64_t two_open[] = {-1, -1};
  EXPECT_EQ(raw_request("x", DType::kFp32, two_open, false, 24).error().code,
            Code::kInvalidArgument);
  EXPECT_FALSE(raw_request("x", DType::kFp32, fixed, true, 17).ok());
  EXPECT_FALSE(raw_request("x", DType::kFp32, fixed, true, 20).ok());
  const int64_t one[] = {1};
  auto text = raw_request("x", DType::kBytes, one, true, 10);
  ASSERT_TRUE(text.ok()) << text.error().what;
  EXPECT_TRUE(text->length_prefix);
  EXPECT_EQ(text->request.inputs[0].binary_size, 14u);
  EXPECT_FALSE(raw_request("x", DType::kBytes, fixed, true, 10).ok());
  const int64_t huge[] = {int64_t{1} << 62, 4};
  EXPECT_FALSE(raw_request("x", DType::kFp32, huge, true, 16).ok());
  const int64_t zero[] = {0, -1};
  EXPECT_FALSE(raw_request("x", DType::kFp32, zero, true, 16).ok());
}

TEST(V2JsonAnswer, LooksLikeTritons) {
  std::vector<float> data = {1, 0.1f, -2.5e-8f};
  const int64_t shape[] = {1, 3};
  OutputTensor outputs[2];
  outputs[0] = {.name = "a", .dtype = DType::kFp32, .shape = shape, .bytes = bytes_of(data)};
  outputs[1] = outputs[0];
  outputs[1].name = "b";
  outputs[1].binary = false;
  auto text =
      encode_response({.model = "flower", .version = "1", .id = "r\"1", .outputs = outputs});
  ASSERT_TRUE(text.ok()) << text.error().what;
  EXPECT_EQ(*text,
            R"({"id":"r\"1","model_name":"flower","model_version":"1","outputs":[)"
            R"({"name":"a","datatype":"FP32","shape":[1,3],"parameters":{"binary_data_size":12}},)"
            R"({"name":"b","datatype":"FP32","shape":[1,3],"data":[1.0,0.1,-2.5e-08]}]})");
  outputs[0].shm = ShmPlace{"out", 8, 12};
  auto shm = encode_response({.model = "m",
                              .version = "2",
                              .id = "",
                              .outputs = std::span<const OutputTensor>(outputs, 1)});
  EXPECT_EQ(*shm,
            R"({"model_name":"m","model_version":"2","outputs":[{"name":"a","datatype":"FP32",)"
            R"("shape":[1,3]}]})")
      << "perf_client takes any parameters for a promise of binary_data_size";
}

TEST(V2JsonAnswer, RefusesWhatJsonCannotSay) {
  const int64_t shape[] = {1};
  std::vector<uint16_t> half = {0x3c00};
  OutputTensor output{
      .name = "h", .dtype = DType::kFp16, .shape = shape, .bytes = bytes_of(half), .binary = false};
  InferResponse response{
      .model = "m", .version = "1", .id = "", .outputs = std::span<const OutputTensor>(&output, 1)};
  EXPECT_EQ(encode_response(response).error().code, Code::kInvalidArgument);
  std::string text;
  append_bytes_element(text, "\xff");
  output.dtype = DType::kBytes;
  output.bytes = std::as_bytes(std::span(text));
  EXPECT_NE(encode_response(response).error().what.find("binary_data"), std::string::npos);
}

// Whatever bits a tensor has, its JSON form reads back as the same bits (but for the payload of a
// NaN).
template <class T>
void round_trip(DType dtype, uint64_t seed) {
  SCOPED_TRACE(std::string(dtype_name(dtype)) + ", seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<T> data(2000);
  for (T& value : data) {
    uint64_t bits = random();
    std::memcpy(&value, &bits, sizeof value);
    if constexpr (std::is_floating_point_v<T>)
      if (std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
  }
  if constexpr (std::is_floating_point_v<T>) {
    using L = std::numeric_limits<T>;
    T special[] = {0,        T(-0.0),         L::max(),      L::lowest(),
                   L::min(), L::denorm_min(), L::infinity(), -L::infinity()};
    std::copy(std::begin(special), std::end(special), data.begin());
  }
  const int64_t shape[] = {2000};
  OutputTensor output{
      .name = "x", .dtype = dtype, .shape = shape, .bytes = bytes_of(data), .binary = false};
  auto text = encode_response({.model = "m",
                               .version = "1",
                               .id = "",
                               .outputs = std::span<const OutputTensor>(&output, 1)});
  ASSERT_TRUE(text.ok()) << text.error().what;
  size_t at = text->find("\"data\":") + 7;
  std::string list = text->substr(at, text->find(']', at) + 1 - at);
  V2Decoder decoder;
  auto request = decoder.decode(one_input(std::string(dtype_name(dtype)), "[2000]", list), 0);
  ASSERT_TRUE(request.ok()) << request.error().what;
  ASSERT_EQ(request->inputs[0].bytes.size(), data.size() * sizeof(T));
  EXPECT_EQ(std::memcmp(request->inputs[0].bytes.data(), data.data(), data.size() * sizeof(T)), 0);
}

TEST(V2JsonAnswer, NumbersRoundTrip) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    round_trip<uint8_t>(DType::kUint8, seed);
    round_trip<uint16_t>(DType::kUint16, seed);
    round_trip<uint32_t>(DType::kUint32, seed);
    round_trip<uint64_t>(DType::kUint64, seed);
    round_trip<int8_t>(DType::kInt8, seed);
    round_trip<int16_t>(DType::kInt16, seed);
    round_trip<int32_t>(DType::kInt32, seed);
    round_trip<int64_t>(DType::kInt64, seed);
    round_trip<float>(DType::kFp32, seed);
    round_trip<double>(DType::kFp64, seed);
  }
}

TEST(BytesTensor, FindsBrokenElements) {
  std::string tensor;
  append_bytes_element(tensor, "one");
  append_bytes_element(tensor, "");
  auto bytes = std::as_bytes(std::span(tensor));
  EXPECT_TRUE(check_bytes_tensor("t", bytes, 2).ok());
  EXPECT_FALSE(check_bytes_tensor("t", bytes, 1).ok());
  EXPECT_FALSE(check_bytes_tensor("t", bytes, 3).ok());
  for (size_t cut = 1; cut < bytes.size(); ++cut)
    EXPECT_EQ(check_bytes_tensor("t", bytes.first(cut), 2).error().code, Code::kInvalidArgument)
        << cut;
  std::string lying = tensor;
  lying[0] = lying[1] = lying[2] = lying[3] = '\xff';
  EXPECT_FALSE(check_bytes_tensor("t", std::as_bytes(std::span(lying)), 1).ok());
}

}  // namespace
}  // namespace corolla::wire
