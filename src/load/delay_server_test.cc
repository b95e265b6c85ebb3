#include "load/delay_server.h"

#include <gtest/gtest.h>
#include <string.h>

#include "client/server_session.h"

namespace corolla::load {
namespace {

TEST(DelayServer, SaysWhatItIs) {
  auto server = *DelayServer::start({});
  auto session = *client::ServerSession::open(wire::Protocol::kHttp, server->address());
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

TEST(DelayServer, AnswersWithItsNumbers) {
  auto server = *DelayServer::start({});
  auto session = *client::ServerSession::open(wire::Protocol::kHttp, server->address());
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

TEST(DelayServer, SaysWhoDoesNotAnswer) {
  const auto address = *wire::resolve_address("127.0.0.1:1", 0);
  for (const auto protocol : {wire::Protocol::kHttp, wire::Protocol::kGrpc}) {
    auto session = *client::ServerSession::open(protocol, address);
    const auto metadata = session->server_metadata();
    ASSERT_FALSE(metadata.ok());
    EXPECT_EQ(metadata.error().code, Code::kUnavailable);
    EXPECT_NE(metadata.error().what.find("127.0.0.1:1"), std::string::npos);
  }
}

TEST(DelayServer, AGrpcClientAtAnHttpPortGetsAnErrorNotAHang) {
  auto server = *DelayServer::start({});
  auto session = *client::ServerSession::open(wire::Protocol::kGrpc, server->address());
  session->set_timeout(std::chrono::milliseconds(500));
  EXPECT_FALSE(session->server_metadata().ok());
}

}  // namespace
}  // namespace corolla::load
