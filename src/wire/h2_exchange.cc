#include "wire/h2_exchange.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "wire/error_map.h"
#include "wire/grpc_headers.h"
#include "wire/h2_connection.h"
#include "wire/h2_heads.h"
#include "wire/http1_reply.h"

namespace corolla::wire {
namespace {

// Answers smaller than this are not worth compressing.
constexpr size_t kCompressFrom = 1024;
// A message that has been coming for longer than body_timeout must have come faster than this on
// average.
constexpr double kLeastBytesPerSecond = 1024;

}  // namespace

H2Exchange::H2Exchange(H2Connection& connection, int32_t id)
    : connection_(connection),
      id_(id),
      arrived_(connection.set().loop().now()),
      last_in_(arrived_),
      last_out_(arrived_) {}

H2Exchange::~H2Exchange() {
  if (deadline_timer_ != 0) loop().cancel(deadline_timer_);
}

EventLoop& H2Exchange::loop() const { return connection_.set().loop(); }

// ---- the head

H2Exchange::Slice H2Exchange::store(std::string_view text) {
  const Slice slice{static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(text.size())};
  text_ += text;
  return slice;
}

void H2Exchange::add_header(std::string_view name, std::string_view value) {
  header_bytes_ += name.size() + value.size() + 32;  // as RFC 9113 counts them
  if (header_bytes_ > connection_.set().limits().max_header_bytes) too_large_ = true;
  if (too_large_) return;
  if (text_.empty()) {
    text_.reserve(384);
    headers_.reserve(10);
  }
  if (name.starts_with(':')) {
    if (name == ":method") method_ = store(value);
    if (name == ":path") split_target(value);
    if (name != ":authority") return;
    name = "host";
  }
  for (Header& h : headers_) {
    if (view(h.name) != name) continue;
    if (name == "host") return;
    const std::string joined = std::string(view(h.value)) + ", " + std::string(value);
    h.value = store(joined);
    return;
  }
  const Slice stored = store(name);
  headers_.push_back({stored, store(value)});
}

void H2Exchange::split_target(std::string_view target) {
  const size_t mark = target.find('?');
  path_ = store(target.substr(0, mark));
  if (mark != std::string_view::npos) query_ = store(target.substr(mark + 1));
}

std::optional<std::string_view> H2Exchange::header(std::string_view name) const {
  for (const Header& h : headers_)
    if (view(h.name) == name) return view(h.value);
  return std::nullopt;
}

void H2Exchange::head_complete(bool input_ends) {
  input_done_ = input_ends;
  const std::string_view content_type = header("content-type").value_or("");
  grpc_ = is_grpc_content_type(content_type);
  if (too_large_) {
    const std::string limit = std::to_string(connection_.set().limits().max_header_bytes);
    return refuse(431, {Code::kTooLarge,
                        "the request's headers are over " + limit + " bytes: that is the limit"});
  }
  if (grpc_ || is_grpc_path(path())) {
    begin_grpc();
  } else {
    begin_http();
  }
}

void H2Exchange::begin_grpc() {
  if (method() != "POST") {
    grpc_ = false;
    return refuse(405,
                  {Code::kInvalidArgument, "gRPC calls are POST, not " + std::string(method())});
  }
  if (!grpc_)
    return refuse(415, {Code::kInvalidArgument,
                        "this path is a gRPC method: its content-type is application/grpc"});
  connection_.set().counters().grpc_requests.add();
  client_streams_ = client_streams(path());
  if (const auto encoding = header("grpc-encoding")) {
    const auto coding = parse_coding(*encoding);
    if (!coding)
      return refuse(0,
                    {Code::kUnsupported, "grpc-encoding '" + std::string(encoding->substr(0, 32)) +
                                             "' is not offered; gzip and deflate are"});
    coding_ = *coding;
  }
  if (const auto text = header("grpc-timeout")) {
    timeout_ = parse_grpc_timeout(*text);
    if (!timeout_)
      return refuse(
          0, {Code::kInvalidArgument, "grpc-timeout '" + std::string(text->substr(0, 32)) +
                                          "' is not up to 8 digits and one of H, M, S, m, u, n"});
    deadline_timer_ = loop().at(arrived_ + *timeout_, [this] {
      deadline_timer_ = 0;
      connection_.set().counters().timed_out.add();
      break_off(
          {Code::kDeadlineExceeded, "the call's grpc-timeout passed before its answer was ready"});
    });
  }
  known_ = true;
  connection_.set().handler().on_head(*this);
}

void H2Exchange::begin_http() {
  connection_.set().counters().http_requests.add();
  const size_t limit = connection_.set().limits().max_body_bytes;
  std::optional<size_t> length;
  if (input_done_) length = 0;
  if (const auto text = header("content-length")) {
    size_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size())
      return refuse(400, {Code::kInvalidArgument, "content-length is no number"});
    if (value > limit)
      return refuse(413,
                    {Code::kTooLarge, "the body of " + std::to_string(value) +
                                          " bytes is over the limit of " + std::to_string(limit)});
    length = value;
  }
  if (const auto encoding = header("content-encoding")) {
    const auto coding = parse_coding(*encoding);
    if (!coding)
      return refuse(415, {Code::kInvalidArgument, "content-encoding '" +
                                                      std::string(encoding->substr(0, 32)) +
                                                      "' is not offered; gzip and deflate are"});
    coding_ = *coding;
  }
  known_ = true;
  connection_.set().handler().on_head(*this);
  if (done_) return;
  if (coding_ != Coding::kIdentity && length != 0) length.reset();
  BodySink* sink = connection_.set().handler().on_message(*this, length);
  if (done_) return;
  in_message_ = true;
  message_since_ = loop().now();
  feed_.begin(sink, coding_, limit);
}

// ---- the messages

std::span<std::byte> H2Exchange::direct_room() {
  if (done_ || blocked_ || !in_message_) return {};
  const std::span<std::byte> room = feed_.direct_room();
  return grpc_ ? room.first(std::min<uint64_t>(room.size(), message_left_)) : room;
}

size_t H2Exchange::take(std::span<const std::byte> data) {
  last_in_ = loop().now();
  blocked_ = false;
  size_t done = 0;
  while (!done_) {
    if (grpc_ && !in_message_) {
      const size_t n = std::min(prefix_.size() - prefix_have_, data.size() - done);
      if (n > 0) std::memcpy(prefix_.data() + prefix_have_, data.data() + done, n);
      prefix_have_ += n;
      done += n;
      if (prefix_have_ < prefix_.size()) return done;
      prefix_have_ = 0;
      begin_message();
      continue;
    }
    if (!in_message_) break;  // HTTP, behind its body
    const size_t n =
        grpc_ ? std::min<uint64_t>(message_left_, data.size() - done) : data.size() - done;
    if (n > 0) {
      Result<size_t> taken = feed_.take(data.subspan(done, n));
      if (done_) break;
      if (!taken.ok()) {
        connection_.set().counters().bad_requests.add();
        break_off(taken.error());
        break;
      }
      done += *taken;
      message_bytes_ += *taken;
      message_left_ -= grpc_ ? *taken : 0;
      blocked_ = feed_.blocked();
      if (blocked_) return done;
    }
    if (!grpc_ || message_left_ > 0) return done;
    end_message();
    if (blocked_ || (!done_ && done == data.size())) return done;
  }
  return data.size();
}

void H2Exchange::begin_message() {
  const auto byte = [&](int i) { return static_cast<uint32_t>(prefix_[i]); };
  const uint32_t flag = byte(0), length = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
  const size_t limit = connection_.set().limits().max_body_bytes;
  const auto refuse_message = [&](Code code, std::string what) {
    connection_.set().counters().bad_requests.add();
    break_off({code, std::move(what)});
  };
  if (flag > 1)
    return refuse_message(Code::kInternal, "a message begins with the flag " +
                                               std::to_string(flag) + ", which gRPC does not have");
  if (flag == 1 && coding_ == Coding::kIdentity)
    return refuse_message(
        Code::kInternal,
        "a message is marked as compressed, but grpc-encoding names no compression");
  if (length > limit)
    return refuse_message(Code::kTooLarge, "a message of " + std::to_string(length) +
                                               " bytes is over the limit of " +
                                               std::to_string(limit));
  if (!client_streams_ && messages_ > 0)
    return refuse_message(Code::kUnsupported,
                          "this method takes one message a call, and got a second one");
  ++messages_;
  any_compressed_ |= flag == 1;
  message_left_ = length;
  message_bytes_ = 0;
  message_since_ = loop().now();
  in_message_ = true;
  BodySink* sink = connection_.set().handler().on_message(
      *this, flag ? std::nullopt : std::optional<size_t>(length));
  if (!done_) feed_.begin(sink, flag ? coding_ : Coding::kIdentity, limit);
}

// All bytes of the message have been given to the feed.
void H2Exchange::end_message() {
  Result<bool> complete = feed_.end();
  if (done_) return;
  if (!complete.ok()) {
    connection_.set().counters().bad_requests.add();
    return break_off(complete.error());
  }
  blocked_ = !*complete;
  if (blocked_) return;
  in_message_ = false;
  connection_.set().handler().on_message_end(*this);
}

void H2Exchange::input_ended() {
  input_done_ = true;
  last_in_ = loop().now();
  if (done_ || !known_) return;
  if (!grpc_) {
    if (in_message_) end_message();
    return;
  }
  if (in_message_ || prefix_have_ > 0) {
    connection_.set().counters().bad_requests.add();
    return break_off({Code::kInvalidArgument,
                      "the stream ended inside a message, " +
                          (in_message_ ? std::to_string(message_left_) + " bytes before its end"
                                       : std::string("in its length"))});
  }
  if (client_streams_) return connection_.set().handler().on_half_close(*this);
  if (messages_ == 0) {
    connection_.set().counters().bad_requests.add();
    break_off({Code::kUnsupported,
               "this method takes one message a call, and the stream ended without one"});
  }
}

void H2Exchange::forgive(Duration paused) {
  last_in_ += paused;
  message_since_ += paused;
}

bool H2Exchange::waits_for_client(TimePoint now) const {
  if (!known_ || done_ || input_done_ || blocked_) return false;
  const Duration limit = connection_.set().limits().body_timeout;
  const bool expects = in_message_ || prefix_have_ > 0 || (messages_ == 0 && !client_streams_);
  if (expects && now - last_in_ > limit) return true;
  // A drop now and then is no progress.
  const Duration taken = now - message_since_;
  return in_message_ && taken > limit &&
         static_cast<double>(message_bytes_) < kLeastBytesPerSecond * to_seconds(taken);
}

bool H2Exchange::waits_for_reader(TimePoint now) const {
  return submitted_ && !out_.empty() && now - last_out_ > connection_.set().limits().write_timeout;
}

void H2Exchange::resume() { connection_.unblock(*this); }

void H2Exchange::try_end() {
  if (ending()) end_message();
}

// ---- the end

void H2Exchange::answered() {
  done_ = true;
  known_ = false;
  blocked_ = false;
  last_out_ = loop().now();
  feed_.drop();
  if (deadline_timer_ != 0) loop().cancel(std::exchange(deadline_timer_, 0));
  connection_.unblock(*this);
  connection_.schedule();
}

void H2Exchange::closed() {
  if (!known_ || done_) return;
  answered();
  connection_.set().counters().client_gone.add();
  connection_.set().handler().on_cancel(*this);
}

void H2Exchange::break_off(const Error& error) {
  if (done_) return;
  const bool known = known_;
  answer_error(error);
  answered();
  if (known) connection_.set().handler().on_cancel(*this);
}

// Before the handler knew of it.
void H2Exchange::refuse(int http_status, const Error& error) {
  connection_.set().counters().bad_requests.add();
  if (grpc_) {
    answer_error(error);
  } else {
    enqueue(error_reply(http_status, error.what));
    submit_http(http_status, "application/json", std::nullopt, false);
  }
  answered();
}

void H2Exchange::answer_error(const Error& error) {
  if (!grpc_) {
    const int status = http_status(error.code);
    enqueue(error_reply(status, error.what));
    return submit_http(status, "application/json", std::nullopt, error.code == Code::kOverloaded);
  }
  ok_ = false;
  status_ = error;
  finish_ = true;
  if (!submitted_) return submit_trailers_only();
  nghttp2_session_resume_data(connection_.session(), id_);
}

void H2Exchange::fail(const Error& error) {
  CHECK(!done_);
  answer_error(error);
  answered();
}

Coding H2Exchange::answer_coding(const Reply& reply) const {
  if (!reply.compressible || body_size(reply) < kCompressFrom) return Coding::kIdentity;
  if (!grpc_) return Coding::kIdentity;
  // As the client does it: whoever compresses requests wants compressed answers.
  if (!any_compressed_ || !accepts(header("grpc-accept-encoding").value_or(""), coding_))
    return Coding::kIdentity;
  return coding_;
}

void H2Exchange::enqueue(Reply reply) {
  const Coding coding = answer_coding(reply);
  if (coding != Coding::kIdentity) {
    compress_reply(coding, reply);
    reply.release = nullptr;
  }
  if (grpc_) {
    out_.add_message(std::move(reply), coding != Coding::kIdentity);
  } else {
    out_.add_body(std::move(reply));
  }
}

void H2Exchange::reply(Reply reply) {
  CHECK(!done_);
  if (grpc_) {
    enqueue(std::move(reply));
    finish_ = true;
    submit_grpc_headers();
  } else {
    const int status = reply.http_status;
    const std::string_view type = reply.content_type;
    const auto json_size = reply.json_size;
    enqueue(std::move(reply));
    submit_http(status, type, json_size, false);
  }
  answered();
}

void H2Exchange::send(Reply reply) {
  CHECK(!done_ && grpc_);
  if (out_.empty()) last_out_ = loop().now();
  enqueue(std::move(reply));
  if (submitted_) {
    nghttp2_session_resume_data(connection_.session(), id_);
  } else {
    submit_grpc_headers();
  }
  connection_.schedule();
}

void H2Exchange::finish(const Status& status) {
  CHECK(!done_ && grpc_);
  finish_ = true;
  ok_ = status.ok();
  if (!ok_) status_ = status.error();
  if (submitted_) {
    nghttp2_session_resume_data(connection_.session(), id_);
  } else {
    submit_trailers_only();
  }
  answered();
}

// ---- what nghttp2 is given

namespace {
ssize_t read_source(nghttp2_session*, int32_t, uint8_t* to, size_t length, uint32_t* flags,
                    nghttp2_data_source* source, void*) {
  auto& exchange = *static_cast<H2Exchange*>(source->ptr);
  const H2Outbox::ReadResult result = exchange.read({reinterpret_cast<std::byte*>(to), length});
  if (result.no_copy) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (result.all) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (exchange.protocol() == Protocol::kGrpc) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      exchange.submit_trailers();
    }
  } else if (result.bytes == 0) {
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(result.bytes);
}
}  // namespace

H2Outbox::ReadResult H2Exchange::read(std::span<std::byte> to) {
  last_out_ = loop().now();
  return out_.read(to, finish_);
}

void H2Exchange::submit_grpc_headers() {
  submitted_ = true;
  const nghttp2_data_provider provider{.source = {.ptr = this}, .read_callback = read_source};
  submit_grpc_head(connection_.session(), id_,
                   any_compressed_ ? std::optional(coding_) : std::nullopt, provider);
}

void H2Exchange::submit_trailers_only() {
  submitted_ = true;
  submit_grpc_trailers_only(connection_.session(), id_, ok_ ? nullptr : &status_);
}

void H2Exchange::submit_trailers() {
  submit_grpc_trailers(connection_.session(), id_, ok_ ? nullptr : &status_);
}

void H2Exchange::submit_http(int status, std::string_view content_type,
                             std::optional<size_t> json_size, bool retry_after) {
  submitted_ = finish_ = true;
  const H2HttpHead head{.status = status,
                        .length = out_.empty() ? 0 : out_.first_size(),
                        .content_type = content_type,
                        .json_size = json_size,
                        .retry_after = retry_after};
  if (method() == "HEAD") out_.clear();
  const nghttp2_data_provider provider{.source = {.ptr = this}, .read_callback = read_source};
  submit_http_head(connection_.session(), id_, head, out_.empty() ? nullptr : &provider);
}

}  // namespace corolla::wire
