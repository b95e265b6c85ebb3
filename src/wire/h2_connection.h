// One client's HTTP/2 connection: gRPC calls and plain requests, each offered to the Handler as an
// Exchange. nghttp2 does the framing; reading, writing, flow control and limits are here.
//
// Back-pressure: flow-control windows are given back only for bytes that a sink has taken. When a
// sink has no room the whole connection is not read until Exchange::resume(), for at most
// H2Limits::stall: then that exchange is refused, because the rest of its neighbours' half-received
// messages may lie behind it, holding the room that it waits for.
//
// Answers of one loop round leave in one write. Payloads over 16 KB are not copied.
//
// Threads: the loop's own. The ConnectionSet owns it.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "wire/connection.h"
#include "wire/exchange.h"
#include "wire/h2_output.h"
#include "wire/stream.h"

struct nghttp2_session;

namespace corolla::wire {

class H2Callbacks;
class H2Exchange;

struct H2Limits {
  uint32_t max_streams = 1024;  // at a time
  uint32_t stream_window = 8 << 20;
  uint32_t connection_window = 64 << 20;
  uint32_t max_frame = 1 << 20;
  Duration stall = std::chrono::seconds(2);  // a sink without room
  Duration ping_after =
      std::chrono::seconds(60);  // of silence with streams open: is the client still there?
  Duration ping_timeout = std::chrono::seconds(20);
  Duration drain_notice = std::chrono::seconds(1);  // at most between the first GOAWAY and the last
  // Resets by the client that are let pass before the connection is closed. High: a burst of
  // cancelled calls is ordinary, and closing would fail the neighbours.
  uint64_t reset_burst = 1'000'000, resets_per_second = 100'000;
  // The same for frames that bring nothing forward: PING, SETTINGS, PRIORITY, empty DATA.
  double idle_frame_burst = 20'000, idle_frames_per_second = 5'000;
};

class H2Connection final : public Connection, private EventLoop::Watcher {
 public:
  // `early`: bytes that were already read of the stream, beginning with the client's preface.
  H2Connection(ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early = {},
               const H2Limits& limits = {});
  ~H2Connection() override;

  void start() override;
  void drain() override;
  void sweep(TimePoint now) override;
  void abort() override;

  // For its exchanges.
  ConnectionSet& set() const { return set_; }
  nghttp2_session* session() const { return session_; }
  // Something is to be sent, or input can go on: soon.
  void schedule();
  // The exchange, which may have been blocked, can take bytes again (or drops them).
  void unblock(H2Exchange& exchange);

 private:
  friend class H2Callbacks;

  void on_events(uint32_t events) override;
  void end_turn();
  void read_some();
  bool receive(std::span<const std::byte> bytes);
  void pause(H2Exchange& exchange, std::span<const std::byte> rest);
  void go_on();
  void flush();
  bool fill();
  void update_interest();
  void finish_if_done();
  void last_goaway();
  void linger();
  void close();
  void charge_idle_frame();
  void remove(H2Exchange& exchange);

  ConnectionSet& set_;
  std::unique_ptr<Stream> stream_;
  const H2Limits limits_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<H2Exchange>> exchanges_;
  H2Output output_;

  // The DATA frame that nghttp2 is in the middle of, so that its bytes can be read straight into
  // the sink.
  H2Exchange* data_exchange_ = nullptr;
  size_t data_left_ = 0;

  // Input that waits for the sink of blocked_: first the rest of its chunk, then what nghttp2 has
  // not seen.
  bool paused_ = false;
  H2Exchange* blocked_ = nullptr;  // null while paused: the stream has closed meanwhile
  std::vector<std::byte> stash_;
  size_t stash_chunk_ = 0;
  bool go_on_ = false;  // the blocked exchange has room, or dropped out
  EventLoop::TimerId stall_timer_ = 0;

  EventLoop::TimerId turn_timer_ = 0;
  bool in_turn_ = false;
  bool in_receive_ = false;
  bool close_wanted_ = false;
  bool closed_ = false;
  bool watching_ = false;
  bool draining_ = false, last_goaway_sent_ = false;
  bool lingering_ = false;
  bool settled_ = false;  // the client's SETTINGS have come
  bool write_blocked_ = false;
  uint32_t interest_ = 0, read_needs_ = 0, write_needs_ = 0;
  bool in_headers_ = false;  // a header block has begun and not ended

  TimePoint begun_, paused_since_, last_read_, last_written_, headers_since_, idle_since_,
      drain_since_, linger_since_, ping_sent_;
  bool ping_out_ = false;
  double idle_frame_credit_ = 0;
  TimePoint idle_frame_time_;
};

}  // namespace corolla::wire
