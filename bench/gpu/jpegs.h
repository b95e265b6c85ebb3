// JPEG files by nvJPEG beside the host's decoder: how far apart their pixels are, how fast both
// are, and whether broken files and missing memory leave the device unharmed.
#pragma once
#include <string>

namespace corolla::bench {

// Prints; the exit code. `folder`: of JPEG files.
int jpegs(const std::string& folder);

}  // namespace corolla::bench
