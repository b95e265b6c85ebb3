// The tensors that a load sends: made once, shared by all threads and requests.
// Thread-safe after it was built.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/kserve_client.h"
#include "wire/infer_message.h"

namespace corolla::load {

struct InputOptions {
  int64_t batch = 1;
  std::map<std::string, std::vector<int64_t>>
      shapes;  // --shape name:1,2,3, without the batch dimension
  // "zero", "random", a folder of pictures, a folder with a file named like each input, or a JSON
  // file. "": random.
  std::string source;
  size_t string_length = 128;  // random BYTES elements
  std::string string_data;     // instead of random ones
  uint64_t seed = 1;
};

struct Inputs {
  // steps[i] are the inputs of the i-th kind of request; the load sends them in turn.
  std::vector<std::vector<wire::InputTensor>> steps;
  std::shared_ptr<const std::vector<std::vector<std::byte>>>
      storage;  // owns the bytes that the tensors show

  size_t bytes_per_request() const;  // of the largest step
};

// kInvalidArgument names the input and what is wrong: a shape that is missing for a variable
// dimension, a batch beyond the model's limit, data of the wrong size, JSON that does not parse.
Result<Inputs> make_inputs(const client::ModelMetadata& metadata, const client::ModelConfig& config,
                           const InputOptions& options);

// "input:3,224,224" as --shape takes it.
Result<std::pair<std::string, std::vector<int64_t>>> parse_shape(std::string_view text);

}  // namespace corolla::load
