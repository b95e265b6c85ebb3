#include "wire/h2_connection.h"

#include <gtest/gtest.h>

#include <string>

#include "wire/compression.h"
#include "wire/h2_test_client.h"
#include "wire/loopback_server.h"

namespace corolla::wire {
namespace {

using namespace loopback;

using std::chrono::milliseconds;

const std::string kUnary = "/inference.GRPCInferenceService/ModelInfer";
const std::string kStream = "/inference.GRPCInferenceService/ModelStreamInfer";

std::string big_text(size_t size) {
  std::string text(size, ' ');
  uint32_t x = 12345;
  for (char& c : text) c = static_cast<char>('a' + (x = x * 1664525 + 1013904223) % 26);
  return text;
}

// Answers calls with the message itself; streams: every message comes back, and the end with the
// end.
class GrpcEcho : public EchoHandler {
 public:
  GrpcEcho() {
    at_end = [this](Call& call) {
      if (call.exchange.protocol() == Protocol::kHttp) return echo(call);
      if (call.exchange.path() != kStream) return answer(call, call.body);
      Reply reply;
      reply.pieces.emplace_back(call.body);
      call.body.clear();
      call.exchange.send(std::move(reply));
    };
  }
  void on_half_close(Exchange& exchange) override {
    forget(exchange);
    exchange.finish(ok());
  }
};

class H2 : public testing::Test {
 protected:
  LoopbackServer& server() {
    if (!server_) {
      const auto make = [this](ConnectionSet& set, std::unique_ptr<Stream> stream,
                               std::string_view early) {
        return std::make_unique<H2Connection>(set, std::move(stream), early, h2_limits);
      };
      server_ = std::make_unique<LoopbackServer>(
          handler, limits,
          ListenerOptions{.speaks = Speaks::kEither, .http2 = make, .tls = nullptr});
    }
    return *server_;
  }
  uint16_t port() { return server().port(); }

  TransportLimits limits;
  H2Limits h2_limits;
  GrpcEcho handler;

 private:
  std::unique_ptr<LoopbackServer> server_;
};

TEST_F(H2, AnswersACall) {
  H2Client client(port());
  const auto& a = client.wait(client.call(kUnary, "hello"));
  EXPECT_EQ(a.headers.at(":status"), "200");
  EXPECT_EQ(a.headers.at("content-type"), "application/grpc");
  EXPECT_EQ(a.status(), "0");
  EXPECT_EQ(a.messages(), std::vector<std::string>{"hello"});
  EXPECT_EQ(a.header_blocks, 2u) << "headers, and trailers";
}

TEST_F(H2, TakesMessagesOfEverySizeAroundTheBuffers) {
  H2Client client(port());
  for (const size_t size : {0, 1, 4095, 4096, 16379, 16384, 65536, 65537, 602294, 9'000'000}) {
    const std::string body = big_text(size);
    const auto& a = client.wait(client.call(kUnary, body));
    ASSERT_EQ(a.status(), "0") << size << " " << a.message();
    ASSERT_TRUE(a.messages() == std::vector<std::string>{body}) << size;
  }
  EXPECT_TRUE(handler.releases.reaches(10));
}

TEST_F(H2, AnySplitOfTheBytesGivesTheSame) {
  const std::string body = big_text(300);
  std::string whole;
  {
    H2Client pattern(port());
    pattern.call(kUnary, body);
    whole = pattern.take_output();
  }
  for (size_t cut = 1; cut < whole.size(); cut += 7) {
    H2Client client(port());
    const int32_t id = client.call(kUnary, body);
    const std::string bytes = client.take_output();
    ASSERT_EQ(bytes, whole);
    client.send_raw(bytes.substr(0, cut));
    client.send_raw(bytes.substr(cut));
    ASSERT_EQ(client.wait(id).messages(), std::vector<std::string>{body}) << cut;
  }
  H2Client client(port());
  const int32_t id = client.call(kUnary, body);
  for (char c : client.take_output()) ASSERT_TRUE(client.send_raw({&c, 1}));
  EXPECT_EQ(client.wait(id).messages(), std::vector<std::string>{body});
}

TEST_F(H2, FailsWithATrailersOnlyAnswer) {
  handler.at_head = [](Exchange& e) {
    e.fail({Code::kNotFound, "no model 'Blüte' 100%"});
    return true;
  };
  H2Client client(port());
  const auto& a = client.wait(client.call(kUnary, "x"));
  EXPECT_EQ(a.headers.at(":status"), "200");
  EXPECT_EQ(a.status(), "5");
  EXPECT_EQ(a.message(), "no model 'Bl%C3%BCte' 100%25");
  EXPECT_EQ(a.header_blocks, 1u);
}

TEST_F(H2, AnsweredEarlyTheRestIsNotWanted) {
  handler.at_head = [](Exchange& e) {
    e.fail({Code::kOverloaded, "full"});
    return true;
  };
  H2Client client(port());
  const int32_t id = client.open(H2Client::grpc_headers(kUnary));
  client.data(id, framed(big_text(1000)).substr(0, 500));
  const auto& a = client.wait(id);
  EXPECT_EQ(a.status(), "14");
  EXPECT_EQ(a.error, static_cast<uint32_t>(NGHTTP2_NO_ERROR));
  handler.at_head = nullptr;
  EXPECT_EQ(client.wait(client.call(kUnary, "next")).status(), "0");
}

TEST_F(H2, StreamsBothWays) {
  H2Client client(port());
  const int32_t id = client.open(H2Client::grpc_headers(kStream));
  for (int i = 0; i < 3; ++i) {
    client.data(id, framed("m" + std::to_string(i)));
    ASSERT_TRUE(client.until(
        [&] { return client.answers[id].messages().size() == static_cast<size_t>(i + 1); }));
  }
  const std::string big = big_text(100'000);
  client.data(id, framed(big) + framed("") + framed("last"), true);
  const auto& a = client.wait(id);
  EXPECT_EQ(a.status(), "0");
  EXPECT_EQ(a.messages(), (std::vector<std::string>{"m0", "m1", "m2", big, "", "last"}));
}

TEST_F(H2, AStreamWithoutMessagesEnds) {
  H2Client client(port());
  EXPECT_EQ(client.wait(client.open(H2Client::grpc_headers(kStream), true)).status(), "0");
}

TEST_F(H2, RefusesWhatIsNotGrpc) {
  H2Client client(port());
  const auto status = [&](H2Client::Headers headers) {
    return client.wait(client.open(headers, true)).headers.at(":status");
  };
  auto headers = H2Client::grpc_headers(kUnary);
  headers[5].second = "application/grpc-web";
  EXPECT_EQ(status(headers), "415");
  headers[5].second = "text/plain";
  EXPECT_EQ(status(headers), "415");
  headers[5].second = "application/grpc+proto";
  headers[0].second = "GET";
  EXPECT_EQ(status(headers), "405");
  const auto code = [&](const H2Client::Headers& more, std::string_view bytes) {
    const int32_t id = client.open(H2Client::grpc_headers(kUnary, more));
    client.data(id, bytes, true);
    return client.wait(id).status() + " " + client.wait(id).message();
  };
  EXPECT_EQ(code({}, ""),
            "12 this method takes one message a call, and the stream ended without one");
  EXPECT_EQ(code({}, framed("abc").substr(0, 7)),
            "3 the stream ended inside a message, 1 bytes before its end");
  EXPECT_EQ(code({}, framed("abc").substr(0, 3)),
            "3 the stream ended inside a message, in its length");
  EXPECT_EQ(code({}, framed("abc", 2)),
            "13 a message begins with the flag 2, which gRPC does not have");
  EXPECT_EQ(code({}, framed("abc", 1)),
            "13 a message is marked as compressed, but grpc-encoding names no compression");
  EXPECT_EQ(code({{"grpc-encoding", "snappy"}}, framed("a")),
            "12 grpc-encoding 'snappy' is not offered; gzip and deflate are");
  EXPECT_EQ(code({{"grpc-timeout", "12"}}, framed("a")),
            "3 grpc-timeout '12' is not up to 8 digits and one of H, M, S, m, u, n");
  handler.at_end = [](EchoHandler::Call&) {};  // keeps the call open
  EXPECT_EQ(code({}, framed("a") + framed("b")),
            "12 this method takes one message a call, and got a second one");
}

TEST_F(H2, HoldsMessagesToTheirLimit) {
  limits.max_body_bytes = 1 << 20;
  H2Client client(port());
  const int32_t id = client.open(H2Client::grpc_headers(kUnary));
  client.data(id, framed(big_text((1 << 20) + 1)), true);
  EXPECT_EQ(client.wait(id).status(), "8");
  EXPECT_EQ(client.wait(client.call(kUnary, big_text(1 << 20))).status(), "0");
  // 100 MB that compress to a little.
  const std::string xs(100 << 20, 'x');
  const std::string bomb = deflate_all(Coding::kGzip, std::as_bytes(std::span(xs)));
  const int32_t boom = client.open(H2Client::grpc_headers(kUnary, {{"grpc-encoding", "gzip"}}));
  client.data(boom, framed(bomb, 1), true);
  EXPECT_EQ(client.wait(boom).status(), "8") << client.wait(boom).message();
}

TEST_F(H2, CompressesAsTheClientDoes) {
  H2Client client(port());
  const std::string body = big_text(50'000);
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    const std::string name(coding_name(coding));
    for (const bool accepts : {true, false}) {
      H2Client::Headers more = {{"grpc-encoding", name}};
      if (accepts) more.emplace_back("grpc-accept-encoding", "identity, " + name);
      const int32_t id = client.open(H2Client::grpc_headers(kUnary, more));
      client.data(id, framed(deflate_all(coding, std::as_bytes(std::span(body))), 1), true);
      const auto& a = client.wait(id);
      ASSERT_EQ(a.status(), "0") << a.message();
      EXPECT_EQ(a.body[0], accepts ? 1 : 0);
      const std::string got = a.messages().at(0);
      EXPECT_EQ(accepts ? *inflate_all(coding, std::as_bytes(std::span(got)), 1 << 20) : got, body);
    }
    const int32_t broken = client.open(H2Client::grpc_headers(kUnary, {{"grpc-encoding", name}}));
    client.data(broken, framed("no such data", 1), true);
    EXPECT_EQ(client.wait(broken).status(), "3");
  }
}

TEST_F(H2, ServesPlainHttpToo) {
  H2Client client(port());
  H2Client::Headers headers = {{":method", "GET"},
                               {":scheme", "http"},
                               {":path", "/v2/health/live?x=1"},
                               {":authority", "h"}};
  const auto& a = client.wait(client.open(headers, true));
  EXPECT_EQ(a.headers.at(":status"), "200");
  EXPECT_EQ(a.body, "GET /v2/health/live?x=1 ");
  EXPECT_EQ(a.headers.at("content-length"), "24");
  headers[0].second = "POST";
  const std::string body = big_text(200'000);
  const int32_t id = client.open(headers);
  client.data(id, body, true);
  EXPECT_EQ(client.wait(id).body, "POST /v2/health/live?x=1 " + body);
  headers.emplace_back("content-encoding", "gzip");
  const int32_t zipped = client.open(headers);
  client.data(zipped, deflate_all(Coding::kGzip, std::as_bytes(std::span(body))), true);
  EXPECT_EQ(client.wait(zipped).body, "POST /v2/health/live?x=1 " + body);
  handler.at_head = [](Exchange& e) {
    e.fail({Code::kOverloaded, "full"});
    return true;
  };
  headers.pop_back();
  const auto& refused = client.wait(client.open(headers, true));
  EXPECT_EQ(refused.headers.at(":status"), "503");
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(refused.body, "{\"error\":\"full\"}");
}

TEST_F(H2, TellsOfCancelledCalls) {
  handler.at_end = [](EchoHandler::Call&) {};
  H2Client client(port());
  const int32_t id = client.call(kUnary, "x");
  ASSERT_TRUE(client.flush());
  ASSERT_TRUE(handler.ends.reaches(1));
  client.reset(id);
  ASSERT_TRUE(client.flush());
  EXPECT_TRUE(handler.cancels.reaches(1));
  client.call(kUnary, "x");
  ASSERT_TRUE(client.flush());
  ASSERT_TRUE(handler.ends.reaches(2));
  client.tcp().close();
  EXPECT_TRUE(handler.cancels.reaches(2)) << "the connection is gone";
}

TEST_F(H2, EndsACallAtItsDeadline) {
  handler.at_end = [](EchoHandler::Call&) {};
  H2Client client(port());
  const auto before = Clock::now();
  const auto& a = client.wait(client.call(kUnary, "x", {{"grpc-timeout", "50m"}}));
  EXPECT_EQ(a.status(), "4");
  EXPECT_GE(Clock::now() - before, milliseconds(50));
  EXPECT_TRUE(handler.cancels.reaches(1));
}

TEST_F(H2, ManyCancelledCallsDoNotHurtTheirNeighbour) {
  EchoHandler::Call* patient = nullptr;
  handler.room_size = [](EchoHandler::Call&) { return 100; };
  handler.at_end = [&](EchoHandler::Call& call) {
    if (call.body == "neighbour") patient = &call;
  };
  H2Client client(port());
  const int32_t neighbour = client.call(kUnary, "neighbour");
  for (int i = 0; i < 5000; ++i) {
    const int32_t id = client.call(kUnary, "storm");
    client.flush();
    client.reset(id);
    client.flush();
  }
  ASSERT_TRUE(handler.cancels.reaches(5000));
  server().on_loop(0, [&] { handler.answer(*patient, "calm"); });
  EXPECT_EQ(client.wait(neighbour).messages(), std::vector<std::string>{"calm"});
  EXPECT_TRUE(client.goaways.empty());
}

TEST_F(H2, PausesWhileTheSinkHasNoRoomAndGoesOn) {
  std::atomic<bool> room = false;
  Counter asked;
  handler.room_size = [&](EchoHandler::Call& call) -> size_t {
    if (call.length == 500'000 && !room) {
      asked.add();
      return 0;
    }
    return 10'000;
  };
  H2Client client(port());
  const std::string body = big_text(500'000);
  const int32_t id = client.call(kUnary, body);
  std::vector<int32_t> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(client.call(kUnary, big_text(30'000)));
  // What the kernel's buffers do not hold waits here, so it is sent by a thread of its own.
  std::thread sender([&] { client.flush(); });
  ASSERT_TRUE(asked.reaches(1));
  room = true;
  server().on_loop(0, [&] {
    // The exchange that waits is the only one known to the handler.
    handler.each_call([](EchoHandler::Call& call) { call.exchange.resume(); });
  });
  sender.join();
  EXPECT_EQ(client.wait(id).messages(), std::vector<std::string>{body});
  for (int32_t b : behind) EXPECT_EQ(client.wait(b).status(), "0");
}

TEST_F(H2, RefusesWhoWaitsTooLongForRoomAndServesThoseBehind) {
  h2_limits.stall = milliseconds(100);
  handler.room_size = [&](EchoHandler::Call& call) -> size_t {
    return call.length == 500'000 ? 0 : 10'000;
  };
  H2Client client(port());
  const int32_t stuck = client.call(kUnary, big_text(500'000));
  const int32_t behind = client.call(kUnary, "behind");
  const auto& a = client.wait(stuck);
  EXPECT_EQ(a.status(), "14") << a.message();
  EXPECT_EQ(client.wait(behind).messages(), std::vector<std::string>{"behind"});
  EXPECT_EQ(handler.cancels.get(), 1);
}

TEST_F(H2, GivesWindowsBackOnlyForWhatWasTaken) {
  h2_limits.stall = std::chrono::seconds(30);
  h2_limits.stream_window = 1 << 16;
  h2_limits.connection_window = 1 << 17;
  std::atomic<int> takes = 1;
  handler.room_size = [&](EchoHandler::Call&) -> size_t { return takes-- > 0 ? 20'000 : 0; };
  H2Client client(port());
  const int32_t id = client.call(kUnary, big_text(1'000'000));
  EXPECT_FALSE(client.until([&] { return client.answers[id].closed; }, 300));
  const int32_t left = nghttp2_session_get_stream_remote_window_size(client.session(), id);
  EXPECT_LT(left, 1 << 16) << "the client may not send more than the sink took and one window";
  takes = 1 << 20;
  server().on_loop(
      0, [&] { handler.each_call([](EchoHandler::Call& call) { call.exchange.resume(); }); });
  EXPECT_EQ(client.wait(id).status(), "0");
}

TEST_F(H2, DrainsInTwoSteps) {
  EchoHandler::Call* patient = nullptr;
  handler.at_end = [&](EchoHandler::Call& call) {
    if (call.body == "long") {
      patient = &call;
    } else {
      handler.answer(call, call.body);
    }
  };
  H2Client client(port());
  const int32_t id = client.call(kUnary, "long");
  ASSERT_TRUE(client.flush());
  ASSERT_TRUE(handler.ends.reaches(1));
  std::promise<void> drained;
  server().on_loop(0, [&] { server().set().drain([&] { drained.set_value(); }); });
  ASSERT_TRUE(client.until([&] { return client.goaways.size() == 2; }));
  EXPECT_EQ(client.goaways[0], (std::pair<int32_t, uint32_t>(INT32_MAX, NGHTTP2_NO_ERROR)));
  EXPECT_EQ(client.goaways[1], (std::pair<int32_t, uint32_t>(id, NGHTTP2_NO_ERROR)));
  server().on_loop(0, [&] { handler.answer(*patient, "done"); });
  EXPECT_EQ(client.wait(id).messages(), std::vector<std::string>{"done"});
  EXPECT_TRUE(client.wait_end());
  client.tcp().close();
  drained.get_future().wait();
}

TEST_F(H2, AnswersPings) {
  H2Client client(port());
  for (int i = 0; i < 50; ++i) client.ping();
  EXPECT_TRUE(client.until([&] { return client.pongs == 50; }));
}

TEST_F(H2, EndsAPingFlood) {
  H2Client client(port());
  ASSERT_EQ(client.wait(client.call(kUnary, "x")).status(), "0");
  std::string ping("\0\0\x08\x06\0\0\0\0\0", 9), flood;
  ping += "pingping";
  for (int i = 0; i < 100'000; ++i) flood += ping;
  client.send_raw(flood);  // may fail half-way: it has been cut off
  EXPECT_TRUE(client.wait_end());
  H2Client other(port());
  EXPECT_EQ(other.wait(other.call(kUnary, "x")).status(), "0");
}

TEST_F(H2, HoldsHeadersToTheirLimit) {
  limits.max_header_bytes = 4096;
  H2Client client(port());
  const auto& a = client.wait(client.call(kUnary, "x", {{"big", std::string(5000, 'a')}}));
  EXPECT_EQ(a.status(), "8");
  EXPECT_EQ(handler.heads.get(), 0);
  H2Client::Headers many;
  for (int i = 0; i < 2000; ++i) many.emplace_back("x", "");
  EXPECT_EQ(client.wait(client.call(kUnary, "x", many)).status(), "8");
  EXPECT_EQ(client.wait(client.call(kUnary, "x")).status(), "0");
}

TEST_F(H2, SurvivesGarbage) {
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings("\0\0\0\x04\0\0\0\0\0", 9);
  uint32_t x = 99;
  for (int round = 0; round < 200; ++round) {
    Client client(port());
    std::string bytes = preface + settings;
    // A HEADERS frame of noise, or noise altogether.
    std::string noise;
    for (int i = 0; i < 100; ++i) noise += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
    if (round % 2) bytes += std::string("\0\0\x64\x01\x05\0\0\0\x01", 9);
    client.send(bytes + noise);
    client.half_close();
    client.ended();
  }
  H2Client client(port());
  EXPECT_EQ(client.wait(client.call(kUnary, "x")).status(), "0");
}

TEST_F(H2, AClientThatSaysNoMoreThanItsPrefaceTimesOut) {
  limits.header_timeout = milliseconds(100);
  Client silent(port());
  silent.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  silent.ended();  // returns: the server has closed
}

TEST_F(H2, AMessageThatDoesNotComeTimesOut) {
  limits.body_timeout = milliseconds(100);
  H2Client client(port());
  const int32_t id = client.open(H2Client::grpc_headers(kUnary));
  client.data(id, framed("hello").substr(0, 6));
  EXPECT_EQ(client.wait(id).status(), "4");
  EXPECT_TRUE(handler.cancels.reaches(1));
}

TEST_F(H2, AMessageThatDripsIsGivenUp) {
  limits.body_timeout = milliseconds(200);
  H2Client client(port());
  const int32_t id = client.open(H2Client::grpc_headers(kUnary));
  std::string bytes = framed(big_text(1000));
  bytes.pop_back();  // never whole
  size_t at = 0;
  const auto begun = Clock::now();
  while (!client.answers[id].closed && Clock::now() - begun < std::chrono::seconds(10)) {
    if (at < bytes.size()) client.data(id, bytes.substr(at++, 1));
    client.until([&] { return client.answers[id].closed; }, 20);
  }
  EXPECT_EQ(client.answers[id].status(), "4");
}

TEST_F(H2, AnIdleConnectionIsSentAway) {
  limits.idle_timeout = milliseconds(700);
  H2Client client(port());
  ASSERT_EQ(client.wait(client.call(kUnary, "x")).status(), "0");
  EXPECT_TRUE(client.wait_end());
  EXPECT_FALSE(client.goaways.empty());
}

TEST_F(H2, AClientThatDoesNotReadIsCutOff) {
  limits.write_timeout = milliseconds(200);
  const std::string big = big_text(20'000'000);
  handler.at_end = [&](EchoHandler::Call& call) { handler.answer(call, big); };
  H2Client deaf(port(), 1 << 30, 4096);
  deaf.call(kUnary, "x");
  deaf.flush();
  EXPECT_TRUE(handler.releases.reaches(1)) << "its memory is free again";

  H2Client windowless(port(), 100);  // reads, but never opens its window
  const int32_t id = windowless.call(kUnary, "x");
  EXPECT_EQ(windowless.wait(id).error, static_cast<uint32_t>(NGHTTP2_CANCEL));
  EXPECT_TRUE(handler.releases.reaches(2));
}

TEST_F(H2, ManyCallsAtOnceAnswerInTheirOwnStreams) {
  H2Client client(port());
  std::vector<int32_t> ids;
  for (int i = 0; i < 500; ++i)
    ids.push_back(client.call(kUnary, std::to_string(i) + big_text(i * 41)));
  for (int i = 0; i < 500; ++i)
    ASSERT_EQ(client.wait(ids[i]).messages(),
              std::vector<std::string>{std::to_string(i) + big_text(i * 41)});
}

}  // namespace
}  // namespace corolla::wire
