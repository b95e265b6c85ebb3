// What HTTP/1.1 itself costs: requests of the sizes that matter into a sink over static memory,
// answered with about 500 bytes, at 16 outstanding over 16 connections. "cpu_us" is the CPU time of
// the server's loop a request, and the figure to watch; the client's share is not in it.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/fd.h"
#include "wire/listener.h"

namespace {

using namespace corolla;
using namespace corolla::wire;

class StaticSink : public Handler, public BodySink {
 public:
  void on_head(Exchange&) override { at_ = 0; }
  // One sink does for all: where their bytes end up is of no interest, only that it is as large as
  // a slot.
  BodySink* on_message(Exchange&, std::optional<size_t>) override { return this; }
  void on_message_end(Exchange& exchange) override {
    Reply reply;
    reply.pieces.reserve(2);
    reply.pieces.emplace_back(std::string(80, 'j'));
    reply.pieces.emplace_back(std::span<const std::byte>(slot_).first(408));
    reply.json_size = 80;
    reply.content_type = "application/octet-stream";
    exchange.reply(std::move(reply));
  }
  void on_cancel(Exchange&) override {}
  void on_half_close(Exchange&) override {}
  std::span<std::byte> room() override {
    return std::span(slot_).subspan(at_ % (slot_.size() / 2));
  }
  Status filled(size_t n) override {
    at_ += n;
    return ok();
  }

 private:
  std::vector<std::byte> slot_ = std::vector<std::byte>(4 << 20);
  size_t at_ = 0;
};

double cpu_seconds(std::thread& thread) {
  clockid_t clock;
  CHECK(pthread_getcpuclockid(thread.native_handle(), &clock) == 0);
  timespec time;
  CHECK(clock_gettime(clock, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void send_all(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    CHECK(n > 0);
    at += static_cast<size_t>(n);
  }
}

void receive_answer(int fd, std::string& text) {
  text.clear();
  while (true) {
    char room[4096];
    const ssize_t n = ::recv(fd, room, sizeof room, 0);
    CHECK(n > 0);
    text.append(room, static_cast<size_t>(n));
    const size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos && text.size() == end + 4 + 488) return;
  }
}

void http1_request(benchmark::State& state) {
  constexpr int kConnections = 16;
  const TransportLimits limits;
  StaticSink handler;
  const auto loop = *EventLoop::create();
  ConnectionSet set(*loop, handler, limits);
  auto listener =
      *Listener::open(*loop, *listen_tcp("127.0.0.1", 0), {&set}, {.speaks = Speaks::kHttp1});
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(listener->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::thread server([&] { loop->run(); });

  std::vector<Fd> clients;
  for (int i = 0; i < kConnections; ++i) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(::connect(clients.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
          0);
    const int on = 1;
    ::setsockopt(clients.back().get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const size_t size = static_cast<size_t>(state.range(0));
  const std::string request =
      "POST /v2/models/flower/infer HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: "
      "libcurl-agent/1.0\r\nAccept: */*\r\n"
      "Inference-Header-Content-Length: 182\r\nContent-Type: "
      "application/octet-stream\r\nContent-Length: " +
      std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
  std::string answer;
  const double before = cpu_seconds(server);
  for (auto _ : state) {
    for (const Fd& client : clients) send_all(client.get(), request);
    for (const Fd& client : clients) receive_answer(client.get(), answer);
  }
  const double requests = static_cast<double>(state.iterations()) * kConnections;
  state.counters["cpu_us"] = (cpu_seconds(server) - before) * 1e6 / requests;
  state.SetItemsProcessed(static_cast<int64_t>(requests));

  clients.clear();
  loop->post([&] {
    listener.reset();
    set.abort_all();
    loop->stop();
  });
  server.join();
}
BENCHMARK(http1_request)
    ->Arg(602294)
    ->Arg(150710)
    ->Arg(300)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

}  // namespace
