// For tests: a real listener on a free port of 127.0.0.1, its loops in threads of their own, a
// Handler whose every act a test can replace, and a blocking client that sees bytes.
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <condition_variable>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "wire/connection.h"
#include "wire/event_loop.h"
#include "wire/exchange.h"
#include "wire/listener.h"

namespace corolla::wire::loopback {

// A place where tests wait for what happens on a loop.
class Counter {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    ++value_;
    changed_.notify_all();
  }
  int get() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  // False when it did not get there within thirty seconds.
  bool reaches(int value) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return value_ >= value; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  int value_ = 0;
};

// Keeps each body in a string and answers "<method> <path>?<query> <body>", unless told otherwise.
// The functions run on the loop.
class EchoHandler : public Handler {
 public:
  struct Call : BodySink {
    Call(EchoHandler& h, Exchange& e) : handler(h), exchange(e) {}
    EchoHandler& handler;
    Exchange& exchange;
    std::string body;
    std::vector<std::byte> room_;
    std::optional<size_t> length;
    std::span<std::byte> room() override {
      if (handler.room_size)
        room_.resize(handler.room_size(*this));
      else if (room_.empty())
        room_.resize(64 << 10);
      return room_;
    }
    Status filled(size_t n) override {
      body.append(reinterpret_cast<const char*>(room_.data()), n);
      return handler.on_filled ? handler.on_filled(*this) : ok();
    }
  };

  std::function<bool(Exchange&)> at_head;  // true: it has answered
  std::function<size_t(Call&)> room_size;
  std::function<Status(Call&)> on_filled;
  std::function<void(Call&)> at_end;  // instead of the echo
  bool discard = false;
  Counter heads, ends, cancels, releases;

  void on_head(Exchange& exchange) override {
    heads.add();
    exchange.user = nullptr;
    if (at_head && at_head(exchange)) return;
    auto call = std::make_unique<Call>(*this, exchange);
    exchange.user = call.get();
    calls_[&exchange] = std::move(call);
  }
  BodySink* on_message(Exchange& exchange, std::optional<size_t> length) override {
    Call& call = *static_cast<Call*>(exchange.user);
    call.length = length;
    return discard ? nullptr : &call;
  }
  void on_message_end(Exchange& exchange) override {
    ends.add();
    Call& call = *static_cast<Call*>(exchange.user);
    if (at_end) return at_end(call);
    echo(call);
  }
  void on_cancel(Exchange& exchange) override {
    calls_.erase(&exchange);
    cancels.add();
  }
  void on_half_close(Exchange&) override { FAIL() << "for gRPC only"; }

  void echo(Call& call) {
    Exchange& exchange = call.exchange;
    std::string text(exchange.method());
    text += " ";
    text += exchange.path();
    text += "?";
    text += exchange.query();
    text += " ";
    text += call.body;
    answer(call, std::move(text));
  }
  void answer(Call& call, std::string text) {
    Exchange& exchange = call.exchange;
    calls_.erase(&exchange);
    Reply reply;
    reply.pieces.emplace_back(std::move(text));
    reply.content_type = "text/plain";
    reply.release = [this] { releases.add(); };
    exchange.reply(std::move(reply));
  }
  void forget(Exchange& exchange) { calls_.erase(&exchange); }
  size_t open_calls() const { return calls_.size(); }
  void each_call(const std::function<void(Call&)>& what) {
    for (auto& [exchange, call] : calls_) what(*call);
  }

 private:
  std::map<Exchange*, std::unique_ptr<Call>> calls_;
};

class LoopbackServer {
 public:
  explicit LoopbackServer(Handler& handler, TransportLimits limits = {},
                          ListenerOptions options = {.speaks = Speaks::kHttp1}, int loops = 1)
      : limits_(limits) {
    for (int i = 0; i < loops; ++i) {
      loops_.push_back(*EventLoop::create());
      sets_.push_back(std::make_unique<ConnectionSet>(*loops_.back(), handler, limits_));
    }
    std::vector<ConnectionSet*> sets;
    for (auto& set : sets_) sets.push_back(set.get());
    listener_ = *Listener::open(*loops_[0], *listen_tcp("127.0.0.1", 0), sets, std::move(options));
    port_ = listener_->port();
    for (auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
  }
  ~LoopbackServer() {
    on_loop(0, [&] { listener_.reset(); });
    for (size_t i = 0; i < loops_.size(); ++i) on_loop(i, [&, i] { sets_[i]->abort_all(); });
    for (auto& loop : loops_) loop->stop();
    for (auto& thread : threads_) thread.join();
    sets_.clear();
  }

  uint16_t port() const { return port_; }
  ConnectionSet& set(size_t i = 0) { return *sets_[i]; }
  EventLoop& loop(size_t i = 0) { return *loops_[i]; }
  Listener& listener() { return *listener_; }

  // Runs `what` on a loop's thread, and waits until it has.
  void on_loop(size_t i, std::function<void()> what) {
    std::promise<void> done;
    loops_[i]->post([&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  TransportLimits limits_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::unique_ptr<ConnectionSet>> sets_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::thread> threads_;
  uint16_t port_ = 0;
};

// An answer taken apart: status, headers in lower case, body.
struct Answer {
  int status = 0;
  std::string head, body;
  std::string header(const std::string& name) const {
    std::string lower = head;
    for (char& c : lower) c = static_cast<char>(tolower(c));
    const size_t at = lower.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0)
      setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const int on = 1;
    setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }

  int fd() const { return socket_.get(); }
  // False when the server does not take it.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void half_close() { ::shutdown(fd(), SHUT_WR); }
  void close() { socket_.reset(); }
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  // One whole answer with Content-Length; status 0 when the connection ended instead.
  Answer receive(bool head_only = false) {
    Answer answer;
    size_t end;
    while ((end = got_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return answer;
    answer.head = got_.substr(0, end + 2);
    got_.erase(0, end + 4);
    answer.status = atoi(answer.head.c_str() + 9);
    if (answer.status == 100 || head_only) return answer;
    const size_t length = strtoull(answer.header("content-length").c_str(), nullptr, 10);
    while (got_.size() < length)
      if (!more()) return {};
    answer.body = got_.substr(0, length);
    got_.erase(0, length);
    return answer;
  }
  // The server has closed, in peace, and sent nothing more.
  bool ended() {
    while (more()) {
    }
    return got_.empty() && last_ == 0;
  }
  bool quiet(int ms) {
    pollfd wait{.fd = fd(), .events = POLLIN};
    return got_.empty() && ::poll(&wait, 1, ms) == 0;
  }

 private:
  bool more() {
    char room[64 << 10];
    last_ = ::recv(fd(), room, sizeof room, 0);
    if (last_ <= 0) return false;
    got_.append(room, static_cast<size_t>(last_));
    return true;
  }

  Fd socket_;
  std::string got_;
  ssize_t last_ = 1;
};

inline std::string post(std::string_view body, std::string_view headers = {},
                        std::string_view path = "/x") {
  std::string text = "POST ";
  text += path;
  text += " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += headers;
  text += "\r\n";
  text += body;
  return text;
}

}  // namespace corolla::wire::loopback
