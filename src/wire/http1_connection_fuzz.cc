// A whole HTTP/1.1 connection over a socket pair against arbitrary bytes, delivered in pieces of
// arbitrary size, to a handler whose sink at times has no room, or breaks. Whatever comes: each
// exchange ends once, every answer's memory is released, and at the client's end the connection
// goes.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "wire/connection.h"
#include "wire/event_loop.h"
#include "wire/http1_connection.h"
#include "wire/stream.h"

using namespace corolla;
using namespace corolla::wire;

namespace {

// Behaviour follows from the request's path: its second character chooses. One connection has one
// exchange at a time.
class Whimsical : public Handler {
 public:
  void on_head(Exchange& exchange) override {
    CHECK(!call_);
    call_ = std::make_unique<Call>(exchange, exchange.path().size() > 1 ? exchange.path()[1] : ' ');
    if (call_->whim == 'h') answer();
  }
  BodySink* on_message(Exchange& exchange, std::optional<size_t>) override {
    CHECK(call_ && &call_->exchange == &exchange && !call_->ended);
    return call_->whim == 'd' ? nullptr : call_.get();
  }
  void on_message_end(Exchange& exchange) override {
    CHECK(call_ && &call_->exchange == &exchange && !call_->ended);
    call_->ended = true;
    if (call_->whim != 'l') answer();
  }
  void on_cancel(Exchange& exchange) override {
    CHECK(call_ && &call_->exchange == &exchange);
    call_.reset();
  }
  void on_half_close(Exchange&) override { CHECK(false); }

  // What another thread's news would bring: room, and late answers.
  void stir() {
    if (!call_) return;
    if (call_->whim == 'l' && call_->ended)
      answer();
    else
      call_->exchange.resume();
  }
  void check_over() const {
    CHECK(!call_);
    CHECK(answers_ == releases_);
  }

 private:
  struct Call : BodySink {
    Call(Exchange& e, char w) : exchange(e), whim(w) {}
    Exchange& exchange;
    const char whim;
    bool ended = false, full = false;
    size_t got = 0;
    std::array<std::byte, 37> bytes;

    std::span<std::byte> room() override {
      if (whim == 'p' && (full = !full)) return {};
      return bytes;
    }
    Status filled(size_t n) override {
      CHECK(!ended && n > 0 && n <= bytes.size());
      got += n;
      if (whim == 'b' && got > 50) return Error{Code::kInvalidArgument, "enough"};
      return ok();
    }
  };

  void answer() {
    const auto call = std::move(call_);
    if (call->whim == 'e') return call->exchange.fail({Code::kOverloaded, "later"});
    Reply reply;
    reply.pieces.emplace_back(std::as_bytes(std::span(text_)));
    reply.pieces.emplace_back(std::string(call->exchange.path()));
    ++answers_;
    reply.release = [this] { ++releases_; };
    call->exchange.reply(std::move(reply));
  }

  std::unique_ptr<Call> call_;
  const std::string text_ = std::string(100, 'a');
  int answers_ = 0, releases_ = 0;
};

void turn(EventLoop& loop) {
  loop.post([&loop] { loop.stop(); });
  loop.run();
}

void drop_answers(int fd) {
  char room[16 << 10];
  while (::recv(fd, room, sizeof room, MSG_DONTWAIT) > 0) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto loop = *EventLoop::create();
  static const TransportLimits limits{.max_header_bytes = 2000, .max_body_bytes = 5000};
  Whimsical handler;
  ConnectionSet set(*loop, handler, limits);
  int fds[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  Fd client(fds[1]);
  set.add(std::make_unique<Http1Connection>(set, make_plain_stream(Fd(fds[0]))));
  // Each piece's length comes before it.
  for (size_t at = 0; at < size;) {
    const size_t n = std::min<size_t>(data[at] == 255 ? 4000 : data[at], size - at - 1);
    if (n > 0) (void)!::send(client.get(), data + at + 1, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    at += 1 + n;
    turn(*loop);
    handler.stir();
    drop_answers(client.get());
  }
  client.reset();
  for (int i = 0; i < 4; ++i) turn(*loop);
  CHECK(set.open() == 0, "the client has gone, its connection has not");
  handler.check_over();
  return 0;
}
