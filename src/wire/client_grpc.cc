#include "wire/client_grpc.h"

#include <nghttp2/nghttp2.h>
#include <string.h>
#include <sys/epoll.h>

#include <array>
#include <charconv>
#include <deque>
#include <span>

#include "base/check.h"
#include "wire/client_status.h"
#include "wire/h2_output.h"
#include "wire/stream.h"

namespace corolla::wire {
namespace {

constexpr uint32_t kMaxFrame = 256 << 10;  // so that calls still take turns
constexpr size_t kMaxQueued =
    size_t{1} << 20;  // bytes given to us by nghttp2 that the socket has not taken yet
constexpr size_t kMaxMessage = size_t{1} << 31;
constexpr int32_t kStreamWindow = 8 << 20;
constexpr int32_t kConnectionWindow = 64 << 20;
constexpr size_t kReadBytes = 256 << 10;

class GrpcConnection final : public ClientConnection, EventLoop::Watcher {
 public:
  GrpcConnection(EventLoop& loop, const ClientAddress& address) : loop_(loop), address_(address) {
    read_buffer_.resize(kReadBytes);
  }

  ~GrpcConnection() override {
    if (gone_ != nullptr) *gone_ = true;
    loop_.cancel(flush_soon_);
    loop_.cancel(fail_soon_);
    for (auto& stream : all_)
      if (stream->timer != 0) loop_.cancel(stream->timer);
    close_socket();
  }

  size_t room() const override { return SIZE_MAX; }

  void call(std::shared_ptr<const ClientCall> call, uint64_t tag, CallObserver& observer,
            std::optional<Duration> timeout) override {
    Call* stream = take_call();
    stream->call = std::move(call);
    stream->tag = tag;
    stream->observer = &observer;
    stream->times.send_begin = now();
    if (timeout) {
      stream->timeout = timeout;
      stream->timer = loop_.at(now() + *timeout, [this, stream] { timed_out(*stream); });
    }
    stream->live = true;
    if (state_ == State::kClosed) connect();
    if (state_ == State::kOpen) submit(*stream);
    flush_later();
  }

 private:
  enum class State { kClosed, kConnecting, kOpen };

  struct Call {
    std::shared_ptr<const ClientCall> call;
    uint64_t tag = 0;
    CallObserver* observer = nullptr;
    std::optional<Duration> timeout;
    EventLoop::TimerId timer = 0;
    bool live = false;
    int32_t stream_id = 0;
    size_t given = 0;  // bytes of the body handed to nghttp2
    size_t piece = 0, offset = 0;
    CallTimes times;
    int http_status = 0;
    std::optional<int> grpc_status;
    std::string grpc_message;
    std::vector<std::byte> message;  // with its 5-byte prefix
  };

  Call* take_call() {
    if (free_.empty()) {
      all_.push_back(std::make_unique<Call>());
      return all_.back().get();
    }
    Call* call = free_.back();
    free_.pop_back();
    return call;
  }

  void connect() {
    Result<Fd> socket = begin_connect(address_);
    if (!socket.ok()) return fail_all_soon(std::move(socket).error());
    connecting_ = *std::move(socket);
    state_ = State::kConnecting;
    if (Status watched = loop_.watch(connecting_.get(), EPOLLOUT, *this); !watched.ok()) {
      connecting_.reset();
      state_ = State::kClosed;
      fail_all_soon(watched.error());
    }
  }

  void on_events(uint32_t events) override {
    if (state_ == State::kConnecting) return connected();
    if (state_ != State::kOpen) return;
    bool gone = false;
    bool* const outer = gone_;
    gone_ = &gone;
    const bool alive = !(events & (EPOLLIN | EPOLLERR | EPOLLHUP)) || receive();
    if (gone) return;
    gone_ = outer;
    if (alive) flush();
  }

  void connected() {
    loop_.unwatch(connecting_.get());
    if (Status status = finish_connect(connecting_, address_); !status.ok()) {
      connecting_.reset();
      state_ = State::kClosed;
      return fail_all(status.error());
    }
    socket_ = make_plain_stream(std::move(connecting_));
    if (Status watched = loop_.watch(socket_->fd(), EPOLLIN, *this); !watched.ok()) {
      socket_.reset();
      state_ = State::kClosed;
      return fail_all(watched.error());
    }
    open_session();
    state_ = State::kOpen;
    for (auto& stream : all_)
      if (stream->live && stream->stream_id == 0) submit(*stream);
    flush();
  }

  void open_session();
  void submit(Call& stream);

  // False: the connection was lost.
  bool receive() {
    while (true) {
      const IoResult result = socket_->read(std::span(read_buffer_));
      if (result.blocked()) break;
      if (!result.done()) {
        lost(result.state == IoResult::State::kEnd ? "closed by the server" : "broken");
        return false;
      }
      read_at_ = now();
      const ssize_t used = nghttp2_session_mem_recv(
          session_, reinterpret_cast<const uint8_t*>(read_buffer_.data()), result.bytes);
      if (used < 0) {
        lost(std::string("ended: the server does not speak HTTP/2: ") +
             nghttp2_strerror(static_cast<int>(used)));
        return false;
      }
      if (!deliver_finished()) return false;
      if (session_ == nullptr) return false;
      if (result.bytes < read_buffer_.size()) break;
    }
    return true;
  }

  // Observers are called outside nghttp2, since they may make new calls or destroy us.
  bool deliver_finished() {
    while (!finished_.empty()) {
      Call* stream = finished_.front();
      finished_.pop_front();
      if (!deliver(*stream, outcome(*stream))) return false;
    }
    return true;
  }

  Answer outcome(Call& stream) {
    Answer answer;
    answer.times = stream.times;
    answer.times.recv_end = read_at_;
    answer.http_status = stream.http_status;
    if (!stream.grpc_status) {
      answer.error =
          stream.http_status != 0 && stream.http_status != 200
              ? error_of_http(stream.http_status, {})
              : Error{Code::kUnavailable, address_.text + " ended a call without a gRPC status"};
    } else if (*stream.grpc_status != 0) {
      answer.error = error_of_grpc(*stream.grpc_status, stream.grpc_message);
    } else if (stream.message.size() < 5) {
      answer.error = Error{Code::kUnavailable, address_.text + " answered OK without a message"};
    } else {
      uint32_t bytes;
      memcpy(&bytes, &stream.message[1], 4);
      bytes = __builtin_bswap32(bytes);
      if (stream.message[0] != std::byte{0} || bytes != stream.message.size() - 5)
        answer.error =
            Error{Code::kUnavailable,
                  address_.text +
                      " answered with a message that is compressed or not as long as it says"};
    }
    return answer;
  }

  // False: we were destroyed by the observer.
  bool deliver(Call& stream, Answer answer) {
    if (stream.timer != 0) loop_.cancel(stream.timer);
    std::vector<std::byte> message = std::move(stream.message);
    if (!answer.error) answer.body = std::span<const std::byte>(message).subspan(5);
    CallObserver& observer = *stream.observer;
    const uint64_t tag = stream.tag;
    stream = {};
    free_.push_back(&stream);
    bool gone = false;
    bool* const outer = gone_;
    gone_ = &gone;
    observer.on_answer(tag, answer);
    if (gone) {
      if (outer != nullptr) *outer = true;
      return false;
    }
    gone_ = outer;
    // Its memory is used again.
    if (!free_.empty() && free_.back()->message.capacity() == 0 &&
        message.capacity() < (1u << 20)) {
      message.clear();
      free_.back()->message = std::move(message);
    }
    return true;
  }

  void timed_out(Call& stream) {
    stream.timer = 0;
    Error error{Code::kDeadlineExceeded, address_.text + " did not answer within " +
                                             std::to_string(stream.timeout->count() / 1000) +
                                             " us"};
    if (session_ != nullptr && stream.stream_id != 0) {
      nghttp2_session_set_stream_user_data(session_, stream.stream_id, nullptr);
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.stream_id, NGHTTP2_CANCEL);
    }
    Answer answer;
    answer.times = stream.times;
    answer.error = std::move(error);
    if (deliver(stream, std::move(answer))) flush_later();
  }

  void lost(const std::string& how) {
    close_socket();
    fail_all({Code::kUnavailable, "the connection to " + address_.text + " was " + how});
  }

  void fail_all_soon(Error error) {
    if (fail_soon_ != 0) return;
    fail_soon_ = loop_.at(now(), [this, error = std::move(error)] {
      fail_soon_ = 0;
      fail_all(error);
    });
  }

  void fail_all(const Error& error) {
    std::vector<Call*> failing(finished_.begin(), finished_.end());
    finished_.clear();
    for (auto& stream : all_)
      if (stream->live) failing.push_back(stream.get());
    for (Call* stream : failing) {
      Answer answer;
      answer.times = stream->times;
      answer.error = error;
      stream->live = false;
      if (!deliver(*stream, std::move(answer))) return;
    }
  }

  void close_socket() {
    if (connecting_) {
      loop_.unwatch(connecting_.get());
      connecting_.reset();
    }
    if (socket_) {
      loop_.unwatch(socket_->fd());
      socket_.reset();
    }
    nghttp2_session_del(session_);
    session_ = nullptr;
    out_ = H2Output();
    state_ = State::kClosed;
  }

  // Calls made in one round of the loop leave in one write.
  void flush_later() {
    if (flush_soon_ != 0 || state_ != State::kOpen) return;
    if (gone_ != nullptr) return;  // inside on_events(), which flushes at its end
    flush_soon_ = loop_.at(TimePoint(), [this] {
      flush_soon_ = 0;
      flush();
    });
  }

  void flush() {
    if (state_ != State::kOpen) return;
    while (true) {
      if (out_.empty()) {
        const int error = nghttp2_session_send(session_);
        if (error != 0) return lost(std::string("ended: ") + nghttp2_strerror(error));
        if (!finished_.empty() && (!deliver_finished() || state_ != State::kOpen)) return;
      }
      if (out_.empty()) {
        loop_.change(socket_->fd(), EPOLLIN);
        if (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_))
          lost("closed by the server (GOAWAY)");
        return;
      }
      if (!drain()) return;
    }
  }

  // False: the socket is full or broken.
  bool drain() {
    while (!out_.empty()) {
      const IoResult result = socket_->write(out_.parts());
      if (result.blocked()) {
        loop_.change(socket_->fd(), EPOLLIN | EPOLLOUT);
        return false;
      }
      if (!result.done()) {
        lost("broken while requests were sent");
        return false;
      }
      out_.written(result.bytes);
    }
    return true;
  }

  void append_body(Call& stream, size_t length) {
    stream.given += length;
    while (length > 0) {
      const Piece& piece = stream.call->body[stream.piece];
      const size_t n = std::min(length, piece.size() - stream.offset);
      if (n > 0) {
        if (!piece.owned.empty()) {
          out_.append(std::as_bytes(std::span(piece.owned)).subspan(stream.offset, n));
        } else {
          out_.append(piece.borrowed.subspan(stream.offset, n), stream.call);
        }
      }
      stream.offset += n;
      length -= n;
      if (stream.offset == piece.size()) {
        ++stream.piece;
        stream.offset = 0;
      }
    }
  }

  // nghttp2's callbacks.
  static GrpcConnection& self(void* user) { return *static_cast<GrpcConnection*>(user); }

  static ssize_t on_send(nghttp2_session*, const uint8_t* data, size_t length, int, void* user) {
    GrpcConnection& me = self(user);
    if (me.out_.bytes() > kMaxQueued) return NGHTTP2_ERR_WOULDBLOCK;
    me.out_.append(std::as_bytes(std::span(data, length)));
    return static_cast<ssize_t>(length);
  }

  static ssize_t on_read(nghttp2_session* session, int32_t id, uint8_t*, size_t length,
                         uint32_t* flags, nghttp2_data_source* source, void*) {
    auto* stream = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, id));
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t left = static_cast<const ClientCall*>(source->ptr)->body_bytes() - stream->given;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    const size_t n = std::min(left, length);
    if (n == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  // As long as the server takes them, like gRPC's own client; nghttp2 by itself stays at 16 KB.
  static ssize_t on_frame_length(nghttp2_session*, uint8_t, int32_t, int32_t session_window,
                                 int32_t stream_window, uint32_t max_frame, void*) {
    return std::min({static_cast<uint32_t>(session_window), static_cast<uint32_t>(stream_window),
                     max_frame, kMaxFrame});
  }

  static int on_send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* head,
                          size_t length, nghttp2_data_source*, void* user) {
    GrpcConnection& me = self(user);
    if (me.out_.bytes() > kMaxQueued) return NGHTTP2_ERR_WOULDBLOCK;
    auto* stream =
        static_cast<Call*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    me.out_.append(std::as_bytes(std::span(head, 9)));
    me.append_body(*stream, length);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) stream->times.send_end = now();
    return 0;
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* user) {
    auto* stream =
        static_cast<Call*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
    if (stream == nullptr) return 0;
    if (stream->times.recv_begin == TimePoint()) stream->times.recv_begin = self(user).read_at_;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") {
      std::from_chars(text.data(), text.data() + text.size(), stream->http_status);
    } else if (key == "grpc-status") {
      int code = 2;
      std::from_chars(text.data(), text.data() + text.size(), code);
      stream->grpc_status = code;
    } else if (key == "grpc-message") {
      stream->grpc_message = text;
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data,
                     size_t length, void*) {
    auto* stream = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, id));
    if (stream == nullptr) return 0;
    if (stream->message.size() + length > kMaxMessage) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    stream->message.insert(stream->message.end(), bytes, bytes + length);
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, int32_t id, uint32_t, void* user) {
    auto* stream = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, id));
    if (stream == nullptr) return 0;
    stream->live = false;
    self(user).finished_.push_back(stream);
    return 0;
  }

  EventLoop& loop_;
  ClientAddress address_;
  State state_ = State::kClosed;
  Fd connecting_;
  std::unique_ptr<Stream> socket_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Call>> all_;
  std::vector<Call*> free_;
  std::deque<Call*> finished_;
  H2Output out_;
  std::vector<std::byte> read_buffer_;
  TimePoint read_at_;
  EventLoop::TimerId flush_soon_ = 0, fail_soon_ = 0;
  bool* gone_ = nullptr;  // set while an observer may destroy us
};

void GrpcConnection::open_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_frame_length);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  CHECK(nghttp2_session_client_new(&session_, callbacks, this) == 0);
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1 << 20},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

void GrpcConnection::submit(Call& stream) {
  std::vector<nghttp2_nv> headers;
  headers.reserve(8 + stream.call->headers.size());
  auto add = [&](std::string_view name, std::string_view value) {
    headers.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                       reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                       value.size(), NGHTTP2_NV_FLAG_NONE});
  };
  add(":method", "POST");
  add(":scheme", "http");
  add(":path", stream.call->path);
  add(":authority", address_.text);
  add("te", "trailers");
  add("content-type", "application/grpc");
  add("user-agent", "corolla");
  for (const auto& [name, value] : stream.call->headers) add(name, value);
  nghttp2_data_provider body{};
  body.source.ptr = const_cast<ClientCall*>(stream.call.get());
  body.read_callback = on_read;
  const int32_t id =
      nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, &stream);
  if (id < 0) {
    // Out of stream numbers (after a billion calls) or going away: it fails with the connection,
    // and the next call connects anew.
    Error error{Code::kUnavailable, "the connection to " + address_.text +
                                        " takes no more calls: " + nghttp2_strerror(id)};
    return fail_all_soon(std::move(error));
  }
  stream.stream_id = id;
}

}  // namespace

std::unique_ptr<ClientConnection> make_grpc_connection(EventLoop& loop,
                                                       const ClientAddress& address) {
  return std::make_unique<GrpcConnection>(loop, address);
}

}  // namespace corolla::wire
