// Ctrl-C as a question: the first SIGINT or SIGTERM asks a measurement to finish what it has; the
// second ends the process as usual.
#pragma once
#include <atomic>

namespace corolla::load {

// Installs the handlers (once) and returns the flag that they set.
const std::atomic<bool>& interrupt_flag();

}  // namespace corolla::load
