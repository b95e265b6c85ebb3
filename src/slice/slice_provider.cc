#include "slice/slice_provider.h"

namespace corolla::slice {

Result<std::vector<std::string>> SliceProvider::leaving(const Carve&) {
  return std::vector<std::string>();
}

const char* walls_name(Walls walls) {
  switch (walls) {
    case Walls::kHardware:
      return "hardware";
    case Walls::kCores:
      return "cores";
    case Walls::kCompute:
      return "compute";
    case Walls::kShare:
      return "share";
  }
  return "unknown";
}

}  // namespace corolla::slice
