// Where a server is: "host:port", as clients write it, resolved once.
// Thread-safe: a plain value.
#pragma once
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace corolla::wire {

struct ClientAddress {
  std::string text;  // "127.0.0.1:8000": for the Host header, :authority and error sentences
  sockaddr_storage storage{};
  socklen_t length = 0;

  int port() const;
};

// Accepts "host:port", "[v6]:port", and a leading "http://" or "grpc://" with an optional trailing
// slash; `default_port` when no port is given. Blocks for the name's resolution. kInvalidArgument
// for text that is no address, kUnavailable for a name nobody knows.
Result<ClientAddress> resolve_address(std::string_view text, int default_port);

// A non-blocking socket whose connection has been begun; it is writable once connected or failed
// (read SO_ERROR then).
Result<Fd> begin_connect(const ClientAddress& address);

// nullopt-like: ok() when the socket's pending connection succeeded, else kUnavailable naming the
// address.
Status finish_connect(const Fd& socket, const ClientAddress& address);

}  // namespace corolla::wire
