// The driver's own libnvidia-ml.so.1, opened when it is asked for: nothing of NVIDIA's is needed to
// build or start Corolla.
#pragma once
#include <memory>
#include <string>

#include "slice/nvml.h"

namespace corolla::slice {

// kUnavailable: there is no library, or no driver behind it. kUnsupported: the driver is too old;
// the sentence names what it lacks. The library stays open until the object goes.
Result<std::unique_ptr<Nvml>> open_nvml(const std::string& library = "libnvidia-ml.so.1");

}  // namespace corolla::slice
