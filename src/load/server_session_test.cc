#include "load/server_session.h"

#include <gtest/gtest.h>
#include <string.h>

#include "load/delay_server.h"
#include "load/kserve_json.h"

namespace corolla::load {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ServerSession, AsksAServerWhatItIs) {
  auto server = *DelayServer::start({});
  auto session = *ServerSession::open(wire::Protocol::kHttp, server->address());
  EXPECT_EQ(session->server_metadata()->extensions, std::vector<std::string>{"statistics"});
  const auto metadata = session->model_metadata("null", "");
  ASSERT_TRUE(metadata.ok());
  EXPECT_EQ(metadata->inputs.at(0).shape, (std::vector<int64_t>{-1, 4}));
  EXPECT_EQ(metadata->outputs.at(0).name, "output");
  EXPECT_EQ(session->model_config("null", "1")->max_batch_size, 8);
  const auto unknown = session->model_metadata("rose", "");
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_EQ(unknown.error().what, "this server has only the model 'null'");
}

TEST(ServerSession, InfersAndReadsTheNumbers) {
  auto server = *DelayServer::start({});
  auto session = *ServerSession::open(wire::Protocol::kHttp, server->address());
  const float values[4] = {1, 2, 3, 4};
  wire::InferRequest request;
  request.model = "null";
  request.inputs.push_back(
      {.name = "input", .shape = {1, 4}, .bytes = std::as_bytes(std::span(values))});
  const auto answer = session->infer(request);
  ASSERT_TRUE(answer.ok()) << answer.error().what;
  ASSERT_EQ(answer->outputs.size(), 1u);
  EXPECT_EQ(answer->outputs[0].shape, (std::vector<int64_t>{1, 2}));
  float read[2];
  ASSERT_EQ(answer->outputs[0].bytes.size(), sizeof read);
  memcpy(read, answer->outputs[0].bytes.data(), sizeof read);
  EXPECT_EQ(read[0], 0.5f);
  EXPECT_EQ(read[1], 0.25f);
  EXPECT_EQ(session->statistics("null", "")->at(0).inference_count, 1u);
}

TEST(ServerSession, SaysWhoDoesNotAnswer) {
  const auto address = *wire::resolve_address("127.0.0.1:1", 0);
  for (const auto protocol : {wire::Protocol::kHttp, wire::Protocol::kGrpc}) {
    auto session = *ServerSession::open(protocol, address);
    const auto metadata = session->server_metadata();
    ASSERT_FALSE(metadata.ok());
    EXPECT_EQ(metadata.error().code, Code::kUnavailable);
    EXPECT_NE(metadata.error().what.find("127.0.0.1:1"), std::string::npos);
  }
}

TEST(ServerSession, AGrpcClientAtAnHttpPortGetsAnErrorNotAHang) {
  auto server = *DelayServer::start({});
  auto session = *ServerSession::open(wire::Protocol::kGrpc, server->address());
  session->set_timeout(std::chrono::milliseconds(500));
  EXPECT_FALSE(session->server_metadata().ok());
}

TEST(ClientAddress, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(wire::resolve_address("127.0.0.1", 8001)->text, "127.0.0.1:8001");
  EXPECT_EQ(wire::resolve_address("http://127.0.0.1:7/", 8000)->port(), 7);
  EXPECT_EQ(wire::resolve_address("[::1]:9", 8000)->text, "[::1]:9");
  for (const char* bad : {"", ":8000", "host:", "host:0", "host:70000", "host:8o", "[::1"})
    EXPECT_EQ(wire::resolve_address(bad, 8000).error().code, Code::kInvalidArgument) << bad;
  EXPECT_EQ(wire::resolve_address("no.such.host.invalid:1", 1).error().code, Code::kUnavailable);
  EXPECT_EQ(wire::resolve_address("https://127.0.0.1", 1).error().code, Code::kUnsupported);
}

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
  OutputValue output{"o", DType::kBytes, {2}, {}};
  const std::string raw = text("0.990000:7:pink: primrose") + text("-1e-3:101");
  output.bytes.assign(bytes(raw).begin(), bytes(raw).end());
  const auto classes = read_classification(output);
  ASSERT_TRUE(classes.ok()) << classes.error().what;
  ASSERT_EQ(classes->size(), 2u);
  EXPECT_EQ(classes->at(0).index, 7);
  EXPECT_EQ(classes->at(0).label, "pink: primrose");
  EXPECT_NEAR(classes->at(1).score, -0.001, 1e-9);
  EXPECT_EQ(classes->at(1).label, "");
  output.bytes.resize(output.bytes.size() - 1);
  EXPECT_FALSE(read_classification(output).ok());
}

TEST(KserveJson, StatisticsMayCarryNumbersAsText) {
  const auto stats = read_statistics(bytes(
      R"({"model_stats":[{"name":"m","version":"3","inference_count":"12","execution_count":4,"inference_stats":{"queue":{"count":"5","ns":"600"}}}]})"));
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->at(0).inference_count, 12u);
  EXPECT_EQ(stats->at(0).queue.ns, 600u);
  EXPECT_EQ(stats->at(0).success.count, 0u);
  EXPECT_FALSE(read_statistics(bytes("{}")).ok());
  EXPECT_FALSE(read_model_metadata(bytes(R"({"name":"m"})")).ok());
  EXPECT_FALSE(read_model_metadata(bytes("<html>")).ok());
}

}  // namespace
}  // namespace corolla::load
