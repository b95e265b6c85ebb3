// The real tritonclient and grpc against our server, if a Python that has them is there:
// COROLLA_TEST_PYTHON, the checkout's .venv, or python3.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "wire/grpc_infer_encode.h"
#include "wire/grpc_infer_oracle.h"
#include "wire/h2_connection.h"
#include "wire/loopback_server.h"
#include "wire/tls_stream.h"

namespace corolla::wire {
namespace {

using namespace loopback;

// A little inference server: inputs come back as outputs.
class EchoModel final : public Handler {
 public:
  void on_head(Exchange& exchange) override {
    exchange.user = nullptr;
    const std::string path(exchange.path());
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name == "ServerLive") return answer(exchange, std::string("\x08\x01", 2));
    if (name != "ModelInfer" && name != "ModelStreamInfer" && name != "Check" && name != "Watch")
      return exchange.fail({Code::kUnsupported, "this method is not offered: " + name});
    auto call = std::make_unique<Call>();
    call->name = name;
    exchange.user = call.get();
    calls_[&exchange] = std::move(call);
  }
  BodySink* on_message(Exchange& exchange, std::optional<size_t> length) override {
    if (!exchange.user) return nullptr;
    Call& call = *static_cast<Call*>(exchange.user);
    if (call.name == "Check" || call.name == "Watch") return &call.text;
    call.walker.begin(length, size_t{64} << 20);
    return &call.walker;
  }
  void on_message_end(Exchange& exchange) override {
    if (!exchange.user) return;
    Call& call = *static_cast<Call*>(exchange.user);
    if (call.name == "Check") {
      // "flip": whoever watches is told that the server no longer serves.
      if (call.text.taken.find("flip") != std::string::npos)
        for (auto& [other, state] : calls_)
          if (state->name == "Watch") other->send(text("\x08\x02"));
      return answer(exchange, "\x08\x01");
    }
    if (call.name == "Watch") return exchange.send(text("\x08\x01"));
    const auto request = call.walker.finish();
    if (!request.ok()) {
      const Error error = request.error();
      calls_.erase(&exchange);
      return exchange.fail(error);
    }
    if ((*request)->model == "slow") return;
    std::vector<OutputTensor> outputs;
    for (const InputTensor& input : (*request)->inputs)
      outputs.push_back(
          {.name = input.name, .dtype = input.dtype, .shape = input.shape, .bytes = input.bytes});
    const InferResponse response{
        .model = (*request)->model, .version = "1", .id = (*request)->id, .outputs = outputs};
    Reply reply;
    // The places are kept until the answer has left, as the front keeps its slots.
    reply.release = [places = std::exchange(call.places->blocks, {})]() mutable { places.clear(); };
    if (call.name == "ModelStreamInfer") {
      reply.pieces = encode_stream_response(response);
      return exchange.send(std::move(reply));
    }
    reply.pieces = encode_infer_response(response);
    calls_.erase(&exchange);
    exchange.reply(std::move(reply));
  }
  void on_cancel(Exchange& exchange) override { calls_.erase(&exchange); }
  void on_half_close(Exchange& exchange) override {
    calls_.erase(&exchange);
    exchange.finish(ok());
  }

 private:
  struct Text : BodySink {
    std::byte bytes[256];
    std::string taken;
    std::span<std::byte> room() override { return bytes; }
    Status filled(size_t n) override {
      taken.append(reinterpret_cast<const char*>(bytes), n);
      return ok();
    }
  };
  struct Blocks {
    std::vector<std::shared_ptr<std::byte[]>> blocks;
  };
  struct Call {
    std::string name;
    Text text;
    std::unique_ptr<Blocks> places = std::make_unique<Blocks>();
    GrpcInferWalker walker{{}, [this](size_t, size_t bytes) -> Result<std::span<std::byte>> {
                             places->blocks.push_back(std::make_shared<std::byte[]>(bytes));
                             return std::span(places->blocks.back().get(), bytes);
                           }};
  };
  static Reply text(std::string bytes) {
    Reply reply;
    reply.pieces.emplace_back(std::move(bytes));
    return reply;
  }
  void answer(Exchange& exchange, std::string bytes) {
    calls_.erase(&exchange);
    exchange.reply(text(std::move(bytes)));
  }
  std::map<Exchange*, std::unique_ptr<Call>> calls_;
};

std::string find_python() {
  std::vector<std::string> candidates;
  if (const char* given = std::getenv("COROLLA_TEST_PYTHON")) candidates.emplace_back(given);
  candidates.emplace_back(COROLLA_SOURCE_DIR "/.venv/bin/python");
  candidates.emplace_back("python3");
  for (const std::string& python : candidates)
    if (std::system((python + " -c 'import tritonclient.grpc' >/dev/null 2>&1").c_str()) == 0)
      return python;
  return {};
}

std::unique_ptr<Connection> make_h2(ConnectionSet& set, std::unique_ptr<Stream> stream,
                                    std::string_view early) {
  return std::make_unique<H2Connection>(set, std::move(stream), early);
}

int run_client(const std::string& python, const std::string& arguments) {
  return std::system(
      (python + " " COROLLA_SOURCE_DIR "/tests/wire/grpc_client.py " + arguments).c_str());
}

constexpr const char* kNoPython =
    "no Python with tritonclient[grpc] (COROLLA_TEST_PYTHON, .venv/bin/python or python3)";

TEST(GrpcRealClient, EverythingWorks) {
  const std::string python = find_python();
  if (python.empty()) GTEST_SKIP() << kNoPython;
  EchoModel model;
  LoopbackServer server(model, {}, {.speaks = Speaks::kEither, .http2 = make_h2, .tls = nullptr});
  EXPECT_EQ(run_client(python, "127.0.0.1:" + std::to_string(server.port())), 0);
}

TEST(GrpcRealClient, EverythingWorksOverTls) {
  const std::string python = find_python();
  if (python.empty()) GTEST_SKIP() << kNoPython;
  const std::string folder = testing::TempDir() + "grpc_tls." + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  const std::string certificate = folder + "/certificate.pem", key = folder + "/key.pem";
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "
      "/CN=localhost "
      "-addext subjectAltName=DNS:localhost -keyout " +
      key + " -out " + certificate + " 2>/dev/null";
  if (std::system(make.c_str()) != 0)
    GTEST_SKIP() << "no openssl command to make a certificate with";
  const auto text = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  auto tls = TlsContext::create(text(certificate), text(key));
  ASSERT_TRUE(tls.ok()) << tls.error().what;
  EchoModel model;
  LoopbackServer server(model, {}, {.speaks = Speaks::kEither, .http2 = make_h2, .tls = *tls});
  EXPECT_EQ(run_client(python, "localhost:" + std::to_string(server.port()) + " " + certificate),
            0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace corolla::wire
