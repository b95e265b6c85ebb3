#include "wire/http1_connection.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "wire/error_map.h"
#include "wire/http1_reply.h"

namespace corolla::wire {
namespace {

constexpr size_t kFirstRead =
    4 << 10;  // holds any usual head; more would be more of the body to copy
constexpr size_t kCodedRead = 32 << 10;  // when the body must be looked at anyway
constexpr uint64_t kMaxDiscard = 1 << 20;
constexpr Duration kLingerTime = std::chrono::seconds(2);
constexpr uint64_t kLeastBodyRate = 1 << 10;  // bytes a second
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

HeadLimits head_limits(const TransportLimits& limits) {
  HeadLimits result;
  result.max_head = limits.max_header_bytes;
  result.max_request_line = std::min(result.max_request_line, limits.max_header_bytes);
  return result;
}

// Where bytes go that nobody wants. Written by many, read by nobody: one a thread.
std::span<std::byte> dustbin() {
  thread_local std::array<std::byte, 64 << 10> bytes;
  return bytes;
}

}  // namespace

Http1Connection::Http1Connection(ConnectionSet& set, std::unique_ptr<Stream> stream,
                                 std::string_view early)
    : set_(set),
      stream_(std::move(stream)),
      input_(*stream_, set.counters()),
      output_(*stream_),
      in_(kFirstRead),
      scanner_(head_limits(set.limits())),
      arrived_(set.loop().now()),
      since_(arrived_) {
  in_.append(early);
  set_.counters().bytes_in.add(early.size());
}

void Http1Connection::start() {
  if (!set_.loop().watch(stream_->fd(), EPOLLIN | EPOLLRDHUP, *this).ok()) {
    state_ = State::kClosed;
    set_.remove(*this);
    return;
  }
  process();
}

void Http1Connection::on_events(uint32_t events) {
  if (events & EPOLLERR) return client_gone();
  if ((events & EPOLLHUP) && state_ != State::kHead && state_ != State::kLinger)
    return client_gone();
  output_.told(events);
  input_.told(events);
  process();
}

void Http1Connection::process() {
  if (processing_) {
    again_ = true;
    return;
  }
  processing_ = true;
  do {
    again_ = false;
    while (step()) {
    }
  } while (again_);
  processing_ = false;
  if (state_ != State::kClosed) update_interest();
}

bool Http1Connection::step() {
  switch (state_) {
    case State::kHead:
      return step_head();
    case State::kBody:
      return step_body();
    case State::kAnswer:
      return step_answer();
    case State::kWrite:
      return step_write();
    case State::kDiscard:
      return step_discard();
    case State::kLinger:
      return step_linger();
    case State::kClosed:
      return false;
  }
  return false;
}

bool Http1Connection::step_head() {
  // Some clients end a body with a line end that is not counted in its length.
  while (blank_lines_ < 2 && in_.view().starts_with("\r\n")) {
    in_.consume(2);
    ++blank_lines_;
  }
  if (!in_.empty()) {
    const auto size = scanner_.scan(in_.view());
    if (scanner_.error()) {
      head_ = Http1Head();
      refuse(*scanner_.error());
      return true;
    }
    if (size) {
      begin_exchange(*size);
      return true;
    }
    if (in_.full())
      in_.reallocate(std::min(in_.capacity() * 2, set_.limits().max_header_bytes + kFirstRead));
  }
  if (input_.can_read()) {
    const bool first = in_.empty();
    switch (input_.fill(in_)) {
      case Http1Input::Read::kGot:
        if (first) arrived_ = since_ = loop().now();
        return true;
      case Http1Input::Read::kNothing:
        break;
      case Http1Input::Read::kEnded:
        close();
        return false;
    }
  }
  if (set_.draining() && in_.empty()) close();
  return false;
}

void Http1Connection::begin_exchange(size_t head_size) {
  head_text_.assign(in_.view().substr(0, head_size));
  in_.consume(head_size);
  scanner_.reset();
  blank_lines_ = 0;
  if (in_.empty() && in_.capacity() > kCodedRead) in_.reallocate(kFirstRead);
  set_.counters().http_requests.add();
  user = nullptr;
  const auto error = head_.parse(head_text_, head_limits(set_.limits()));
  if (error) return refuse(*error);
  const std::optional<uint64_t> length =
      head_.chunked() ? std::nullopt : std::optional(head_.content_length().value_or(0));
  const size_t limit = set_.limits().max_body_bytes;
  continue_due_ = head_.expects_continue() && length != 0;
  body_.begin(length, head_.body_coding(), limit);
  if (length.value_or(0) > limit)
    return refuse({413, "the request's body of " + std::to_string(*length) +
                            " bytes is larger than the limit of " + std::to_string(limit) +
                            " bytes"});
  known_ = true;
  state_ = State::kBody;
  since_ = body_since_ = loop().now();
  set_.handler().on_head(*this);
  if (!known_) return;
  std::optional<size_t> told = length;
  if (head_.body_coding() != Coding::kIdentity && length != 0) told.reset();
  BodySink* sink = set_.handler().on_message(*this, told);
  if (known_) sink_ = sink;
}

bool Http1Connection::step_body() {
  if (answered_) {
    begin_write();
    return true;
  }
  const Http1Body::Outcome outcome = body_.feed(in_, sink_);
  if (answered_ || state_ != State::kBody) return true;  // from within the sink
  switch (outcome) {
    case Http1Body::Outcome::kMore:
      return read_body();
    case Http1Body::Outcome::kNoRoom:
      return pause();
    case Http1Body::Outcome::kDone:
      state_ = State::kAnswer;
      sink_ = nullptr;
      // What epoll told of was used up by the body; what comes now it tells anew.
      input_.wait();
      set_.handler().on_message_end(*this);
      return true;
    case Http1Body::Outcome::kFailed:
      body_failed(body_.error());
      return true;
  }
  return false;
}

bool Http1Connection::pause() {
  paused_ = true;
  if (input_.ended()) hung_up();
  return false;
}

bool Http1Connection::read_body() {
  const uint64_t direct = in_.empty() ? body_.direct() : 0;
  std::span<std::byte> room = dustbin();
  if (sink_ != nullptr && (direct > 0 || continue_due_)) {
    room = sink_->room();
    if (answered_) return true;
    if (room.empty()) return pause();
  }
  if ((continue_due_ || output_.left()) && output_.blocked_on() == 0 && !send_continue())
    return false;
  if (!input_.can_read()) return false;
  size_t bytes = 0;
  Http1Input::Read got;
  if (direct == 0) {
    if (in_.capacity() < kCodedRead) in_.reallocate(kCodedRead);
    got = input_.fill(in_);
  } else {
    const size_t most = std::min<uint64_t>(direct, room.size());
    // Behind a chunk the next one's size follows: take it along. Behind a body of known length
    // follows another request, which waits.
    const std::span<std::byte> behind =
        most == direct && body_.chunked() ? in_.room() : std::span<std::byte>();
    const std::array<iovec, 2> parts{iovec{room.data(), most}, iovec{behind.data(), behind.size()}};
    got = input_.read(std::span(parts).first(behind.empty() ? 1 : 2), bytes);
    if (got == Http1Input::Read::kGot) {
      if (bytes > most) in_.wrote(bytes - most);
      const auto outcome = body_.took_direct(std::min(bytes, most), sink_);
      if (outcome == Http1Body::Outcome::kFailed && !answered_) body_failed(body_.error());
      if (answered_) return true;
    }
  }
  if (got == Http1Input::Read::kEnded) client_gone();
  if (got != Http1Input::Read::kGot) return false;
  since_ = loop().now();
  return true;
}

bool Http1Connection::step_answer() {
  if (answered_) {
    begin_write();
    return true;
  }
  if (input_.ended() && !half_closed_) {
    hung_up();
    return false;
  }
  // Only to learn of the client's end; what is read is the next request's beginning.
  if (half_closed_ || !input_.can_read() || in_.full()) return false;
  switch (input_.fill(in_)) {
    case Http1Input::Read::kGot:
      return true;
    case Http1Input::Read::kNothing:
      return false;
    case Http1Input::Read::kEnded:
      hung_up();
      return false;
  }
  return false;
}

bool Http1Connection::step_write() {
  if (!write()) return false;
  if (output_.left()) return false;
  end_exchange();
  return true;
}

bool Http1Connection::write() {
  const Http1Output::Progress progress = output_.write();
  if (progress.bytes > 0) {
    set_.counters().bytes_out.add(progress.bytes);
    since_ = loop().now();
  }
  if (progress.broken) client_gone();
  return !progress.broken;
}

bool Http1Connection::step_discard() {
  const auto outcome = body_.feed(in_, nullptr);
  if (outcome == Http1Body::Outcome::kDone) {
    state_ = State::kHead;
    since_ = arrived_ = loop().now();
    return true;
  }
  if (outcome == Http1Body::Outcome::kFailed || body_.received() - discarded_from_ > kMaxDiscard) {
    linger();
    return true;
  }
  return read_body();
}

bool Http1Connection::step_linger() {
  in_.clear();
  if (!input_.can_read()) return false;
  size_t bytes = 0;
  const iovec part{dustbin().data(), dustbin().size()};
  const auto got = input_.read(std::span(&part, 1), bytes);
  if (got == Http1Input::Read::kEnded) close();
  return got == Http1Input::Read::kGot;
}

void Http1Connection::reply(Reply reply) {
  CHECK(known_ && !answered_, "an exchange is answered once");
  known_ = false;
  answer_with(std::move(reply));
  process();
}

void Http1Connection::fail(const Error& error) {
  CHECK(known_ && !answered_, "an exchange is answered once");
  known_ = false;
  retry_after_ = error.code == Code::kOverloaded;
  answer_with(error_reply(http_status(error.code), error.what));
  process();
}

void Http1Connection::send(Reply) { CHECK(false, "send() is for gRPC streams"); }
void Http1Connection::finish(const Status&) { CHECK(false, "finish() is for gRPC streams"); }

void Http1Connection::resume() {
  if (state_ != State::kBody || !paused_) return;
  paused_ = false;
  body_since_ += loop().now() - since_;
  since_ = loop().now();
  input_.look_again();  // we may have been deaf to it
  process();
}

void Http1Connection::answer_with(Reply reply) {
  answered_ = true;
  sink_ = nullptr;
  paused_ = false;
  reply_ = std::move(reply);
}

void Http1Connection::refuse(const HttpError& error) {
  set_.counters().bad_requests.add();
  close_after_ = refused_ = true;
  answer_with(error_reply(error.status, error.what));
  begin_write();
  if (std::exchange(known_, false)) set_.handler().on_cancel(*this);
}

void Http1Connection::body_failed(const Error& error) {
  set_.counters().bad_requests.add();
  // Where chunks are broken, nobody knows where the next request begins.
  close_after_ |= body_.chunked();
  retry_after_ = error.code == Code::kOverloaded;
  answer_with(error_reply(http_status(error.code), error.what));
  if (std::exchange(known_, false)) set_.handler().on_cancel(*this);
}

bool Http1Connection::send_continue() {
  if (continue_due_) {
    continue_due_ = false;
    // A client that sends its body unasked needs no word.
    if (body_.received() > 0) return true;
    output_.interim(kContinue);
  }
  return write();
}

void Http1Connection::begin_write() {
  const bool whole = body_.done();
  close_after_ |= !head_.keep_alive() || set_.draining();
  // A client still waiting for 100 Continue may send its body or not: unknown, so no request can
  // follow.
  if (!whole && ((continue_due_ && body_.received() == 0) || body_.data_left() > kMaxDiscard))
    close_after_ = true;

  ReplyHead head = head_of(reply_, head_.header("accept-encoding"));
  head.retry_after = std::exchange(retry_after_, false);
  if (close_after_)
    head.connection = "close";
  else if (head_.minor_version() == 0)
    head.connection = "keep-alive";

  output_.answer(head, head_.method() == "HEAD" ? std::span<const Piece>() : reply_.pieces);
  state_ = State::kWrite;
  since_ = loop().now();
}

void Http1Connection::end_exchange() {
  const Reply done = std::exchange(reply_, {});
  answered_ = false;
  since_ = arrived_ = loop().now();
  if (close_after_) {
    // Unread bytes would turn our close into a reset that overtakes the answer.
    const bool unread = refused_ || !body_.done() || !in_.empty() || input_.can_read();
    if (unread && !input_.ended())
      linger();
    else
      close();
  } else if (!body_.done()) {
    discarded_from_ = body_.received();
    input_.look_again();
    state_ = State::kDiscard;
  } else {
    state_ = State::kHead;
  }
  if (done.release) done.release();
}

// The peer has closed its sending side while we owe it an answer.
void Http1Connection::hung_up() {
  if (head_.keep_alive()) return client_gone();
  half_closed_ = true;
}

void Http1Connection::client_gone() {
  if (known_ || answered_) set_.counters().client_gone.add();
  close();
}

void Http1Connection::drain() {
  if (state_ == State::kHead && !processing_)
    input_.look_again();  // a last look: a request may have come
  process();
}

void Http1Connection::abort() {
  if (state_ != State::kClosed) close();
}

void Http1Connection::sweep(TimePoint now) {
  const TransportLimits& limits = set_.limits();
  switch (state_) {
    case State::kHead:
      if (in_.empty()) {
        if (now - since_ < limits.idle_timeout) return;
        close();
      } else if (now - since_ >= limits.header_timeout) {
        set_.counters().timed_out.add();
        head_ = Http1Head();
        refuse({408, "the request's headers did not come within " +
                         std::to_string(to_seconds(limits.header_timeout)) + " seconds"});
        process();
      }
      return;
    case State::kBody: {
      if (paused_) return;
      const Duration grace =
          limits.body_timeout + std::chrono::seconds(body_.received() / kLeastBodyRate);
      if (now - since_ < limits.body_timeout && now - body_since_ < grace) return;
      set_.counters().timed_out.add();
      refuse({408, "the request's body did not come in time: " + std::to_string(body_.received()) +
                       " bytes came"});
      process();
      return;
    }
    case State::kAnswer:
    case State::kClosed:
      return;
    case State::kWrite:
      if (now - since_ < limits.write_timeout) return;
      break;
    case State::kDiscard:
      if (now - since_ < limits.body_timeout) return;
      break;
    case State::kLinger:
      if (now - since_ >= kLingerTime) close();
      return;
  }
  set_.counters().timed_out.add();
  stream_->reset_on_close();
  close();
}

void Http1Connection::linger() {
  state_ = State::kLinger;
  since_ = loop().now();
  input_.look_again();
  stream_->shutdown_write();
}

void Http1Connection::close() {
  if (state_ == State::kClosed) return;
  if (stream_->encrypted() && state_ != State::kLinger) stream_->shutdown_write();
  state_ = State::kClosed;
  loop().unwatch(stream_->fd());
  sink_ = nullptr;
  const Reply unsent = std::exchange(reply_, {});
  if (unsent.release) unsent.release();
  if (std::exchange(known_, false)) set_.handler().on_cancel(*this);
  set_.remove(*this);
}

void Http1Connection::update_interest() {
  bool reading = false;
  switch (state_) {
    case State::kHead:
    case State::kDiscard:
    case State::kLinger:
      reading = true;
      break;
    case State::kBody:
      reading = !paused_;
      break;
    case State::kAnswer:
      reading = !half_closed_ && !in_.full();
      break;
    case State::kWrite:
    case State::kClosed:
      break;
  }
  uint32_t events = reading ? EPOLLIN | EPOLLRDHUP : 0;
  // Deaf for want of room, but not to the client's end; while writing, the write itself will tell.
  if (!reading && state_ != State::kWrite && !half_closed_) events |= EPOLLRDHUP;
  events |= output_.blocked_on();
  if (reading && input_.needs_out()) events |= EPOLLOUT;
  loop().change(stream_->fd(), events);
}

}  // namespace corolla::wire
