#include "wire/client_address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <charconv>

namespace corolla::wire {
namespace {

Error refused(const ClientAddress& address, int error) {
  return {Code::kUnavailable, "cannot connect to " + address.text + ": " + strerror(error) +
                                  "; is the server running, and on that port?"};
}

}  // namespace

int ClientAddress::port() const {
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

Result<ClientAddress> resolve_address(std::string_view text, int default_port) {
  const std::string given(text);
  for (std::string_view scheme : {"http://", "grpc://"})
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
  if (text.starts_with("https://") || text.starts_with("grpcs://"))
    return Error{Code::kUnsupported,
                 "address '" + given + "' asks for TLS, which this client does not speak"};
  while (text.ends_with('/')) text.remove_suffix(1);

  std::string host, port = std::to_string(default_port);
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos)
      return Error{Code::kInvalidArgument, "address '" + given + "' has a '[' without its ']'"};
    host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (text.starts_with(':')) port = text.substr(1);
  } else {
    const size_t colon = text.rfind(':');
    host = text.substr(0, colon);
    if (colon != text.npos) port = text.substr(colon + 1);
  }
  int number = 0;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (host.empty() || error != std::errc() || end != port.data() + port.size() || number < 1 ||
      number > 65535)
    return Error{Code::kInvalidArgument,
                 "address '" + given + "' is not host:port with a port from 1 to 65535"};

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (failed != 0 || found == nullptr)
    return Error{Code::kUnavailable,
                 "cannot find the address of '" + host + "': " + gai_strerror(failed)};
  // "localhost" may name ::1 first while most servers listen on 127.0.0.1: prefer IPv4 where there
  // is a choice.
  const addrinfo* chosen = found;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next)
    if (a->ai_family == AF_INET) {
      chosen = a;
      break;
    }
  ClientAddress address;
  address.text = (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + port;
  memcpy(&address.storage, chosen->ai_addr, chosen->ai_addrlen);
  address.length = chosen->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

Result<Fd> begin_connect(const ClientAddress& address) {
  Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket)
    return Error{Code::kUnavailable, "cannot make a socket for " + address.text + ": " +
                                         strerror(errno) +
                                         "; raise the limit of open files (ulimit -n)"};
  const int one = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage),
                address.length) != 0 &&
      errno != EINPROGRESS)
    return refused(address, errno);
  return socket;
}

Status finish_connect(const Fd& socket, const ClientAddress& address) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return refused(address, error);
  return ok();
}

}  // namespace corolla::wire
