// Any bytes as a picture, then fitted: no crash, no leak, no more memory than the limits allow.
#include <cstddef>
#include <cstdint>

#include "engine/image/picture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corolla::engine;
  const auto picture =
      decode_picture(std::as_bytes(std::span(data, size)),
                     {.most_pixels = 1 << 18, .most_memory = 16 << 20, .most_scans = 20});
  if (!picture.ok()) return 0;
  std::vector<uint8_t> out(23 * 17 * 3);
  fit_picture(*picture, 23, 17, out);
  return 0;
}
