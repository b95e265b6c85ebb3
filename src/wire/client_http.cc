#include "wire/client_http.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "wire/client_http_parser.h"
#include "wire/client_status.h"
#include "wire/stream.h"

namespace corolla::wire {
namespace {

constexpr size_t kMaxParts = 64;

class HttpConnection final : public ClientConnection, EventLoop::Watcher {
 public:
  HttpConnection(EventLoop& loop, const ClientAddress& address) : loop_(loop), address_(address) {}
  ~HttpConnection() override {
    if (gone_ != nullptr) *gone_ = true;
    close();
    loop_.cancel(timer_);
    loop_.cancel(soon_);
  }

  size_t room() const override { return call_ == nullptr ? 1 : 0; }

  void call(std::shared_ptr<const ClientCall> call, uint64_t tag, CallObserver& observer,
            std::optional<Duration> timeout) override {
    CHECK(room() > 0, "an HTTP/1.1 connection carries one call at a time");
    call_ = std::move(call);
    tag_ = tag;
    observer_ = &observer;
    retried_ = false;
    if (timeout) timer_ = loop_.at(now() + *timeout, [this, t = *timeout] { timed_out(t); });
    begin();
  }

 private:
  enum class State { kClosed, kConnecting, kSending, kReceiving, kIdle };

  void begin() {
    sent_ = 0;
    times_ = {};
    parser_.reset();
    if (state_ == State::kIdle) {
      used_before_ = true;
      return send();
    }
    used_before_ = false;
    Result<Fd> socket = begin_connect(address_);
    if (!socket.ok()) return fail_soon(std::move(socket).error());
    connecting_ = *std::move(socket);
    state_ = State::kConnecting;
    if (Status watched = loop_.watch(connecting_.get(), EPOLLOUT, *this); !watched.ok()) {
      connecting_.reset();
      state_ = State::kClosed;
      fail_soon(watched.error());
    }
  }

  void on_events(uint32_t events) override {
    switch (state_) {
      case State::kConnecting:
        return connected();
      case State::kSending:
        // A server may answer, or hang up, before it has read everything.
        if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) return receive();
        return send();
      case State::kReceiving:
        return receive();
      case State::kIdle:
        return close();  // nothing was asked: the server hangs up, or talks nonsense
      case State::kClosed:
        return;
    }
  }

  void connected() {
    loop_.unwatch(connecting_.get());
    if (Status status = finish_connect(connecting_, address_); !status.ok()) {
      connecting_.reset();
      state_ = State::kClosed;
      return answer_error(status.error());
    }
    stream_ = make_plain_stream(std::move(connecting_));
    if (Status watched = loop_.watch(stream_->fd(), EPOLLIN, *this); !watched.ok()) {
      stream_.reset();
      state_ = State::kClosed;
      return answer_error(watched.error());
    }
    send();
  }

  // Gathers what has not been sent yet, from `sent_` on.
  size_t gather(std::array<iovec, kMaxParts>& parts) const {
    size_t count = 0, skip = sent_;
    auto add = [&](const void* data, size_t size) {
      if (skip >= size) {
        skip -= size;
        return;
      }
      if (count < parts.size())
        parts[count++] = {static_cast<char*>(const_cast<void*>(data)) + skip, size - skip};
      skip = 0;
    };
    add(call_->head.data(), call_->head.size());
    for (const Piece& piece : call_->body) {
      add(piece.owned.data(), piece.owned.size());
      add(piece.borrowed.data(), piece.borrowed.size());
    }
    return count;
  }

  void send() {
    state_ = State::kSending;
    std::array<iovec, kMaxParts> parts;
    while (true) {
      const size_t count = gather(parts);
      if (count == 0) break;
      if (sent_ == 0) times_.send_begin = now();
      const IoResult result = stream_->write(std::span(parts.data(), count));
      if (result.blocked()) return loop_.change(stream_->fd(), EPOLLIN | EPOLLOUT);
      if (!result.done()) return lost("broke while the request was sent");
      sent_ += result.bytes;
    }
    times_.send_end = now();
    loop_.change(stream_->fd(), EPOLLIN);
    state_ = State::kReceiving;
  }

  void receive() {
    while (true) {
      const std::span<std::byte> room = parser_.room();
      const IoResult result = stream_->read(room);
      if (result.blocked()) return;
      if (parser_.fresh()) times_.recv_begin = now();
      if (!result.done()) {
        if (parser_.fresh()) return lost("closed by the server without an answer");
        const Result<bool> complete = parser_.ended();
        if (!complete.ok()) {
          close();
          return answer_error(complete.error());
        }
        return answer();
      }
      const Result<bool> complete = parser_.filled(result.bytes);
      if (!complete.ok()) {
        close();
        return answer_error(complete.error());
      }
      if (*complete) return answer();
      if (result.bytes < room.size() && !stream_->has_buffered()) return;
    }
  }

  void answer() {
    times_.recv_end = now();
    Answer answer;
    answer.http_status = parser_.status();
    answer.json_size = parser_.json_size();
    answer.times = times_;
    if (parser_.status() != 200) answer.error = error_of_http(parser_.status(), parser_.body());
    if (state_ == State::kReceiving && parser_.keep_alive() && !parser_.has_leftover()) {
      state_ = State::kIdle;
    } else {
      close();
    }
    deliver(std::move(answer));
  }

  void answer_error(Error error) {
    Answer answer;
    answer.times = times_;
    answer.error = std::move(error);
    deliver(std::move(answer));
  }

  void deliver(Answer answer) {
    loop_.cancel(timer_);
    loop_.cancel(soon_);
    timer_ = soon_ = 0;
    // Swapped, so that the observer's next call does not write into the buffer that `answer` shows.
    HttpAnswerParser shown = std::move(parser_);
    parser_ = std::move(spare_);
    if (answer.http_status != 0) answer.body = shown.body();
    const std::shared_ptr<const ClientCall> call = std::move(call_);
    CallObserver& observer = *observer_;
    const uint64_t tag = tag_;
    bool gone = false;
    gone_ = &gone;
    observer.on_answer(tag, answer);
    if (gone) return;
    gone_ = nullptr;
    spare_ = std::move(shown);
  }

  void lost(const std::string& how) {
    close();
    if (used_before_ && !retried_) {
      retried_ = true;
      return begin();
    }
    answer_error({Code::kUnavailable, "the connection to " + address_.text + " was " + how});
  }

  void timed_out(Duration timeout) {
    timer_ = 0;
    close();
    answer_error({Code::kDeadlineExceeded, address_.text + " did not answer within " +
                                               std::to_string(timeout.count() / 1000) + " us"});
  }

  void fail_soon(Error error) {
    soon_ = loop_.at(now(), [this, error = std::move(error)] {
      soon_ = 0;
      answer_error(error);
    });
  }

  void close() {
    if (connecting_) {
      loop_.unwatch(connecting_.get());
      connecting_.reset();
    }
    if (stream_) {
      loop_.unwatch(stream_->fd());
      stream_.reset();
    }
    state_ = State::kClosed;
  }

  EventLoop& loop_;
  ClientAddress address_;
  State state_ = State::kClosed;
  Fd connecting_;
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<const ClientCall> call_;
  uint64_t tag_ = 0;
  CallObserver* observer_ = nullptr;
  size_t sent_ = 0;
  CallTimes times_;
  HttpAnswerParser parser_, spare_;
  bool used_before_ = false, retried_ = false;
  EventLoop::TimerId timer_ = 0, soon_ = 0;
  bool* gone_ = nullptr;
};

}  // namespace

void finish_http_call(ClientCall& call, std::string_view host, std::optional<size_t> json_size) {
  std::string& head = call.head;
  head = call.method + " " + call.path + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n";
  for (const auto& [name, value] : call.headers) head += name + ": " + value + "\r\n";
  if (json_size) {
    head += "Inference-Header-Content-Length: " + std::to_string(*json_size) + "\r\n";
    head += "Content-Type: application/octet-stream\r\n";
  } else if (!call.body.empty()) {
    head += "Content-Type: application/json\r\n";
  }
  if (call.method != "GET") head += "Content-Length: " + std::to_string(call.body_bytes()) + "\r\n";
  head += "\r\n";
}

std::unique_ptr<ClientConnection> make_http_connection(EventLoop& loop,
                                                       const ClientAddress& address) {
  return std::make_unique<HttpConnection>(loop, address);
}

}  // namespace corolla::wire
