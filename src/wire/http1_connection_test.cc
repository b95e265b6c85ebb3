#include "wire/http1_connection.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "wire/loopback_server.h"

namespace corolla::wire {
namespace {

using namespace loopback;

using std::chrono::milliseconds;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

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

// The transport's own refusals: status, a JSON error, and the end of the connection.
struct Refusal {
  const char* name;
  std::string request;
  int status;
};

TEST_F(Http1, RefusesWithAJsonErrorAndCloses) {
  limits.max_body_bytes = 1000;
  const std::string host = "Host: h\r\n";
  const std::vector<Refusal> refusals = {
      {"no request line", "nonsense\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\n", 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"obs-fold", "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n", 400},
      {"two lengths",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
      {"signed length", "POST / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\nx", 400},
      {"huge length",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\nx", 400},
      {"both framings",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"body over the limit", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1001\r\n\r\n", 413},
      {"chunk over the limit",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", 413},
      {"bad chunk", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"long line", "GET /" + std::string(9000, 'a'), 414},
      {"long head", "GET / HTTP/1.1\r\n" + host + "A: " + std::string(70000, 'a'), 431},
      {"many headers",
       "GET / HTTP/1.1\r\n" + host +
           [] {
             std::string all;
             for (int i = 0; i < 200; ++i) all += "A: b\r\n";
             return all + "\r\n";
           }(),
       431},
      {"old version", "GET / HTTP/0.9\r\n\r\n", 505},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"expectation",
       "POST / HTTP/1.1\r\n" + host + "Expect: wonders\r\nContent-Length: 1\r\n\r\nx", 417},
      {"coding",
       "POST / HTTP/1.1\r\n" + host + "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", 415},
      {"transfer coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 501},
  };
  uint64_t count = 0;
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.name);
    Client client = connect();
    // An honest request before it must get its answer all the same.
    ASSERT_TRUE(client.send(post("first") + refusal.request));
    EXPECT_EQ(client.receive().body, "POST /x? first");
    const Answer answer = client.receive();
    EXPECT_EQ(answer.status, refusal.status);
    EXPECT_EQ(answer.header("connection"), "close");
    EXPECT_EQ(answer.header("content-type"), "application/json");
    EXPECT_TRUE(answer.body.starts_with("{\"error\":\"")) << answer.body;
    EXPECT_TRUE(client.ended());
    EXPECT_EQ(server().set().counters().bad_requests.get(), ++count);
  }
  EXPECT_EQ(handler.heads.get(), handler.ends.get() + handler.cancels.get());
}

TEST_F(Http1, ABodyLargerThanTheLimitStillGetsItsAnswerWhileItIsBeingSent) {
  limits.max_body_bytes = 1000;
  Client client = connect();
  // Sent whole before anything is read, as most clients do.
  ASSERT_TRUE(client.send(post(big_text(4 << 20))));
  EXPECT_EQ(client.receive().status, 413);
  EXPECT_TRUE(client.ended());
}

TEST_F(Http1, TakesALargeHead) {
  const std::string large(60000, 'v');
  handler.at_end = [&](EchoHandler::Call& call) {
    EXPECT_EQ(call.exchange.header("large"), large);
    handler.echo(call);
  };
  Client client = connect();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(client.send(post("body", "Large: " + large + "\r\n")));
    EXPECT_EQ(client.receive().body, "POST /x? body");
  }
}

TEST_F(Http1, SkipsALineEndBehindABody) {
  Client client = connect();
  ASSERT_TRUE(client.send(post("a") + "\r\n" + post("b")));
  EXPECT_EQ(client.receive().body, "POST /x? a");
  EXPECT_EQ(client.receive().body, "POST /x? b");
}

TEST_F(Http1, SendsContinueOnlyWhenTheBodyIsWantedAndThereIsRoom) {
  bool has_room = false;
  EchoHandler::Call* waiting = nullptr;
  handler.room_size = [&](EchoHandler::Call& call) -> size_t {
    waiting = &call;
    return has_room ? 100 : 0;
  };
  Client client = connect();
  ASSERT_TRUE(client.send(
      "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
  ASSERT_TRUE(handler.heads.reaches(1));
  EXPECT_TRUE(client.quiet(30));
  server().on_loop(0, [&] {
    has_room = true;
    waiting->exchange.resume();
  });
  EXPECT_EQ(client.receive().status, 100);
  ASSERT_TRUE(client.send("hello"));
  EXPECT_EQ(client.receive().body, "POST /x? hello");
  // Who sends the body at once is not answered 100.
  ASSERT_TRUE(client.send(post("hi", "Expect: 100-continue\r\n")));
  EXPECT_EQ(client.receive().body, "POST /x? hi");
}

TEST_F(Http1, AnEarlyAnswerInPlaceOfContinueCloses) {
  handler.at_head = [](Exchange& exchange) {
    exchange.fail({Code::kNotFound, "no such model"});
    return true;
  };
  Client client = connect();
  ASSERT_TRUE(client.send(
      "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"error":"no such model"})");
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(Http1, AnEarlyAnswerDropsASmallBodyAndGoesOn) {
  handler.at_head = [](Exchange& exchange) {
    if (exchange.path() != "/no") return false;
    exchange.fail({Code::kOverloaded, "later"});
    return true;
  };
  Client client = connect();
  ASSERT_TRUE(client.send(post(big_text(600000), "", "/no") + post("yes")));
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("retry-after"), "1");
  EXPECT_EQ(answer.header("connection"), "");
  EXPECT_EQ(client.receive().body, "POST /x? yes");
  ASSERT_TRUE(client.send(
      "POST /no HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" +
      post("again")));
  EXPECT_EQ(client.receive().status, 503);
  EXPECT_EQ(client.receive().body, "POST /x? again");
  // A large one is not worth reading: the connection ends, and the answer arrives nevertheless.
  ASSERT_TRUE(client.send(post(big_text(3 << 20), "", "/no")));
  EXPECT_EQ(client.receive().header("connection"), "close");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(handler.cancels.get(), 0);
}

TEST_F(Http1, AnAnswerFromWithinTheSinkEndsTheSink) {
  // The hardest moment for a handler to answer: inside filled(), whose sink goes with the answer.
  handler.on_filled = [&](EchoHandler::Call& call) {
    if (call.body.size() >= 100) {
      Exchange& exchange = call.exchange;
      server().loop().post([&, keep = std::make_shared<int>()] { handler.forget(exchange); });
      exchange.fail({Code::kInvalidArgument, "enough"});
    }
    return ok();
  };
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        client.send(post(big_text(300000)) +
                    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nC8\r\n" +
                    std::string(200, 'x') + "\r\n0\r\n\r\n"));
    EXPECT_EQ(client.receive().status, 400);
    EXPECT_EQ(client.receive().status, 400);
  }
  EXPECT_EQ(handler.ends.get(), 0);
  EXPECT_EQ(handler.cancels.get(), 0);
}

TEST_F(Http1, ASinksErrorIsAnsweredAndTheHandlerTold) {
  handler.on_filled = [](EchoHandler::Call& call) -> Status {
    if (call.body.size() > 10) return Error{Code::kTooLarge, "over ten"};
    return ok();
  };
  Client client = connect();
  ASSERT_TRUE(client.send(post(big_text(100000)) + post("short")));
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, R"({"error":"over ten"})");
  EXPECT_EQ(client.receive().body, "POST /x? short");
  EXPECT_EQ(handler.cancels.get(), 1);
}

TEST_F(Http1, StopsReadingWhileTheSinkHasNoRoom) {
  bool has_room = false;
  EchoHandler::Call* waiting = nullptr;
  handler.room_size = [&](EchoHandler::Call& call) -> size_t {
    waiting = &call;
    return has_room ? 1000 : 0;
  };
  const std::string body = big_text(20 << 20);
  Client client = connect();
  std::thread sender([&] { EXPECT_TRUE(client.send(post(body))); });
  ASSERT_TRUE(handler.heads.reaches(1));
  uint64_t before = 0;
  server().on_loop(0, [&] { before = server().set().counters().bytes_in.get(); });
  EXPECT_LE(before, 4096u);
  for (int i = 0; i < 3; ++i) {
    // Room for a thousand bytes, and none again.
    server().on_loop(0, [&] {
      handler.on_filled = [&](EchoHandler::Call&) {
        has_room = false;
        return ok();
      };
      has_room = true;
      waiting->exchange.resume();
      EXPECT_EQ(waiting->body.size(), 1000u * (i + 1));
      waiting->exchange.resume();
      EXPECT_EQ(waiting->body.size(), 1000u * (i + 1));
    });
  }
  server().on_loop(0, [&] {
    handler.on_filled = nullptr;
    has_room = true;
    waiting->exchange.resume();
  });
  EXPECT_EQ(client.receive().body, "POST /x? " + body);
  sender.join();
}

TEST_F(Http1, AClientThatGoesIsReportedAtEveryStage) {
  handler.at_end = [](EchoHandler::Call&) {};  // no answer
  int expected = 0;
  for (const bool reset : {false, true}) {
    for (const std::string& text :
         {post("whole"), post("whole") + post("pipelined"),
          post("x").substr(0, post("x").size() - 1),
          std::string(
              "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")}) {
      Client client = connect();
      ASSERT_TRUE(client.send(text));
      ASSERT_TRUE(handler.heads.reaches(expected + 1));
      reset ? client.reset() : client.close();
      EXPECT_TRUE(handler.cancels.reaches(++expected)) << text;
    }
  }
  server().on_loop(0, [&] {
    EXPECT_EQ(handler.open_calls(), 0u);
    EXPECT_EQ(server().set().counters().client_gone.get(), static_cast<uint64_t>(expected));
    EXPECT_EQ(server().set().open(), 0u);
  });
}

TEST_F(Http1, AClientThatGoesWhileTheSinkHasNoRoomIsReported) {
  handler.room_size = [](EchoHandler::Call&) { return 0; };
  Client client = connect();
  ASSERT_TRUE(client.send(post(big_text(100000))));
  ASSERT_TRUE(handler.heads.reaches(1));
  client.close();
  EXPECT_TRUE(handler.cancels.reaches(1));
}

TEST_F(Http1, AClientThatGoesInTheMiddleOfItsAnswerReleasesIt) {
  const std::string big = big_text(20 << 20);
  handler.at_end = [&](EchoHandler::Call& call) { handler.answer(call, big); };
  Client client = connect(4096);
  ASSERT_TRUE(client.send(post("x")));
  ASSERT_TRUE(handler.ends.reaches(1));
  EXPECT_EQ(handler.releases.get(), 0);
  client.reset();
  EXPECT_TRUE(handler.releases.reaches(1));
  EXPECT_EQ(handler.cancels.get(), 0) << "it had answered";
}

TEST_F(Http1, AHalfClosedClientGetsItsAnswerIfItSaidClose) {
  EchoHandler::Call* pending = nullptr;
  handler.at_end = [&](EchoHandler::Call& call) { pending = &call; };
  Client client = connect();
  ASSERT_TRUE(client.send(post("x", "Connection: close\r\n")));
  client.half_close();
  ASSERT_TRUE(handler.ends.reaches(1));
  for (int i = 0; i < 5; ++i) server().on_loop(0, [] {});  // it sees the FIN and stays
  server().on_loop(0, [&] { handler.echo(*pending); });
  EXPECT_EQ(client.receive().body, "POST /x? x");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(handler.cancels.get(), 0);
}

TEST_F(Http1, AFullyGoneClientThatSaidCloseIsReportedOnceTheSocketSaysSo) {
  handler.at_end = [](EchoHandler::Call&) {};
  Client client = connect();
  ASSERT_TRUE(client.send(post("x", "Connection: close\r\n")));
  client.half_close();
  ASSERT_TRUE(handler.ends.reaches(1));
  client.reset();
  EXPECT_TRUE(handler.cancels.reaches(1));
}

TEST_F(Http1, SlowHeadsAndBodiesTimeOut) {
  limits.header_timeout = milliseconds(60);
  limits.body_timeout = milliseconds(60);
  Client slow_head = connect(), slow_body = connect(), dripping = connect();
  ASSERT_TRUE(slow_head.send("GET / HTTP/1.1\r\nHo"));
  ASSERT_TRUE(slow_body.send(post("body").substr(0, post("body").size() - 2)));
  EXPECT_EQ(slow_body.receive().status, 408);
  EXPECT_TRUE(slow_body.ended());
  EXPECT_EQ(slow_head.receive().status, 408);
  EXPECT_TRUE(slow_head.ended());
  // A byte now and then is no progress for a head: its time counts from its first byte.
  for (const char c : std::string("GET / HTTP/1.1\r\nHost: h\r\nA: bbbbbbbbbbbbbb")) {
    dripping.send(std::string(1, c));
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(dripping.receive().status, 408);
  EXPECT_EQ(handler.cancels.get(), 1);
  EXPECT_EQ(server().set().counters().timed_out.get(), 3u);
}

TEST_F(Http1, ADrippingBodyTimesOutThoughItNeverStandsStill) {
  limits.body_timeout = milliseconds(80);
  Client client = connect();
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"));
  for (int i = 0; i < 200 && client.quiet(5); ++i) client.send("x");
  EXPECT_EQ(client.receive().status, 408);
}

TEST_F(Http1, OurOwnPauseIsNotTheClientsFault) {
  limits.body_timeout = milliseconds(40);
  bool has_room = false;
  EchoHandler::Call* waiting = nullptr;
  handler.room_size = [&](EchoHandler::Call& call) -> size_t {
    waiting = &call;
    return has_room ? 1000 : 0;
  };
  Client client = connect();
  ASSERT_TRUE(client.send(post("patient")));
  ASSERT_TRUE(handler.heads.reaches(1));
  EXPECT_TRUE(client.quiet(120));
  server().on_loop(0, [&] {
    has_room = true;
    waiting->exchange.resume();
  });
  EXPECT_EQ(client.receive().body, "POST /x? patient");
}

TEST_F(Http1, IdleConnectionsAndUnreadAnswersTimeOut) {
  limits.idle_timeout = milliseconds(60);
  limits.write_timeout = milliseconds(60);
  const std::string big = big_text(20 << 20);
  handler.at_end = [&](EchoHandler::Call& call) {
    handler.answer(call, call.body == "big" ? big : "small");
  };
  Client idle = connect(), used = connect(), unread = connect(4096);
  ASSERT_TRUE(unread.send(post("big")));
  EXPECT_TRUE(handler.releases.reaches(1));
  EXPECT_TRUE(idle.ended());
  used.send(post("x"));
  used.receive();
  EXPECT_TRUE(used.ended());
}

TEST_F(Http1, InflatesBodies) {
  const std::string text = big_text(300000);
  Client client = connect();
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    const std::string small = deflate_all(coding, bytes(text));
    const std::string header = "Content-Encoding: " + std::string(coding_name(coding)) + "\r\n";
    ASSERT_TRUE(client.send(post(small, header)));
    EXPECT_EQ(client.receive().body, "POST /x? " + text);
    std::string chunked =
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + header + "\r\n";
    for (size_t at = 0; at < small.size(); at += 1000) {
      const std::string part = small.substr(at, 1000);
      char size[16];
      snprintf(size, sizeof size, "%zx\r\n", part.size());
      chunked += size + part + "\r\n";
    }
    ASSERT_TRUE(client.send(chunked + "0\r\n\r\n"));
    EXPECT_EQ(client.receive().body, "POST /x? " + text);
  }
  ASSERT_TRUE(client.send(post("", "Content-Encoding: gzip\r\n")));
  EXPECT_EQ(client.receive().body, "POST /x? ");
}

TEST_F(Http1, InflatesIntoTheSmallestRooms) {
  handler.room_size = [](EchoHandler::Call&) { return 1; };
  const std::string text = big_text(2000);
  Client client = connect();
  ASSERT_TRUE(
      client.send(post(deflate_all(Coding::kGzip, bytes(text)), "Content-Encoding: gzip\r\n")));
  EXPECT_EQ(client.receive().body, "POST /x? " + text);
}

TEST_F(Http1, StopsABombAtTheLimit) {
  limits.max_body_bytes = 1 << 20;
  std::atomic<size_t> most = 0;
  handler.on_filled = [&](EchoHandler::Call& call) {
    most = std::max(most.load(), call.body.size());
    return ok();
  };
  const std::string bomb = deflate_all(Coding::kGzip, bytes(std::string(100 << 20, '\0')));
  Client client = connect();
  ASSERT_TRUE(client.send(post(bomb, "Content-Encoding: gzip\r\n") + post("next")));
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(handler.cancels.get(), 1);
  EXPECT_LE(most, limits.max_body_bytes);
  EXPECT_EQ(client.receive().body, "POST /x? next")
      << "its end was known, so the connection goes on";
}

TEST_F(Http1, RefusesBrokenCompression) {
  const std::string small = deflate_all(Coding::kGzip, bytes(big_text(1000)));
  Client client = connect();
  for (const std::string& body :
       {small.substr(0, small.size() / 2), small + "x", std::string("no gzip")}) {
    ASSERT_TRUE(client.send(post(body, "Content-Encoding: gzip\r\n")));
    EXPECT_EQ(client.receive().status, 400);
  }
  EXPECT_EQ(handler.cancels.get(), 3);
}

TEST_F(Http1, CompressesAnswersOnRequest) {
  const std::string text = big_text(100000);
  Client client = connect();
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    ASSERT_TRUE(
        client.send(post(text, "Accept-Encoding: " + std::string(coding_name(coding)) + "\r\n")));
    const Answer answer = client.receive();
    EXPECT_EQ(answer.header("content-encoding"), coding_name(coding));
    EXPECT_LT(answer.body.size(), text.size());
    EXPECT_EQ(*inflate_all(coding, bytes(answer.body), 1 << 20), "POST /x? " + text);
  }
  ASSERT_TRUE(client.send(post(text)));
  EXPECT_EQ(client.receive().header("content-encoding"), "");
  EXPECT_TRUE(handler.releases.reaches(3));
}

TEST_F(Http1, CompressionKeepsTheUncompressedJsonSize) {
  handler.at_end = [&](EchoHandler::Call& call) {
    Exchange& exchange = call.exchange;
    handler.forget(exchange);
    Reply reply;
    reply.pieces.emplace_back(std::string("{json}"));
    reply.pieces.emplace_back(std::string(1000, '\0'));
    reply.json_size = 6;
    reply.content_type = "application/octet-stream";
    exchange.reply(std::move(reply));
  };
  const Answer answer = ask(post("", "Accept-Encoding: gzip\r\n"));
  EXPECT_EQ(answer.header("inference-header-content-length"), "6");
  EXPECT_EQ(*inflate_all(Coding::kGzip, bytes(answer.body), 2000),
            "{json}" + std::string(1000, '\0'));
}

TEST_F(Http1, AHeadAnswerHasNoBody) {
  Client client = connect();
  ASSERT_TRUE(client.send("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n" + post("next")));
  EXPECT_EQ(client.receive(true).header("content-length"), "9");
  EXPECT_EQ(client.receive().body, "POST /x? next");
}

TEST_F(Http1, AHandlerMayDropTheBodyAndAnswerAtItsEnd) {
  handler.discard = true;
  Client client = connect();
  ASSERT_TRUE(client.send(post(big_text(500000)) + post("x", "Expect: 100-continue\r\n")));
  EXPECT_EQ(client.receive().body, "POST /x? ");
  EXPECT_EQ(client.receive().body, "POST /x? ");
}

TEST_F(Http1, DrainAnswersWhatIsInHandAndClosesTheIdle) {
  EchoHandler::Call* pending = nullptr;
  handler.at_end = [&](EchoHandler::Call& call) {
    if (call.body == "wait")
      pending = &call;
    else
      handler.echo(call);
  };
  Client idle = connect(), used = connect(), busy = connect(), sending = connect();
  used.send(post("x"));
  used.receive();
  busy.send(post("wait"));
  sending.send(post("half").substr(0, post("half").size() - 2));
  ASSERT_TRUE(handler.heads.reaches(3));
  Counter drained;
  server().on_loop(0, [&] { server().set().drain([&] { drained.add(); }); });
  EXPECT_TRUE(idle.ended());
  EXPECT_TRUE(used.ended());
  sending.send("lf");
  const Answer late = sending.receive();
  EXPECT_EQ(late.body, "POST /x? half");
  EXPECT_EQ(late.header("connection"), "close");
  EXPECT_EQ(drained.get(), 0);
  server().on_loop(0, [&] { handler.echo(*pending); });
  EXPECT_EQ(busy.receive().body, "POST /x? wait");
  EXPECT_TRUE(busy.ended());
  EXPECT_TRUE(drained.reaches(1));
  EXPECT_EQ(handler.cancels.get(), 0);
}

TEST_F(Http1, DrainOfNobodyIsOverAtOnceAndAbortEndsPatience) {
  Counter drained;
  server().on_loop(0, [&] { server().set().drain([&] { drained.add(); }); });
  EXPECT_TRUE(drained.reaches(1));
  handler.at_end = [](EchoHandler::Call&) {};
  Client busy = connect();
  busy.send(post("never"));
  // Draining lets nobody in but those who have asked already; the request may have come too late.
  server().on_loop(0, [&] { server().set().abort_all(); });
  EXPECT_EQ(busy.receive().status, 0);
}

TEST_F(Http1, CountsWhatItDid) {
  Client client = connect();
  const std::string request = post("12345");
  client.send(request + request);
  client.receive();
  client.receive();
  server().on_loop(0, [&] {
    const TransportCounters& counters = server().set().counters();
    EXPECT_EQ(counters.accepted.get(), 1u);
    EXPECT_EQ(counters.http_requests.get(), 2u);
    EXPECT_EQ(counters.bytes_in.get(), 2 * request.size());
    EXPECT_GT(counters.bytes_out.get(), 100u);
    EXPECT_EQ(counters.bad_requests.get(), 0u);
  });
}

}  // namespace
}  // namespace corolla::wire
