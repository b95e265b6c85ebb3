// A fleet's status, for people and for programs.
#pragma once
#include <string>
#include <string_view>

#include "fleet/control.pb.h"

namespace corolla::app {

// One JSON object on one line; docs/corolla.md lists its keys.
std::string status_json(const fleet::control::FleetStatus& status);
// A few lines; with colours if asked.
std::string status_text(const fleet::control::FleetStatus& status, bool colours);
// "http 127.0.0.1:8000, grpc 127.0.0.1:8001"
std::string addresses_text(const fleet::control::FleetStatus& status);

// Whether standard output is a terminal that wants colours.
bool colours_wanted();

}  // namespace corolla::app
