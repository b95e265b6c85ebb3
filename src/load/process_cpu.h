// CPU time of processes, from /proc: what a server on the same machine spends on a request.
// Thread-safe.
#pragma once
#include <sys/types.h>

#include <optional>
#include <vector>

#include "base/time.h"

namespace corolla::load {

// The process that listens on this local TCP port, if it is on this machine and we may look. When
// its parent runs the same product (its command name begins alike), the parent: a front's work is
// also done by its siblings.
std::optional<pid_t> listener_of(int port);

// User and system time of these processes and all their descendants that live now. Children that
// have ended and were waited for count. nullopt when none of them exists.
std::optional<Duration> cpu_of(const std::vector<pid_t>& processes);

// Of this process, all threads.
Duration own_cpu();

}  // namespace corolla::load
