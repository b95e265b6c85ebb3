// What systemd wants to know of a service of Type=notify (sd_notify's protocol). Thread-safe.
#pragma once
#include <string_view>

namespace corolla::app {

// Sends `state`, "READY=1\nSTATUS=..." say, to whoever started this process, if that asked for it
// ($NOTIFY_SOCKET). Nothing comes of it where nobody did, or does not listen any more.
void tell_service_manager(std::string_view state);

}  // namespace corolla::app
