// Asks a running fleet for a change, and stays until it is done.
#pragma once
#include <string>

#include "base/time.h"
#include "fleet/control.pb.h"

namespace corolla::app {

// Sends `request` to the fleet, shows its progress on standard error, and prints the fleet's status
// (as JSON if asked) on standard output when it is done. Returns the exit code.
int ask_and_follow(const std::string& fleet, const fleet::control::Request& request, bool json,
                   Duration limit);

}  // namespace corolla::app
