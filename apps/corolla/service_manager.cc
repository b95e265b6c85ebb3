#include "service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"

namespace corolla::app {

void tell_service_manager(std::string_view state) {
  const char* where = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (where == nullptr || (where[0] != '/' && where[0] != '@') ||
      std::strlen(where) >= sizeof address.sun_path)
    return;
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, where);
  if (where[0] == '@') address.sun_path[0] = '\0';  // abstract
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(where));
  (void)::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace corolla::app
