#include "fleet/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace corolla::fleet {
namespace {

constexpr size_t kLargestRequest = 2 << 20;
constexpr size_t kLargestAnswer = 64 << 20;
constexpr size_t kMostUnread = 8 << 20;
constexpr size_t kMostClients = 64;

struct Name {
  sockaddr_un address{};
  socklen_t size = 0;
};

Name name_of(const std::string& fleet) {
  Name name;
  name.address.sun_family = AF_UNIX;
  const std::string text = "corolla/" + std::to_string(::geteuid()) + "/" + fleet;
  CHECK(text.size() + 1 < sizeof name.address.sun_path);
  std::memcpy(name.address.sun_path + 1, text.data(), text.size());  // the leading zero: abstract
  name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

std::optional<ucred> peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer;
}

bool may_command(int socket) {
  const auto peer = peer_of(socket);
  return peer && (peer->uid == ::geteuid() || peer->uid == 0);
}

std::string frame(const google::protobuf::Message& message) {
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  const uint32_t size = static_cast<uint32_t>(bytes.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + bytes;
}

enum class Framing { kIncomplete, kWhole, kBroken };

// Takes one message off the front of `in`.
Framing take(std::string& in, google::protobuf::Message& message, size_t largest) {
  uint32_t size;
  if (in.size() < sizeof size) return Framing::kIncomplete;
  std::memcpy(&size, in.data(), sizeof size);
  if (size > largest) return Framing::kBroken;
  if (in.size() < sizeof size + size) return Framing::kIncomplete;
  const bool good = message.ParseFromArray(in.data() + sizeof size, static_cast<int>(size));
  in.erase(0, sizeof size + size);
  return good ? Framing::kWhole : Framing::kBroken;
}

Error socket_error(const char* step) {
  return {Code::kInternal, std::string("control socket: ") + step + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::open(Poller& poller,
                                                           const std::string& fleet) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return socket_error("socket");
  const Name name = name_of(fleet);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name.address), name.size) != 0) {
    if (errno != EADDRINUSE) return socket_error("bind");
    auto other = ControlClient::connect(fleet);
    return Error{Code::kBusy,
                 "a fleet named '" + fleet + "' runs already" +
                     (other.ok() ? " (keeper: process " + std::to_string(other->keeper_pid()) + ")"
                                 : std::string()) +
                     "; 'corolla stop --name " + fleet +
                     "' ends it, --name gives this one another name"};
  }
  if (::listen(socket.get(), 16) != 0) return socket_error("listen");
  return std::unique_ptr<ControlServer>(new ControlServer(poller, std::move(socket)));
}

ControlServer::ControlServer(Poller& poller, Fd socket)
    : poller_(poller), socket_(std::move(socket)) {
  poller_.watch(socket_.get(), [this] { on_connection(); });
}

ControlServer::~ControlServer() {
  poller_.forget(socket_.get());
  for (auto& [id, client] : clients_) poller_.forget(client.socket.get());
}

void ControlServer::on_connection() {
  Fd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket || !may_command(socket.get()) || clients_.size() >= kMostClients) return;
  const ClientId id = next_id_++;
  clients_[id].socket = std::move(socket);
  rewatch(id);
}

void ControlServer::rewatch(ClientId id) {
  Client& client = clients_.at(id);
  poller_.forget(client.socket.get());
  client.waiting_to_write = !client.out.empty();
  if (client.waiting_to_write)
    poller_.watch_writable(client.socket.get(), [this, id] { flush(id); });
  else
    poller_.watch(client.socket.get(), [this, id] { on_readable(id); });
}

void ControlServer::on_readable(ClientId id) {
  Client& client = clients_.at(id);
  char bytes[16384];
  const ssize_t got = ::read(client.socket.get(), bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0 || client.asked) return drop(id);  // nobody has a second question
  client.in.append(bytes, static_cast<size_t>(got));
  control::Request request;
  switch (take(client.in, request, kLargestRequest)) {
    case Framing::kIncomplete:
      return;
    case Framing::kBroken:
      return drop(id);
    case Framing::kWhole:
      break;
  }
  client.asked = true;
  handlers_.request(id, request);
}

void ControlServer::send(ClientId id, const control::Answer& answer) {
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.closing) return;
  found->second.out += frame(answer);
  if (found->second.out.size() > kMostUnread + answer.ByteSizeLong()) return drop(id);
  flush(id);
}

void ControlServer::finish(ClientId id, const Status& status) {
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.closing) return;
  control::Answer answer;
  control::Done* done = answer.mutable_done();
  if (!status.ok()) {
    done->set_code(static_cast<int>(status.error().code) + 1);
    done->set_what(status.error().what);
  }
  found->second.out += frame(answer);
  found->second.closing = true;
  flush(id);
}

void ControlServer::flush(ClientId id) {
  Client& client = clients_.at(id);
  while (!client.out.empty()) {
    const ssize_t sent =
        ::send(client.socket.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return drop(id);
    client.out.erase(0, static_cast<size_t>(sent));
  }
  if (client.out.empty() && client.closing) return drop(id);
  if (client.waiting_to_write == client.out.empty()) rewatch(id);
}

void ControlServer::drop(ClientId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  poller_.forget(found->second.socket.get());
  clients_.erase(found);
  if (handlers_.gone) handlers_.gone(id);
}

Result<ControlClient> ControlClient::connect(const std::string& fleet) {
  ControlClient client;
  client.socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client.socket_) return socket_error("socket");
  const Name name = name_of(fleet);
  if (::connect(client.socket_.get(), reinterpret_cast<const sockaddr*>(&name.address),
                name.size) != 0)
    return Error{Code::kNotFound,
                 "no fleet named '" + fleet + "' runs for this user; 'corolla up' starts one"};
  if (!may_command(client.socket_.get()))
    return Error{Code::kPermission, "the socket of fleet '" + fleet +
                                        "' belongs to another user; it is not talked to"};
  client.keeper_ = peer_of(client.socket_.get())->pid;
  client.keeper_fd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, client.keeper_, 0)));
  return client;
}

Status ControlClient::ask(const control::Request& request) {
  const std::string bytes = frame(request);
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(socket_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{Code::kUnavailable, "the keeper has closed the connection"};
    sent += static_cast<size_t>(n);
  }
  return ok();
}

Result<control::Answer> ControlClient::next(Duration limit) {
  const TimePoint until = now() + limit;
  for (;;) {
    control::Answer answer;
    switch (take(in_, answer, kLargestAnswer)) {
      case Framing::kWhole:
        return answer;
      case Framing::kBroken:
        return Error{Code::kInternal,
                     "the keeper sent what is no answer; do both have the same version?"};
      case Framing::kIncomplete:
        break;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now()).count();
    if (left <= 0) return Error{Code::kDeadlineExceeded, "the keeper did not answer in time"};
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(left)) <= 0) continue;
    char bytes[65536];
    const ssize_t got = ::read(socket_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error{Code::kUnavailable, "the keeper has ended"};
    in_.append(bytes, static_cast<size_t>(got));
  }
}

Status ControlClient::status_of(const control::Done& done) {
  if (done.code() == 0) return ok();
  return Error{static_cast<Code>(done.code() - 1), done.what()};
}

Status ControlClient::wait_for_end(Duration limit) {
  if (!keeper_fd_) return ok();  // it had ended before we could look
  pollfd ended{keeper_fd_.get(), POLLIN, 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  const int got = ::poll(&ended, 1, static_cast<int>(ms));
  if (got > 0) return ok();
  return Error{Code::kDeadlineExceeded,
               "the keeper (process " + std::to_string(keeper_) + ") has not ended in time"};
}

}  // namespace corolla::fleet
