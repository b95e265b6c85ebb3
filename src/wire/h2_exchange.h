// One HTTP/2 stream as an Exchange: a gRPC call, or a plain HTTP request over HTTP/2. Takes in
// headers and DATA as the connection gets them, and keeps the answer until the connection has sent
// it.
//
// Threads: the connection's loop. The H2Connection owns it, and deletes it when the stream is
// closed and not before.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "wire/body_feed.h"
#include "wire/exchange.h"
#include "wire/h2_outbox.h"

namespace corolla::wire {

class H2Connection;
class H2Output;

class H2Exchange final : public Exchange {
 public:
  H2Exchange(H2Connection& connection, int32_t id);
  ~H2Exchange() override;

  Protocol protocol() const override { return grpc_ ? Protocol::kGrpc : Protocol::kHttp; }
  EventLoop& loop() const override;
  std::string_view method() const override { return view(method_); }
  std::string_view path() const override { return view(path_); }
  std::string_view query() const override { return view(query_); }
  std::optional<std::string_view> header(std::string_view name) const override;
  TimePoint arrived() const override { return arrived_; }
  std::optional<Duration> timeout() const override { return timeout_; }
  void reply(Reply reply) override;
  void fail(const Error& error) override;
  void send(Reply reply) override;
  void finish(const Status& status) override;
  void resume() override;

  // For the connection.
  int32_t id() const { return id_; }
  void add_header(std::string_view name, std::string_view value);
  void head_complete(bool input_ends);
  // Takes from the front of `data`; fewer bytes than all, or blocked(): the sink has no room.
  size_t take(std::span<const std::byte> data);
  bool blocked() const { return blocked_; }
  void input_ended();
  // All of an HTTP body has come, but an inflater still holds its last bytes for want of room:
  // try_end() when there is some.
  bool ending() const { return input_done_ && in_message_ && !grpc_ && !done_; }
  void try_end();
  std::span<std::byte> direct_room();
  // The stream is closed: tells the handler if it still waits.
  void closed();
  // Ends the exchange on the transport's account, whatever the handler is doing.
  void break_off(const Error& error);

  bool input_done() const { return input_done_; }
  // The connection was not read for so long, which is not the client's fault.
  void forgive(Duration paused);
  bool waits_for_client(TimePoint now) const;  // too long: for bytes of a message that must come
  bool waits_for_reader(
      TimePoint now) const;  // too long: the client's windows hold up what is to be sent

  // nghttp2's data source: see H2Outbox. Where it says that all is out, trailers follow for gRPC.
  H2Outbox::ReadResult read(std::span<std::byte> to);
  void sent(size_t length, H2Output& output) { out_.sent(length, output); }
  void submit_trailers();

 private:
  struct Slice {
    uint32_t at = 0, size = 0;
  };
  struct Header {
    Slice name, value;
  };
  std::string_view view(Slice s) const { return {text_.data() + s.at, s.size}; }
  Slice store(std::string_view text);
  void split_target(std::string_view target);
  void begin_grpc();
  void begin_http();
  void begin_message();
  void end_message();
  void refuse(int http_status, const Error& error);
  void answer_error(const Error& error);
  void submit_http(int status, std::string_view content_type, std::optional<size_t> json_size,
                   bool retry_after);
  void submit_grpc_headers();
  void submit_trailers_only();
  void enqueue(Reply reply);
  void answered();
  Coding answer_coding(const Reply& reply) const;

  H2Connection& connection_;
  const int32_t id_;
  bool grpc_ = false, client_streams_ = false;
  bool known_ = false;       // the handler has it: on_head was called and no end told
  bool done_ = false;        // answered or broken off: input is dropped, the handler is out
  bool submitted_ = false;   // response headers have been handed to nghttp2
  bool finish_ = false;      // no more messages will be added
  bool too_large_ = false;   // the head
  bool input_done_ = false;  // END_STREAM was received
  bool blocked_ = false;
  bool in_message_ = false;

  std::string text_;  // all header texts
  std::vector<Header> headers_;
  size_t header_bytes_ = 0;
  Slice method_, path_, query_;
  TimePoint arrived_;
  TimePoint last_in_, last_out_;  // progress of input and of output
  TimePoint message_since_;
  uint64_t message_bytes_ = 0;  // of the present message, as sent
  std::optional<Duration> timeout_;
  uint64_t deadline_timer_ = 0;

  BodyFeed feed_;
  Coding coding_ = Coding::kIdentity;  // of compressed messages (gRPC), of the body (HTTP)
  bool any_compressed_ = false;        // a request message came compressed: answers may be, too
  std::array<std::byte, 5> prefix_;
  size_t prefix_have_ = 0;
  uint64_t message_left_ = 0;
  size_t messages_ = 0;

  H2Outbox out_;
  Error status_;  // gRPC: what is empty for success
  bool ok_ = true;
};

}  // namespace corolla::wire
