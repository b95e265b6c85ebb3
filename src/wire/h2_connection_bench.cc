// CPU of the server's thread for one gRPC request, from the socket to the answer's last byte:
// transport and codec alone, with a handler that puts the tensor into a slot and answers 408 bytes.
// 16 outstanding, over loopback.
//   build/bin/h2_connection_bench --benchmark_counters_tabular=true
#include <benchmark/benchmark.h>
#include <time.h>

#include <future>
#include <thread>

#include "wire/client_grpc.h"
#include "wire/grpc_infer_encode.h"
#include "wire/grpc_infer_walker.h"
#include "wire/h2_connection.h"
#include "wire/listener.h"

namespace corolla::wire {
namespace {

constexpr size_t kOutstanding = 16;
constexpr size_t kSlotBytes = 1 << 20;

double thread_cpu_us() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

class SlotHandler final : public Handler {
 public:
  void on_head(Exchange& exchange) override {
    if (idle_.empty()) idle_.push_back(std::make_unique<Call>());
    exchange.user = idle_.back().release();
    idle_.pop_back();
  }
  BodySink* on_message(Exchange& exchange, std::optional<size_t> length) override {
    Call& call = *static_cast<Call*>(exchange.user);
    call.walker.begin(length, kSlotBytes);
    return &call.walker;
  }
  void on_message_end(Exchange& exchange) override {
    Call& call = *static_cast<Call*>(exchange.user);
    const auto request = call.walker.finish();
    CHECK(request.ok() && *request);
    const std::vector<int64_t> shape = {1, 102};
    const OutputTensor output{
        .name = "output", .shape = shape, .bytes = std::as_bytes(std::span(answer_))};
    const InferResponse response{
        .model = (*request)->model, .version = "1", .id = (*request)->id, .outputs = {&output, 1}};
    Reply reply;
    reply.pieces = encode_infer_response(response);
    idle_.emplace_back(&call);
    exchange.reply(std::move(reply));
  }
  void on_cancel(Exchange&) override {}
  void on_half_close(Exchange&) override {}

 private:
  struct Call {
    std::unique_ptr<std::byte[]> slot = std::make_unique<std::byte[]>(kSlotBytes);
    GrpcInferWalker walker{{}, [this](size_t, size_t) -> Result<std::span<std::byte>> {
                             return std::span(slot.get(), kSlotBytes);
                           }};
  };
  std::vector<std::unique_ptr<Call>> idle_;
  float answer_[102] = {};
};

class Server {
 public:
  Server() : loop_(*EventLoop::create()), set_(*loop_, handler_, limits_) {
    ListenerOptions options{
        .http2 = [](ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early) {
          return std::make_unique<H2Connection>(set, std::move(stream), early);
        }};
    listener_ = *Listener::open(*loop_, *listen_tcp("127.0.0.1", 0), {&set_}, std::move(options));
    port_ = listener_->port();
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Server() {
    std::promise<void> gone;
    loop_->post([&] {
      listener_.reset();
      set_.abort_all();
      gone.set_value();
    });
    gone.get_future().wait();
    loop_->stop();
    thread_.join();
  }
  uint16_t port() const { return port_; }
  double cpu_us() {
    std::promise<double> us;
    loop_->post([&] { us.set_value(thread_cpu_us()); });
    return us.get_future().get();
  }

 private:
  SlotHandler handler_;
  TransportLimits limits_;
  std::unique_ptr<EventLoop> loop_;
  ConnectionSet set_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
  uint16_t port_ = 0;
};

class Load final : public CallObserver {
 public:
  Load(uint16_t port, size_t bytes, size_t connections)
      : loop_(*EventLoop::create()), tensor_(bytes, 'x') {
    // model_name "flower", inputs {name "input" datatype "FP32" shape 1, 3, 224, 224},
    // raw_input_contents.
    std::string head =
        "\x0a\x06"
        "flower"
        "\x2a\x15"
        "\x0a\x05"
        "input"
        "\x12\x04"
        "FP32"
        "\x1a\x06\x01\x03\xe0\x01\xe0\x01";
    head += '\x3a';
    for (size_t n = bytes; true; n >>= 7) {
      head += static_cast<char>((n & 0x7f) | (n >= 0x80 ? 0x80 : 0));
      if (n < 0x80) break;
    }
    std::vector<Piece> pieces;
    pieces.emplace_back(std::move(head));
    pieces.emplace_back(std::as_bytes(std::span(tensor_)));
    call_ = make_grpc_call("ModelInfer", std::move(pieces));
    const ClientAddress address = *resolve_address("127.0.0.1:" + std::to_string(port), 1);
    for (size_t i = 0; i < connections; ++i)
      connections_.push_back(make_grpc_connection(*loop_, address));
  }
  void run(size_t requests) {
    to_send_ = to_receive_ = requests;
    for (size_t i = 0; i < kOutstanding; ++i) send(i % connections_.size());
    loop_->run();
  }
  void on_answer(uint64_t tag, const Answer& answer) override {
    CHECK(answer.ok(), answer.error ? answer.error->what : "");
    if (--to_receive_ == 0) return loop_->stop();
    send(tag);
  }

 private:
  void send(uint64_t connection) {
    if (to_send_ == 0) return;
    --to_send_;
    connections_[connection]->call(call_, connection, *this);
  }
  std::unique_ptr<EventLoop> loop_;
  std::vector<char> tensor_;
  std::shared_ptr<const ClientCall> call_;
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  size_t to_send_ = 0, to_receive_ = 0;
};

// Arguments: bytes of the tensor, connections.
void grpc_infer(benchmark::State& state) {
  Server server;
  Load load(server.port(), static_cast<size_t>(state.range(0)),
            static_cast<size_t>(state.range(1)));
  load.run(200);
  const double before = server.cpu_us();
  size_t requests = 0;
  for (auto _ : state) {
    load.run(500);
    requests += 500;
  }
  state.counters["server_us"] = (server.cpu_us() - before) / static_cast<double>(requests);
  state.SetItemsProcessed(static_cast<int64_t>(requests));
}
BENCHMARK(grpc_infer)
    ->ArgsProduct({{602112, 150528, 300}, {1, 4}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace corolla::wire
