#include "wire/client_grpc.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "wire/h2_connection.h"
#include "wire/loopback_server.h"

namespace corolla::wire {
namespace {

using loopback::EchoHandler;
using loopback::LoopbackServer;

// Gives back each message, or fails those that ask for it.
class Echo : public EchoHandler {
 public:
  Echo() {
    at_end = [this](Call& call) {
      if (call.body.starts_with("fail")) {
        Exchange& exchange = call.exchange;
        forget(exchange);
        exchange.fail({Code::kOverloaded, "no room: 100 % full"});
      } else if (!call.body.starts_with("never")) {
        answer(call, call.body);
      }
    };
  }
};

class ClientGrpc : public testing::Test, public CallObserver {
 protected:
  ClientGrpc() {
    const auto make = [](ConnectionSet& set, std::unique_ptr<Stream> stream,
                         std::string_view early) {
      return std::make_unique<H2Connection>(set, std::move(stream), early, H2Limits{});
    };
    server_ = std::make_unique<LoopbackServer>(
        handler_, TransportLimits{},
        ListenerOptions{.speaks = Speaks::kEither, .http2 = make, .tls = nullptr});
    loop_ = *EventLoop::create();
    connection_ = make_grpc_connection(
        *loop_, *resolve_address("127.0.0.1:" + std::to_string(server_->port()), 1));
  }

  // Makes all calls at once and runs the loop until each is answered.
  std::map<uint64_t, std::pair<std::optional<Error>, std::string>> run(
      const std::vector<std::shared_ptr<ClientCall>>& calls,
      std::optional<Duration> timeout = std::nullopt) {
    left_ = calls.size();
    answers_.clear();
    loop_->post([&] {
      for (size_t i = 0; i < calls.size(); ++i) connection_->call(calls[i], i, *this, timeout);
    });
    loop_->run();
    return answers_;
  }

  void on_answer(uint64_t tag, const Answer& answer) override {
    answers_[tag] = {answer.error,
                     {reinterpret_cast<const char*>(answer.body.data()), answer.body.size()}};
    if (--left_ == 0) loop_->stop();
  }

  static std::shared_ptr<ClientCall> call_of(std::string text,
                                             GrpcCompression compression = GrpcCompression::kNone) {
    std::vector<Piece> pieces;
    pieces.emplace_back(std::move(text));
    return make_grpc_call("ModelInfer", std::move(pieces), {}, compression);
  }

  Echo handler_;
  std::unique_ptr<LoopbackServer> server_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ClientConnection> connection_;
  std::map<uint64_t, std::pair<std::optional<Error>, std::string>> answers_;
  size_t left_ = 0;
};

TEST_F(ClientGrpc, ManyCallsShareOneConnection) {
  std::vector<std::shared_ptr<ClientCall>> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(call_of("message " + std::to_string(i)));
  const auto answers = run(calls);
  ASSERT_EQ(answers.size(), 200u);
  for (const auto& [tag, answer] : answers) {
    EXPECT_FALSE(answer.first);
    EXPECT_EQ(answer.second, "message " + std::to_string(tag));
  }
}

TEST_F(ClientGrpc, BorrowedBytesArriveWhole) {
  std::string tensor(3 << 20, ' ');
  for (size_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<char>('a' + i * 7919 % 26);
  std::vector<Piece> pieces;
  pieces.emplace_back(std::string("head"));
  pieces.emplace_back(std::as_bytes(std::span(tensor)));
  pieces.emplace_back(std::string("tail"));
  const auto call = make_grpc_call("ModelInfer", std::move(pieces));
  const auto answers = run({call, call, call});
  for (const auto& [tag, answer] : answers)
    EXPECT_TRUE(answer.second == "head" + tensor + "tail") << answer.second.size();
}

TEST_F(ClientGrpc, CompressedMessagesAreReadByTheServer) {
  const std::string text(100'000, 'x');
  const auto answers =
      run({call_of(text, GrpcCompression::kGzip), call_of(text, GrpcCompression::kDeflate)});
  for (const auto& [tag, answer] : answers) EXPECT_TRUE(answer.second == text) << tag;
}

TEST_F(ClientGrpc, RefusalsCarryTheServersSentence) {
  const auto answers = run({call_of("fail"), call_of("fine")});
  ASSERT_TRUE(answers.at(0).first);
  EXPECT_EQ(answers.at(0).first->what, "no room: 100 % full");
  EXPECT_FALSE(answers.at(1).first);
}

TEST_F(ClientGrpc, ATimeoutCancelsOneCallAndNoOther) {
  const auto answers = run({call_of("never"), call_of("fine")}, std::chrono::seconds(1));
  EXPECT_EQ(answers.at(0).first->code, Code::kDeadlineExceeded);
  EXPECT_EQ(answers.at(1).second, "fine");
  EXPECT_EQ(run({call_of("again")}).at(0).second, "again");
  EXPECT_TRUE(handler_.cancels.reaches(1));
}

TEST_F(ClientGrpc, ALostConnectionFailsItsCallsAndTheNextConnectsAnew) {
  std::thread cutter([&] {
    ASSERT_TRUE(handler_.ends.reaches(1));
    server_->on_loop(0, [&] { server_->set().abort_all(); });
  });
  const auto answers = run({call_of("never")});
  cutter.join();
  ASSERT_TRUE(answers.at(0).first);
  EXPECT_EQ(answers.at(0).first->code, Code::kUnavailable);
  EXPECT_EQ(run({call_of("again")}).at(0).second, "again");
}

}  // namespace
}  // namespace corolla::wire
