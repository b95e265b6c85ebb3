#include "load/delay_server.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <array>
#include <charconv>
#include <map>
#include <string_view>

#include "base/fd.h"
#include "wire/stream.h"

namespace corolla::load {
namespace {

constexpr std::string_view kServer =
    R"({"name":"delay","version":"1","extensions":["statistics"]})";
constexpr std::string_view kMetadata =
    R"({"name":"null","versions":["1"],"platform":"none","inputs":[{"name":"input","datatype":"FP32","shape":[-1,4]}],)"
    R"("outputs":[{"name":"output","datatype":"FP32","shape":[-1,2]}]})";
constexpr std::string_view kConfig =
    R"({"name":"null","max_batch_size":8,"input":[{"name":"input","data_type":"TYPE_FP32","dims":[4]}],)"
    R"("output":[{"name":"output","data_type":"TYPE_FP32","dims":[2]}]})";
constexpr std::string_view kOutput =
    R"({"model_name":"null","model_version":"1","outputs":[{"name":"output","datatype":"FP32","shape":[1,2],"data":[0.5,0.25]}]})";

std::string answer_text(int status, std::string_view body) {
  return "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Error") +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

}  // namespace

class DelayServer::Listener final : public wire::EventLoop::Watcher {
 public:
  Listener(DelayServer& server, Fd fd) : server_(server), fd_(std::move(fd)) {}
  ~Listener() override;
  Status listen() { return server_.loop_->watch(fd_.get(), EPOLLIN, *this); }
  void on_events(uint32_t) override;
  void forget(Connection* connection) { connections_.erase(connection); }
  void die();

  uint64_t next_request() { return requests_++; }

 private:
  DelayServer& server_;
  Fd fd_;
  uint64_t requests_ = 0;
  std::map<Connection*, std::unique_ptr<Connection>> connections_;
};

class DelayServer::Connection final : public wire::EventLoop::Watcher {
 public:
  Connection(DelayServer& server, Fd fd)
      : server_(server), stream_(wire::make_plain_stream(std::move(fd))) {}
  ~Connection() override {
    server_.loop_->cancel(timer_);
    server_.loop_->unwatch(stream_->fd());
  }
  Status listen() { return server_.loop_->watch(stream_->fd(), EPOLLIN, *this); }

  void on_events(uint32_t events) override {
    if (events & EPOLLOUT) return write();
    std::array<std::byte, 65536> room;
    while (true) {
      if (skip_ > 0) {
        if (!discard()) return;
        continue;
      }
      const wire::IoResult result = stream_->read(std::span(room));
      if (result.blocked()) return;
      if (!result.done()) return close();
      in_.append(reinterpret_cast<const char*>(room.data()), result.bytes);
      if (!advance()) return;
      if (result.bytes < room.size()) return;
    }
  }

 private:
  // Drops what is left of a body in the kernel: a server that copied it would be what limits a
  // generator of large requests. False: nothing more for now, or we are gone.
  bool discard() {
    const ssize_t got = recv(stream_->fd(), nullptr, skip_, MSG_TRUNC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
    if (got <= 0) {
      close();
      return false;
    }
    skip_ -= static_cast<size_t>(got);
    return skip_ > 0 || advance();
  }

  // One request at a time, as clients without pipelining send them. False: we are gone.
  bool advance() {
    if (!in_request_) {
      const size_t end = in_.find("\r\n\r\n");
      if (end == in_.npos) return true;
      const std::string_view head(in_.data(), end + 2);
      line_ = head.substr(0, head.find("\r\n"));
      size_t length = 0;
      for (std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "})
        if (const size_t at = head.find(name); at != head.npos)
          std::from_chars(head.data() + at + name.size(), head.data() + head.size(), length);
      const size_t here = std::min(length, in_.size() - end - 4);
      skip_ = length - here;
      in_.erase(0, end + 4 + here);
      in_request_ = true;
    }
    if (skip_ > 0) return true;
    in_request_ = false;
    return answer();
  }

  bool answer() {
    const std::string_view path = std::string_view(line_).substr(line_.find(' ') + 1);
    if (line_.starts_with("POST") && path.find("/infer") != path.npos) return answer_inference();
    if (line_.starts_with("POST")) return say(200, "{}");
    if (path.starts_with("/v2/health")) return say(200, "");
    if (path.starts_with("/v2 ")) return say(200, kServer);
    if (!path.starts_with("/v2/models/null"))
      return say(404, R"({"error":"this server has only the model 'null'"})");
    if (path.find("/config") != path.npos) return say(200, kConfig);
    if (path.find("/stats") != path.npos) return say(200, statistics());
    return say(200, kMetadata);
  }

  std::string statistics() const {
    const std::string n = std::to_string(server_.served());
    std::string text = R"({"model_stats":[{"name":"null","version":"1","inference_count":)" + n +
                       R"(,"execution_count":)" + n + R"(,"inference_stats":{)";
    for (const char* key :
         {"success", "queue", "compute_input", "compute_infer", "compute_output", "fail"}) {
      if (text.back() != '{') text += ',';
      text += std::string("\"") + key + R"(":{"count":)" + (strcmp(key, "fail") == 0 ? "0" : n) +
              R"(,"ns":0})";
    }
    return text + "}}]}";
  }

  bool answer_inference() {
    const uint64_t n = server_.listener_->next_request();
    if (server_.options_.die_after != 0 && n >= server_.options_.die_after) {
      server_.listener_->die();
      return false;
    }
    if (server_.options_.refuse_every != 0 && (n + 1) % server_.options_.refuse_every == 0)
      return say(503, R"({"error":"overloaded, as asked"})");
    const Duration delay = server_.options_.delay ? server_.options_.delay(n) : Duration::zero();
    if (delay <= Duration::zero()) {
      server_.served_.fetch_add(1, std::memory_order_relaxed);
      return say(200, kOutput);
    }
    timer_ = server_.loop_->at(now() + delay, [this] {
      timer_ = 0;
      server_.served_.fetch_add(1, std::memory_order_relaxed);
      say(200, kOutput);
    });
    return true;
  }

  bool say(int status, std::string_view body) {
    out_ += answer_text(status, body);
    return write_some();
  }

  void write() { write_some(); }

  bool write_some() {
    while (!out_.empty()) {
      const iovec part{out_.data(), out_.size()};
      const wire::IoResult result = stream_->write(std::span(&part, 1));
      if (result.blocked()) {
        server_.loop_->change(stream_->fd(), EPOLLIN | EPOLLOUT);
        return true;
      }
      if (!result.done()) {
        close();
        return false;
      }
      out_.erase(0, result.bytes);
    }
    server_.loop_->change(stream_->fd(), EPOLLIN);
    return true;
  }

  void close() { server_.listener_->forget(this); }

  DelayServer& server_;
  std::unique_ptr<wire::Stream> stream_;
  std::string in_, out_, line_;
  size_t skip_ = 0;
  bool in_request_ = false;
  wire::EventLoop::TimerId timer_ = 0;
};

DelayServer::Listener::~Listener() {
  connections_.clear();
  if (fd_) server_.loop_->unwatch(fd_.get());
}

void DelayServer::Listener::on_events(uint32_t) {
  while (true) {
    Fd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    auto connection = std::make_unique<Connection>(server_, std::move(fd));
    if (connection->listen().ok()) connections_.emplace(connection.get(), std::move(connection));
  }
}

void DelayServer::Listener::die() {
  server_.loop_->unwatch(fd_.get());
  fd_.reset();
  connections_.clear();
}

Result<std::unique_ptr<DelayServer>> DelayServer::start(DelayServerOptions options) {
  std::unique_ptr<DelayServer> server(new DelayServer);
  server->options_ = std::move(options);
  ASSIGN_OR_RETURN(server->loop_, wire::EventLoop::create());
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof any;
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&any), size) != 0 ||
      ::listen(fd.get(), 4096) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&any), &size) != 0)
    return Error{Code::kInternal, std::string("cannot listen on 127.0.0.1: ") + strerror(errno)};
  ASSIGN_OR_RETURN(server->address_,
                   wire::resolve_address("127.0.0.1:" + std::to_string(ntohs(any.sin_port)), 0));
  server->listener_ = std::make_unique<Listener>(*server, std::move(fd));
  RETURN_IF_ERROR(server->listener_->listen());
  server->started_ = now();
  DelayServer* me = server.get();
  if (me->options_.freeze_every > Duration::zero()) {
    auto freeze = std::make_shared<std::function<void(TimePoint)>>();
    *freeze = [me, weak = std::weak_ptr(freeze)](TimePoint when) {
      const TimePoint begin = now();
      std::this_thread::sleep_until(when + me->options_.freeze_for);
      {
        std::lock_guard lock(me->mutex_);
        me->freezes_.emplace_back(begin, now());
      }
      const TimePoint next = when + me->options_.freeze_every;
      me->loop_->at(next, [again = weak.lock(), next] { (*again)(next); });
    };
    const TimePoint first = me->started_ + me->options_.freeze_every;
    me->loop_->at(first, [freeze, first] { (*freeze)(first); });
  }
  me->thread_ = std::thread([me] {
    prctl(PR_SET_TIMERSLACK, 1UL);
    me->loop_->run();
  });
  return server;
}

std::vector<std::pair<TimePoint, TimePoint>> DelayServer::freezes() const {
  std::lock_guard lock(mutex_);
  return freezes_;
}

DelayServer::~DelayServer() {
  if (thread_.joinable()) {
    loop_->stop();
    thread_.join();
  }
  listener_.reset();
}

}  // namespace corolla::load
