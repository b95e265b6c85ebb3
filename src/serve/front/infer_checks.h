// Checks one decoded inference request against the model, before anything is dispatched: names,
// dtypes, ranks, dimensions, batch limit, byte sizes. A bad request costs an error sentence here,
// never a slot or a worker.
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "serve/front/served_model.h"
#include "wire/infer_message.h"

namespace corolla::front {

struct CheckedRequest {
  uint32_t rows = 1;
  uint64_t shape_key = 0;               // equal for requests that may share a batch
  std::vector<uint32_t> input_of_spec;  // [model input] -> index into request.inputs
  uint64_t outputs_wanted = 0;          // bit i: model output i
};

// Error sentences follow Triton's wording where its clients show them to people.
Result<CheckedRequest> check_request(const ServedModel& model, const wire::InferRequest& request);

// The size of `input`'s data must fit its dtype and shape (BYTES: its own length prefixes). Called
// once the bytes are there.
Status check_input_bytes(const ServedModel& model, const wire::InputTensor& input,
                         std::span<const std::byte> bytes);
// For inputs whose bytes the front does not see (client's shared memory), or has not seen yet.
Status check_input_size(const ServedModel& model, const wire::InputTensor& input, uint64_t bytes);

}  // namespace corolla::front
