#include "fleet/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace corolla::fleet {
namespace {

constexpr int kBacklog = 4096;  // the system's own limit (net.core.somaxconn) still holds

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Address address_of(const Endpoint& endpoint) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    address.size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    address.size = sizeof *v6;
  }
  return address;
}

Error refused(const std::string& role, const Endpoint& endpoint, int error) {
  const std::string where = role + " " + endpoint.text();
  if (error == EADDRINUSE) {
    const std::string who = who_listens(endpoint);
    return {Code::kBusy, where + " is taken by " + (who.empty() ? "another process" : who) +
                             "; stop it, or choose another port with --" + role + " or listen." +
                             role};
  }
  if (error == EACCES)
    return {Code::kPermission,
            where +
                ": ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; choose "
                "a port from 1024 up with --" +
                role};
  if (error == EADDRNOTAVAIL)
    return {Code::kInvalidArgument,
            where + ": this machine has no such address; 0.0.0.0 listens on all it has"};
  return {Code::kInternal, where + ": cannot listen: " + std::strerror(error)};
}

Result<Listening> open_one(const std::string& role, const Endpoint& endpoint) {
  Address address = address_of(endpoint);
  CHECK(address.size > 0, endpoint.text());
  Listening made{
      role, endpoint,
      Fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
  if (!made.socket) return refused(role, endpoint, errno);
  const int on = 1;
  // Connections of an earlier fleet that still linger in TIME_WAIT must not keep the address from
  // us.
  ::setsockopt(made.socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* name = reinterpret_cast<sockaddr*>(&address.storage);
  if (::bind(made.socket.get(), name, address.size) != 0 ||
      ::listen(made.socket.get(), kBacklog) != 0 ||
      ::getsockname(made.socket.get(), name, &address.size) != 0)
    return refused(role, endpoint, errno);
  made.endpoint.port = ntohs(address.storage.ss_family == AF_INET
                                 ? reinterpret_cast<sockaddr_in*>(name)->sin_port
                                 : reinterpret_cast<sockaddr_in6*>(name)->sin6_port);
  return made;
}

// The inodes of sockets that listen on `port`, as the kernel lists them.
std::set<std::string> listening_inodes(uint16_t port) {
  std::set<std::string> inodes;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    while (std::getline(file, line)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      std::istringstream words(line);
      std::vector<std::string> all{std::istream_iterator<std::string>(words), {}};
      if (all.size() < 10 || all[3] != "0A") continue;
      const size_t colon = all[1].rfind(':');
      if (colon == std::string::npos) continue;
      if (std::strtoul(all[1].c_str() + colon + 1, nullptr, 16) == port) inodes.insert(all[9]);
    }
  }
  return inodes;
}

std::string command_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/cmdline", std::ios::binary);
  std::string command((std::istreambuf_iterator<char>(file)), {});
  for (char& c : command)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  while (!command.empty() && command.back() == ' ') command.pop_back();
  if (command.size() > 100) command = command.substr(0, 97) + "...";
  return command;
}

}  // namespace

std::string who_listens(const Endpoint& endpoint) {
  const std::set<std::string> inodes = listening_inodes(endpoint.port);
  if (inodes.empty()) return {};
  std::string first;
  std::error_code ignored;
  for (const auto& process : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string pid = process.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    // Of several that hold the socket, the one with the lowest number is most likely the one to
    // talk to: the parent.
    if (!first.empty() && std::stoul(pid) > std::stoul(first)) continue;
    for (const auto& fd : std::filesystem::directory_iterator(process.path() / "fd", ignored)) {
      const std::string target = std::filesystem::read_symlink(fd.path(), ignored).string();
      if (target.rfind("socket:[", 0) != 0) continue;
      if (!inodes.contains(target.substr(8, target.size() - 9))) continue;
      first = pid;
      break;
    }
  }
  if (first.empty()) return {};
  const std::string command = command_of(first);
  return "process " + first + (command.empty() ? "" : " (" + command + ")");
}

Result<std::vector<Listening>> open_listeners(const std::map<std::string, Endpoint>& wanted) {
  std::vector<Listening> all;
  for (const auto& [role, endpoint] : wanted) {
    ASSIGN_OR_RETURN(Listening one, open_one(role, endpoint));
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace corolla::fleet
