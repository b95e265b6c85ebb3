#include "engine/cuda/device_target.h"

#include <cstdlib>
#include <string_view>

namespace corolla::engine::cuda {

plan::Target target_of(const DeviceFacts& device, bool green) {
  const auto born_with = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  plan::Target target;
  target.engine = "cuda";
  target.arch = device.arch;
  target.device = device.name;
  target.sm_count = device.multiprocessors;
  target.memory_bytes = device.memory_bytes;
  target.driver = device.driver;
  target.walls = green                                                     ? "sm"
                 : born_with("CUDA_VISIBLE_DEVICES").starts_with("MIG")    ? "mig"
                 : !born_with("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE").empty() ? "mps"
                                                                           : "whole";
  return target;
}

}  // namespace corolla::engine::cuda
