#include "wire/http1_connection.h"

#include <gtest/gtest.h>

#include <string>

#include "wire/loopback_server.h"

namespace corolla::wire {
namespace {

using std::chrono::milliseconds;

std::string big_text(size_t size) {
  std::string text(size, ' ');
  uint32_t x = 12345;
  for (char& c : text) c = static_cast<char>('a' + (x = x * 1664525 + 1013904223) % 26);
  return text;
}

class Http1 : public testing::Test {
 protected:
  LoopbackServer& server() {
    if (!server_) server_ = std::make_unique<LoopbackServer>(handler, limits);
    return *server_;
  }
  Client connect(int receive_buffer = 0) { return Client(server().port(), receive_buffer); }
  Answer ask(std::string_view text) {
    Client client = connect();
    EXPECT_TRUE(client.send(text));
    return client.receive();
  }

  TransportLimits limits;
  EchoHandler handler;

 private:
  std::unique_ptr<LoopbackServer> server_;
};

TEST_F(Http1, AnswersAGetAndKeepsTheConnection) {
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("GET /v2/health?a=%20b HTTP/1.1\r\nHost: h\r\n\r\n"));
    const Answer answer = client.receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "GET /v2/health?a=%20b ");
    EXPECT_EQ(answer.header("content-type"), "text/plain");
    EXPECT_EQ(answer.header("connection"), "");
  }
  EXPECT_TRUE(handler.releases.reaches(3));
}

TEST_F(Http1, TakesABodyOfEverySizeAroundTheBuffers) {
  Client client = connect();
  for (const size_t size :
       {0, 1, 3900, 4000, 4095, 4096, 4097, 32768, 65536, 65537, 602294, 5000000}) {
    const std::string body = big_text(size);
    ASSERT_TRUE(client.send(post(body)));
    EXPECT_EQ(client.receive().body, "POST /x? " + body) << size;
  }
}

TEST_F(Http1, TellsTheLengthBeforehand) {
  std::optional<size_t> told;
  handler.at_end = [&](EchoHandler::Call& call) {
    told = call.length;
    handler.echo(call);
  };
  ask(post("12345"));
  EXPECT_EQ(told, 5u);
  ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(told, std::nullopt);
}

TEST_F(Http1, UnderstandsARequestCutAtEveryByte) {
  const std::string text = post("hello", "X-Thing: a\r\n") +
                           "POST /y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                           "chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n";
  Client client = connect();
  for (size_t cut = 1; cut < text.size(); ++cut) {
    ASSERT_TRUE(client.send(text.substr(0, cut)));
    // The server must have taken the first part by itself: wait until it has read what was sent.
    server().on_loop(0, [] {});
    ASSERT_TRUE(client.send(text.substr(cut)));
    EXPECT_EQ(client.receive().body, "POST /x? hello") << cut;
    EXPECT_EQ(client.receive().body, "POST /y? abcde") << cut;
  }
  EXPECT_EQ(server().set().counters().bad_requests.get(), 0u);
}

TEST_F(Http1, AnswersPipelinedRequestsInOrder) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += post(std::to_string(i));
  Client client = connect();
  std::thread sender([&] { EXPECT_TRUE(client.send(text)); });
  for (int i = 0; i < 500; ++i) EXPECT_EQ(client.receive().body, "POST /x? " + std::to_string(i));
  sender.join();
}

TEST_F(Http1, ReadsNoSecondRequestBeforeTheFirstIsAnswered) {
  EchoHandler::Call* pending = nullptr;
  handler.at_end = [&](EchoHandler::Call& call) { pending = &call; };
  Client client = connect();
  ASSERT_TRUE(client.send(post("one") + post("two")));
  ASSERT_TRUE(handler.ends.reaches(1));
  server().on_loop(0, [&] {
    EXPECT_EQ(handler.heads.get(), 1);
    handler.echo(*std::exchange(pending, nullptr));
  });
  EXPECT_EQ(client.receive().body, "POST /x? one");
  ASSERT_TRUE(handler.ends.reaches(2));
  server().on_loop(0, [&] { handler.echo(*pending); });
  EXPECT_EQ(client.receive().body, "POST /x? two");
}

TEST_F(Http1, ClosesWhenAskedTo) {
  Client client = connect();
  ASSERT_TRUE(client.send(post("x", "Connection: close\r\n")));
  EXPECT_EQ(client.receive().header("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(Http1, Http10ClosesUnlessKeepAliveIsAsked) {
  Client client = connect();
  ASSERT_TRUE(client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_EQ(client.receive().header("connection"), "keep-alive");
  ASSERT_TRUE(client.send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(client.receive().header("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(Http1, ALargeAnswerLeavesInPiecesToASlowReader) {
  const std::string big = big_text(8 << 20);
  handler.at_end = [&](EchoHandler::Call& call) {
    Exchange& exchange = call.exchange;
    handler.forget(exchange);
    Reply reply;
    reply.pieces.emplace_back(std::string("first "));
    for (size_t at = 0; at < big.size(); at += 16 << 10)
      reply.pieces.emplace_back(std::as_bytes(std::span(big).subspan(at, 16 << 10)));
    reply.pieces.emplace_back(std::string(" last"));
    reply.json_size = 6;
    reply.release = [&] { handler.releases.add(); };
    exchange.reply(std::move(reply));
  };
  Client client = connect(4096);
  ASSERT_TRUE(client.send(post("x")));
  EXPECT_TRUE(handler.ends.reaches(1));
  EXPECT_EQ(handler.releases.get(), 0);
  const Answer answer = client.receive();
  EXPECT_EQ(answer.body, "first " + big + " last");
  EXPECT_EQ(answer.header("inference-header-content-length"), "6");
  EXPECT_TRUE(handler.releases.reaches(1));
}

}  // namespace
}  // namespace corolla::wire
