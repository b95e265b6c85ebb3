// Pixels as a float network wants them: (v / 255 - mean) / std, planes or pixels. For engines whose
// compiled model does not begin with that itself.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace corolla::engine {

// kInvalidArgument, naming `input`, unless there are three of each, or none, and no deviation is 0.
Status check_normalisation(const std::string& input, std::span<const float> mean,
                           std::span<const float> deviation);

class Normaliser {
 public:
  // Three means and deviations in 0..1 each, or none: 0 and 1. REQUIRES: check_normalisation().
  Normaliser(std::span<const float> mean, std::span<const float> deviation);

  // `rows` pictures of `pixels` pixels, [rows][pixels][3] bytes, to floats [rows][3][pixels] with
  // `planes`, else [rows][pixels][3]; `out` is made that large.
  void run(std::span<const std::byte> rgb, size_t rows, size_t pixels, bool planes,
           std::vector<std::byte>& out) const;

 private:
  std::array<std::array<float, 256>, 3> values_;  // of each byte
};

}  // namespace corolla::engine
