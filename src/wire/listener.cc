#include "wire/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "base/check.h"
#include "wire/greeter.h"
#include "wire/http1_connection.h"
#include "wire/tls_stream.h"

namespace corolla::wire {
namespace {

// Beyond the limit this many more may be open to be told so in peace; the rest are cut off.
constexpr size_t kMaxFarewells = 64;
constexpr int kMostAtOnce =
    64;  // so that a flood of connections does not keep the loop from its requests

Error os_error(const std::string& what) { return {Code::kInternal, what + ": " + strerror(errno)}; }

std::unique_ptr<Connection> take_in(ConnectionSet& set, Fd socket,
                                    const std::shared_ptr<const ListenerOptions>& options) {
  if (options->tls != nullptr) {
    auto stream = make_tls_stream(std::move(socket), options->tls);
    if (!stream.ok()) return nullptr;
    return std::make_unique<Greeter>(set, *std::move(stream), options);
  }
  auto stream = make_plain_stream(std::move(socket));
  if (options->speaks == Speaks::kHttp1)
    return std::make_unique<Http1Connection>(set, std::move(stream));
  return std::make_unique<Greeter>(set, std::move(stream), options);
}

std::unique_ptr<Connection> turn_away(ConnectionSet& set, Fd socket,
                                      const ListenerOptions& options) {
  return std::make_unique<Farewell>(set, make_plain_stream(std::move(socket)),
                                    "the server has its " +
                                        std::to_string(options.max_connections) +
                                        " connections already; come back later");
}

void cut_off(Fd socket) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop, Fd socket,
                                                 std::vector<ConnectionSet*> sets,
                                                 ListenerOptions options) {
  CHECK(!sets.empty());
  CHECK(options.speaks == Speaks::kHttp1 || options.http2 != nullptr);
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return os_error("cannot make a listening socket non-blocking");
  std::unique_ptr<Listener> listener(
      new Listener(loop, std::move(socket), std::move(sets), std::move(options)));
  RETURN_IF_ERROR(loop.watch(listener->socket_.get(), EPOLLIN, *listener));
  return listener;
}

Listener::Listener(EventLoop& loop, Fd socket, std::vector<ConnectionSet*> sets,
                   ListenerOptions options)
    : loop_(loop),
      socket_(std::move(socket)),
      spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      sets_(std::move(sets)),
      options_(std::make_shared<const ListenerOptions>(std::move(options))) {}

Listener::~Listener() { stop(); }

void Listener::stop() {
  if (!socket_) return;
  loop_.unwatch(socket_.get());
  socket_.reset();
}

uint16_t Listener::port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  return 0;
}

void Listener::on_events(uint32_t) {
  for (int i = 0; i < kMostAtOnce && socket_ && accept_one(); ++i) {
  }
}

bool Listener::accept_one() {
  Fd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket && (errno == EMFILE || errno == ENFILE)) {
    // Left in the queue it would wake us for ever; so take it with the spare descriptor and cut it
    // off.
    spare_.reset();
    cut_off(Fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    spare_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    sets_[0]->counters().refused.add();
    return false;
  }
  // ECONNABORTED and the like belong to that one connection; EAGAIN ends the round.
  if (!socket) return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINVAL && errno != EBADF;

  size_t open = 0;
  for (const ConnectionSet* set : sets_) open += set->open();
  ConnectionSet& set = least_loaded();
  const bool full = open >= options_->max_connections;
  if (full && (options_->tls != nullptr || open >= options_->max_connections + kMaxFarewells)) {
    sets_[0]->counters().refused.add();
    cut_off(std::move(socket));
    return true;
  }
  set.reserve();
  const auto bring = [&set, full, options = options_](Fd taken) {
    (full ? set.counters().refused : set.counters().accepted).add();
    auto connection =
        full ? turn_away(set, std::move(taken), *options) : take_in(set, std::move(taken), options);
    if (connection)
      set.add_reserved(std::move(connection));
    else
      set.give_up_reserved();
  };
  if (&set.loop() == &loop_)
    bring(std::move(socket));
  else
    set.loop().post(
        [bring, shared = std::make_shared<Fd>(std::move(socket))] { bring(std::move(*shared)); });
  return true;
}

ConnectionSet& Listener::least_loaded() {
  size_t best = turn_ = (turn_ + 1) % sets_.size();
  for (size_t i = 0; i < sets_.size(); ++i) {
    const size_t candidate = (turn_ + i) % sets_.size();
    if (sets_[candidate]->open() < sets_[best]->open()) best = candidate;
  }
  return *sets_[best];
}

Result<Fd> listen_tcp(const std::string& address, uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string where = address + ":" + std::to_string(port);
  if (const int code = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
      code != 0)
    return Error{Code::kInvalidArgument,
                 "'" + address + "' is no IP address: " + gai_strerror(code)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return os_error("cannot make a socket for " + where);
  const int on = 1, off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (found->ai_family == AF_INET6)
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(socket.get(), 1024) != 0) {
    const Code code = errno == EADDRINUSE ? Code::kBusy
                      : errno == EACCES   ? Code::kPermission
                                          : Code::kInternal;
    return Error{code, "cannot listen on " + where + ": " + strerror(errno)};
  }
  return socket;
}

}  // namespace corolla::wire
