// How large a picture is, in pixels.
#pragma once

namespace corolla::engine {

struct PictureSize {
  int height = 0, width = 0;  // as tensors have them
  bool operator==(const PictureSize&) const = default;
};

}  // namespace corolla::engine
