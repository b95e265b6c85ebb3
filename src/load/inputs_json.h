// perf_client's JSON form of input data:
//   {"data": [{"IN": [1, 2, 3]}, {"IN": {"content": [[1], [2]], "shape": [2, 1]}}, {"IN": {"b64":
//   "AAAA"}}]}
// One entry a request; entries of an inner list follow each other.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/kserve_client.h"

namespace corolla::load {

struct JsonTensor {
  std::vector<std::byte> bytes;
  std::optional<std::vector<int64_t>> shape;
};

// result[step][input], in the order of `inputs`. An input that a step leaves out has no bytes and
// no shape.
Result<std::vector<std::vector<JsonTensor>>> read_json_inputs(
    std::span<const std::byte> text, const std::string& path,
    const std::vector<client::TensorMetadata>& inputs);

}  // namespace corolla::load
