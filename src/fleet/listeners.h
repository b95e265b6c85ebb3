// The listening sockets. The keeper makes them and keeps them, the front accepts on them: so
// connections that wait to be accepted survive a dead front, and nobody else can take the address
// in between.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fleet/config.h"

namespace corolla::fleet {

struct Listening {
  std::string role;
  Endpoint endpoint;  // with the port that the system chose, where 0 was asked for
  Fd socket;          // non-blocking, listening
};

// All of them or none. kBusy names the process that has the address; kPermission says what is
// missing.
Result<std::vector<Listening>> open_listeners(const std::map<std::string, Endpoint>& wanted);

// Who listens on this TCP port: "process 4711 (nginx: master process)"; empty if it cannot be found
// out.
std::string who_listens(const Endpoint& endpoint);

}  // namespace corolla::fleet
