// One client's HTTP/1.1 (or 1.0) connection: reads requests one after the other, offers each to the
// Handler as an Exchange, writes the answers.
//
// A body goes from the socket straight into the handler's BodySink: only what came along with the
// head is copied. An answer leaves in one sendmsg. One exchange at a time: a pipelined request
// waits, unread but for a few KB, until the answer before it is written.
//
// Threads: the loop's own. The ConnectionSet owns it.
//
// Decisions:
//  - A client that closes its sending side (FIN) while its answer is pending is taken for gone: a
//  client that died looks the same, and
//    nobody must compute for the dead. But a request that said Connection: close (or HTTP/1.0
//    without keep-alive) has nothing more to send, so its client may half-close at once and still
//    gets its answer; it is gone when the socket says so (RST).
//  - An answer that is ready before the body has come is written at once. Then up to 1 MiB of the
//  body is dropped and the connection goes on; if
//    more is to come it is closed: sending side first, then what comes is dropped for up to 2 s,
//    lest a reset destroy the answer.
//  - A body must come on average at 1 KiB/s after body_timeout, and never stand still for
//  body_timeout, unless it was we who stopped reading.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "wire/connection.h"
#include "wire/exchange.h"
#include "wire/http1_body.h"
#include "wire/http1_head.h"
#include "wire/http1_input.h"
#include "wire/http1_output.h"
#include "wire/input_buffer.h"
#include "wire/stream.h"

namespace corolla::wire {

class Http1Connection final : public Connection, public Exchange, private EventLoop::Watcher {
 public:
  // `early`: bytes that were already read of the stream.
  Http1Connection(ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early = {});

  void start() override;
  void drain() override;
  void sweep(TimePoint now) override;
  void abort() override;

  Protocol protocol() const override { return Protocol::kHttp; }
  EventLoop& loop() const override { return set_.loop(); }
  std::string_view method() const override { return head_.method(); }
  std::string_view path() const override { return head_.path(); }
  std::string_view query() const override { return head_.query(); }
  std::optional<std::string_view> header(std::string_view name) const override {
    return head_.header(name);
  }
  TimePoint arrived() const override { return arrived_; }
  std::optional<Duration> timeout() const override { return std::nullopt; }
  void reply(Reply reply) override;
  void fail(const Error& error) override;
  void send(Reply reply) override;             // gRPC only: a bug of the handler here
  void finish(const Status& status) override;  // likewise
  void resume() override;

 private:
  enum class State : uint8_t {
    kHead,     // idle, or a head is coming
    kBody,     // into the sink
    kAnswer,   // the handler is at work
    kWrite,    // the answer leaves
    kDiscard,  // the rest of a body that was answered early
    kLinger,   // all is written and the sending side closed; drops what still comes
    kClosed,
  };

  void on_events(uint32_t events) override;

  // Takes steps while they lead on. Every entrance from outside (events, timers, the handler) ends
  // here.
  void process();
  bool step();  // false: must wait
  bool step_head();
  bool step_body();
  bool step_answer();
  bool step_write();
  bool step_discard();
  bool step_linger();

  void begin_exchange(size_t head_size);
  bool read_body();
  bool pause();
  void begin_write();
  void end_exchange();
  bool send_continue();
  bool write();                         // false: the client has gone
  void refuse(const HttpError& error);  // the transport's own answer, closing; on_cancel if the
                                        // handler knows of it
  void body_failed(const Error& error);
  void answer_with(Reply reply);
  void client_gone();
  void hung_up();
  void close();
  void linger();
  void update_interest();

  ConnectionSet& set_;
  std::unique_ptr<Stream> stream_;
  Http1Input input_;
  Http1Output output_;
  InputBuffer in_;
  HeadScanner scanner_;
  std::string head_text_;
  Http1Head head_;
  Http1Body body_;
  BodySink* sink_ = nullptr;

  Reply reply_;
  State state_ = State::kHead;
  bool processing_ = false;
  bool again_ = false;        // something changed while processing
  bool paused_ = false;       // the sink has no room
  bool half_closed_ = false;  // the peer has ended, and we go on writing nevertheless
  bool known_ = false;        // the handler has the exchange: on_head was called, and no end told
  bool answered_ = false;
  bool close_after_ = false;
  bool refused_ = false;       // the client may not have sent all yet
  bool continue_due_ = false;  // 100 Continue is expected and not yet sent
  bool retry_after_ = false;
  int blank_lines_ = 0;  // before the head
  uint64_t discarded_from_ = 0;

  TimePoint arrived_;     // first byte of the request in hand
  TimePoint since_;       // when the present state began, or last made progress
  TimePoint body_since_;  // moved on by the time that we were paused ourselves
};

}  // namespace corolla::wire
