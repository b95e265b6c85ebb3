#include "wire/listener.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "wire/loopback_server.h"

namespace corolla::wire {
namespace {

using namespace loopback;
using std::chrono::milliseconds;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Repeats what came before it was asked, and goes.
class StandIn : public Connection {
 public:
  StandIn(ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early)
      : set_(set),
        stream_(std::move(stream)),
        text_("HTTP/2 000\r\nContent-Length: 24\r\n\r\n" + std::string(early)) {}
  void start() override {
    const iovec part{text_.data(), text_.size()};
    stream_->write(std::span(&part, 1));
    set_.remove(*this);
  }
  void drain() override {}
  void sweep(TimePoint) override {}
  void abort() override {}

 private:
  ConnectionSet& set_;
  std::unique_ptr<Stream> stream_;
  std::string text_;
};

ListenerOptions either() {
  return {.speaks = Speaks::kEither,
          .http2 = [](ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early) {
            return std::make_unique<StandIn>(set, std::move(stream), early);
          }};
}

TEST(Listener, TellsTheProtocolHoweverTheFirstBytesCome) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, either());
  for (size_t cut = 0; cut < kPreface.size(); ++cut) {
    Client client(server.port());
    ASSERT_TRUE(client.send(kPreface.substr(0, cut)));
    server.on_loop(0, [] {});
    ASSERT_TRUE(client.send(kPreface.substr(cut)));
    EXPECT_EQ(client.receive().body, kPreface) << cut;
  }
  // The same beginning, and then not.
  for (const std::string request : {"PRI /p HTTP/1.1\r\nHost: h\r\n\r\n",
                                    "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"})
    for (size_t cut = 1; cut < request.size(); cut += 3) {
      Client client(server.port());
      ASSERT_TRUE(client.send(request.substr(0, cut)));
      server.on_loop(0, [] {});
      ASSERT_TRUE(client.send(request.substr(cut)));
      EXPECT_EQ(client.receive().body, request.substr(0, request.find(' ')) + " /p? ");
    }
}

TEST(Listener, WhoSaysLittleOrNothingTimesOut) {
  EchoHandler handler;
  LoopbackServer server(
      handler, {.header_timeout = milliseconds(50), .idle_timeout = milliseconds(150)}, either());
  Client silent(server.port()), hesitant(server.port());
  hesitant.send("PRI * HT");
  EXPECT_TRUE(hesitant.ended());
  EXPECT_TRUE(silent.ended());
}

TEST(Listener, DealsConnectionsEvenly) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, {.speaks = Speaks::kHttp1}, 2);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(clients.back()->receive().status, 200);
  }
  EXPECT_EQ(server.set(0).open(), 4u);
  EXPECT_EQ(server.set(1).open(), 4u);
  // Those that go leave room that the next ones fill.
  for (int i = 0; i < 8; i += 2) clients[i].reset();
  while (server.set(0).open() + server.set(1).open() > 4)
    server.on_loop(1, [&] { server.on_loop(0, [] {}); });
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(clients.back()->receive().status, 200);
  }
  EXPECT_EQ(server.set(0).open(), 4u);
  EXPECT_EQ(server.set(1).open(), 4u);
}

TEST(Listener, BeyondTheLimitAnswers503AndCloses) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, {.speaks = Speaks::kHttp1, .max_connections = 2});
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  auto one = std::make_unique<Client>(server.port());
  Client two(server.port());
  one->send(get);
  one->receive();
  two.send(get);
  two.receive();
  for (int i = 0; i < 10; ++i) {
    Client extra(server.port());
    extra.send(post(std::string(100000, 'x')));  // it need not know yet
    const Answer answer = extra.receive();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.header("retry-after"), "1");
    EXPECT_EQ(answer.header("connection"), "close");
    EXPECT_TRUE(answer.body.starts_with("{\"error\":"));
    EXPECT_TRUE(extra.ended());
  }
  uint64_t refused = 0;
  server.on_loop(0, [&] { refused = server.set().counters().refused.get(); });
  EXPECT_EQ(refused, 10u);
  one.reset();
  while (server.set().open() > 1) server.on_loop(0, [] {});
  Client next(server.port());
  next.send(get);
  EXPECT_EQ(next.receive().status, 200);
  EXPECT_EQ(handler.heads.get(), 3);
}

TEST(Listener, WithoutDescriptorsItCutsOffInsteadOfSpinning) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, {.speaks = Speaks::kHttp1});
  Client warm(server.port());
  warm.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(warm.receive().status, 200);
  Client late(server.port());  // connected by the kernel, accepted or not
  server.on_loop(0, [] {});
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  // The test's own socket takes the last descriptor that the limit allows.
  Fd probe(dup(0));
  Fd client_socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const rlimit tight{static_cast<rlim_t>(client_socket.get()) + 1, before.rlim_max};
  probe.reset();
  Fd filler(dup(0));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(client_socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
            0);
  char c;
  EXPECT_LE(::recv(client_socket.get(), &c, 1, 0), 0);
  setrlimit(RLIMIT_NOFILE, &before);
  warm.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(warm.receive().status, 200);
  server.on_loop(0, [&] { EXPECT_GE(server.set().counters().refused.get(), 1u); });
}

TEST(Listener, StoppedItAcceptsNoMoreButServesOn) {
  EchoHandler handler;
  LoopbackServer server(handler);
  Client client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  client.receive();
  server.on_loop(0, [&] { server.listener().stop(); });
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

TEST(Listener, APortInUseIsBusy) {
  EchoHandler handler;
  LoopbackServer server(handler);
  const auto second = listen_tcp("127.0.0.1", server.port());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kBusy);
  EXPECT_NE(second.error().what.find(std::to_string(server.port())), std::string::npos);
  EXPECT_EQ(listen_tcp("nowhere", 0).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace corolla::wire
