#include "wire/h2_connection.h"

#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "wire/h2_callbacks.h"
#include "wire/h2_exchange.h"

namespace corolla::wire {
namespace {

constexpr size_t kScratchBytes = 64 << 10;
// Read in one go before other connections have their turn.
constexpr size_t kReadBudget = 2 << 20;
// Rooms smaller than this are filled by a copy: one system call for many small messages.
constexpr size_t kDirectFrom = 4096;
// Taken from nghttp2 before it is written.
constexpr size_t kFillBytes = 256 << 10;
// With so many frames waiting for a client that does not read, its input is not read either.
constexpr size_t kMaxOutboundFrames = 4096;
// RFC 9218, section 2.1; Ubuntu 22.04's nghttp2 has no name for it.
constexpr int32_t kNoPriorities = 9;
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr std::array<uint8_t, 8> kAlivePing = {'a', 'l', 'i', 'v', 'e', 0, 0, 0};

// Input is understood before the next read, so one buffer serves all connections of a thread.
std::span<std::byte> scratch() {
  static thread_local const auto buffer =
      std::make_unique_for_overwrite<std::byte[]>(kScratchBytes);
  return {buffer.get(), kScratchBytes};
}

}  // namespace

H2Connection::H2Connection(ConnectionSet& set, std::unique_ptr<Stream> stream,
                           std::string_view early, const H2Limits& limits)
    : set_(set), stream_(std::move(stream)), limits_(limits) {
  const auto bytes = std::as_bytes(std::span(early));
  stash_.assign(bytes.begin(), bytes.end());
  idle_frame_credit_ = limits_.idle_frame_burst;
  begun_ = last_read_ = last_written_ = idle_since_ = idle_frame_time_ = set_.loop().now();

  nghttp2_option* option;
  CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_stream_reset_rate_limit(option, limits_.reset_burst,
                                             limits_.resets_per_second);
  nghttp2_option_set_max_continuations(option, 16);
  CHECK(nghttp2_session_server_new2(&session_, H2Callbacks::all(), this, option) == 0);
  nghttp2_option_del(option);

  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits_.max_frame},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
       static_cast<uint32_t>(set_.limits().max_header_bytes)},
      {kNoPriorities, 1},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits_.connection_window));
}

H2Connection::~H2Connection() {
  if (turn_timer_ != 0) set_.loop().cancel(turn_timer_);
  if (stall_timer_ != 0) set_.loop().cancel(stall_timer_);
  nghttp2_session_del(session_);
}

void H2Connection::start() {
  interest_ = EPOLLIN | EPOLLRDHUP;
  if (!set_.loop().watch(stream_->fd(), interest_, *this).ok()) return close();
  watching_ = true;
  in_turn_ = true;
  const std::vector<std::byte> early = std::exchange(stash_, {});
  if (!early.empty() && receive(early)) read_some();
  end_turn();
}

// ---- turns: every entrance from outside ends in end_turn()

void H2Connection::on_events(uint32_t events) {
  in_turn_ = true;
  if (write_blocked_ && (events & write_needs_)) write_blocked_ = false;
  if (events & (EPOLLERR | EPOLLHUP)) {
    close();
  } else if (paused_ && (events & EPOLLRDHUP)) {
    close();  // gone, though not all that it sent has been read
  } else if ((events & (EPOLLIN | EPOLLRDHUP)) || (read_needs_ & events)) {
    read_some();
  }
  end_turn();
}

void H2Connection::schedule() {
  if (in_turn_ || turn_timer_ != 0 || closed_) return;
  turn_timer_ = set_.loop().at(set_.loop().now(), [this] {
    turn_timer_ = 0;
    in_turn_ = true;
    end_turn();
  });
}

void H2Connection::end_turn() {
  // Writing may close streams, releases may let blocked input go on, and that may bring answers:
  // until all is quiet.
  do {
    if (!closed_ && go_on_) go_on();
    if (!closed_ && !paused_ && stream_->has_buffered()) read_some();
    if (!closed_) flush();
  } while (!closed_ && go_on_);
  if (!closed_) finish_if_done();
  in_turn_ = false;
  if (close_wanted_ && !closed_) close();
  if (!closed_) update_interest();
}

void H2Connection::update_interest() {
  uint32_t events = EPOLLRDHUP;
  const bool clogged =
      write_blocked_ && nghttp2_session_get_outbound_queue_size(session_) > kMaxOutboundFrames;
  if (lingering_ || (!paused_ && !clogged)) events |= read_needs_ ? read_needs_ : EPOLLIN;
  if (write_blocked_) events |= write_needs_;
  if (events == interest_) return;
  interest_ = events;
  set_.loop().change(stream_->fd(), events);
}

// ---- input

void H2Connection::read_some() {
  size_t budget = kReadBudget;
  while (!paused_ && !closed_ && !close_wanted_) {
    std::span<std::byte> direct;
    if (data_exchange_ && data_left_ >= kDirectFrom && !lingering_)
      direct = data_exchange_->direct_room();
    direct = direct.first(std::min(direct.size(), data_left_));
    if (direct.size() < kDirectFrom) direct = {};
    const std::span<std::byte> rest = scratch();
    const iovec parts[] = {{direct.data(), direct.size()}, {rest.data(), rest.size()}};
    const IoResult io =
        stream_->read(direct.empty() ? std::span(parts).subspan(1) : std::span(parts));
    read_needs_ = io.blocked() ? io.needs : 0;
    if (io.blocked()) return;
    if (!io.done()) return close();
    set_.counters().bytes_in.add(io.bytes);
    last_read_ = set_.loop().now();
    if (!lingering_) {
      const size_t first = std::min(io.bytes, direct.size());
      if (first > 0 && !receive(direct.first(first))) return;
      if (io.bytes > first && !receive(rest.first(io.bytes - first))) return;
    }
    const bool all = io.bytes < direct.size() + rest.size();
    if (all && !stream_->has_buffered()) return;
    if (io.bytes >= budget) break;
    budget -= io.bytes;
  }
  // epoll knows nothing of what a TLS stream has decrypted already.
  if (!paused_ && !closed_ && stream_->has_buffered()) {
    in_turn_ = false;
    schedule();
    in_turn_ = true;
  }
}

// False: the connection is at its end.
bool H2Connection::receive(std::span<const std::byte> bytes) {
  if (paused_) {
    stash_.insert(stash_.end(), bytes.begin(), bytes.end());
    return true;
  }
  in_receive_ = true;
  const ssize_t n = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  in_receive_ = false;
  if (n < 0) {
    // Not HTTP/2, or a flood. What nghttp2 has to say about it may still get out.
    set_.counters().bad_requests.add();
    flush();
    if (!closed_) linger();
    return false;
  }
  if (paused_) {
    const auto unseen = bytes.subspan(static_cast<size_t>(n));
    stash_.insert(stash_.end(), unseen.begin(), unseen.end());
  }
  return !close_wanted_;
}

void H2Connection::pause(H2Exchange& exchange, std::span<const std::byte> rest) {
  paused_ = true;
  paused_since_ = set_.loop().now();
  blocked_ = &exchange;
  stash_.assign(rest.begin(), rest.end());
  stash_chunk_ = rest.size();
  stall_timer_ = set_.loop().at(set_.loop().now() + limits_.stall, [this] {
    stall_timer_ = 0;
    if (!blocked_) return;
    set_.counters().timed_out.add();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limits_.stall).count();
    blocked_->break_off({Code::kUnavailable, "there was no room for the request's values within " +
                                                 std::to_string(ms) +
                                                 " ms: all slots are taken; try again later"});
  });
}

void H2Connection::unblock(H2Exchange& exchange) {
  if (blocked_ != &exchange && !exchange.ending()) return;
  go_on_ = true;
  schedule();
}

// The paused input, as far as it is possible now.
void H2Connection::go_on() {
  go_on_ = false;
  for (size_t i = 0; i < exchanges_.size(); ++i) exchanges_[i]->try_end();
  if (!paused_) return;
  size_t taken = stash_chunk_;
  const bool still = blocked_ != nullptr;
  if (still) {
    const int32_t id = blocked_->id();
    taken = blocked_->take(std::span(stash_).first(stash_chunk_));
    nghttp2_session_consume(session_, id, taken);
  } else {
    nghttp2_session_consume_connection(session_, taken);
  }
  if (still && blocked_->blocked()) {
    stash_.erase(stash_.begin(), stash_.begin() + static_cast<ptrdiff_t>(taken));
    stash_chunk_ -= taken;
    return;
  }
  const std::vector<std::byte> stash = std::exchange(stash_, {});
  paused_ = false;
  blocked_ = nullptr;
  if (stall_timer_ != 0) set_.loop().cancel(std::exchange(stall_timer_, 0));
  last_read_ = set_.loop().now();
  for (const auto& e : exchanges_) e->forgive(last_read_ - paused_since_);
  // Also when nothing is left: nghttp2 has the frame's end to deal with.
  receive(std::span(stash).subspan(stash_chunk_));
}

void H2Connection::charge_idle_frame() {
  const TimePoint now = set_.loop().now();
  idle_frame_credit_ =
      std::min(limits_.idle_frame_burst, idle_frame_credit_ + to_seconds(now - idle_frame_time_) *
                                                                  limits_.idle_frames_per_second);
  idle_frame_time_ = now;
  idle_frame_credit_ -= 1;
  if (idle_frame_credit_ < 0)
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void H2Connection::remove(H2Exchange& exchange) {
  exchange.closed();
  if (data_exchange_ == &exchange) data_exchange_ = nullptr;
  if (blocked_ == &exchange) {
    blocked_ = nullptr;
    go_on_ = true;
  }
  nghttp2_session_set_stream_user_data(session_, exchange.id(), nullptr);
  const auto at = std::find_if(exchanges_.begin(), exchanges_.end(),
                               [&](const auto& e) { return e.get() == &exchange; });
  CHECK(at != exchanges_.end());
  std::swap(*at, exchanges_.back());
  exchanges_.pop_back();
  if (exchanges_.empty()) idle_since_ = set_.loop().now();
}

// ---- output

// False: the session is broken.
bool H2Connection::fill() {
  while (output_.bytes() < kFillBytes) {
    const uint8_t* data;
    const ssize_t n = nghttp2_session_mem_send(session_, &data);
    if (n < 0) return false;
    if (n == 0) break;
    output_.append(std::as_bytes(std::span(data, static_cast<size_t>(n))));
  }
  return true;
}

void H2Connection::flush() {
  while (!write_blocked_) {
    if (output_.empty()) {
      if (!lingering_ && !fill()) return close();
      if (output_.empty()) return;
    }
    const IoResult io = stream_->write(output_.parts());
    if (io.blocked()) {
      write_blocked_ = true;
      write_needs_ = io.needs;
      return;
    }
    if (!io.done()) return close();
    set_.counters().bytes_out.add(io.bytes);
    last_written_ = set_.loop().now();
    output_.written(io.bytes);
    if (lingering_ && output_.empty()) stream_->shutdown_write();
  }
}

// ---- the end

void H2Connection::drain() {
  if (draining_ || closed_ || lingering_) return;
  draining_ = true;
  drain_since_ = set_.loop().now();
  if (!settled_) return abort();
  // Requests that are on their way now are still served: the last GOAWAY, with the last stream's
  // number, follows when the client has surely seen this one.
  nghttp2_submit_shutdown_notice(session_);
  schedule();
}

void H2Connection::last_goaway() {
  if (!draining_ || last_goaway_sent_) return;
  last_goaway_sent_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  schedule();
}

void H2Connection::finish_if_done() {
  if (lingering_ || !output_.empty() || (draining_ && !last_goaway_sent_)) return;
  const bool over = !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_);
  if (over || (last_goaway_sent_ && exchanges_.empty())) linger();
}

// All is said: closes the sending side, and waits a little for the client to close the other, lest
// a reset destroy what it has not read yet.
void H2Connection::linger() {
  lingering_ = true;
  paused_ = false;
  linger_since_ = set_.loop().now();
  for (size_t i = 0; i < exchanges_.size(); ++i) exchanges_[i]->closed();
  if (output_.empty()) stream_->shutdown_write();
}

void H2Connection::abort() {
  if (closed_) return;
  if (in_turn_) {
    close_wanted_ = true;
  } else {
    close();
  }
}

void H2Connection::close() {
  if (closed_) return;
  closed_ = true;
  if (watching_) set_.loop().unwatch(stream_->fd());
  if (turn_timer_ != 0) set_.loop().cancel(std::exchange(turn_timer_, 0));
  if (stall_timer_ != 0) set_.loop().cancel(std::exchange(stall_timer_, 0));
  for (size_t i = 0; i < exchanges_.size(); ++i) exchanges_[i]->closed();
  set_.remove(*this);
}

void H2Connection::sweep(TimePoint now) {
  if (closed_) return;
  const TransportLimits& limits = set_.limits();
  const auto late = [&](TimePoint since, Duration limit) { return now - since > limit; };
  const auto time_out = [&] {
    set_.counters().timed_out.add();
    close();
  };
  if (lingering_) {
    if (late(linger_since_, kLinger)) close();
    return;
  }
  if (!settled_ && late(begun_, limits.header_timeout)) return time_out();
  if (in_headers_ && !paused_ && late(headers_since_, limits.header_timeout)) return time_out();
  if (write_blocked_ && late(last_written_, limits.write_timeout)) return time_out();
  if (ping_out_ && !paused_ && late(ping_sent_, limits_.ping_timeout)) {
    if (last_read_ < ping_sent_) return time_out();
    ping_out_ = false;
  }
  in_turn_ = true;
  for (size_t i = 0; i < exchanges_.size() && !paused_; ++i) {
    H2Exchange& e = *exchanges_[i];
    if (e.waits_for_client(now)) {
      set_.counters().timed_out.add();
      e.break_off({Code::kDeadlineExceeded,
                   "no more of the request came for " +
                       std::to_string(static_cast<int>(to_seconds(limits.body_timeout))) + " s"});
    } else if (e.waits_for_reader(now)) {
      set_.counters().timed_out.add();
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, e.id(), NGHTTP2_CANCEL);
    }
  }
  if (draining_ && !last_goaway_sent_ && late(drain_since_, limits_.drain_notice)) last_goaway();
  if (settled_ && exchanges_.empty() && late(idle_since_, limits.idle_timeout)) drain();
  if (!exchanges_.empty() && !ping_out_ && !paused_ && late(last_read_, limits_.ping_after)) {
    ping_out_ = true;
    ping_sent_ = now;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kAlivePing.data());
  }
  end_turn();
}

}  // namespace corolla::wire
