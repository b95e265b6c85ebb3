// The parameters of one tensor in an inference request's JSON, by which its content lies elsewhere
// or is asked for in another form. For the files of v2_json.h alone.
#pragma once
#include <cstdint>
#include <string>

#include "wire/infer_message.h"
#include "wire/v2_fields.h"

namespace corolla::wire::v2 {

struct TensorParameters {
  uint32_t seen = 0;
  uint64_t binary_size = 0;
  uint64_t classification = 0;
  bool binary = false;
  ShmPlace shm;
};

// `input`: of an input, else of an output; the other one's keys mean nothing then.
Result<TensorParameters> read_tensor_parameters(const FieldReader& fields, od::value& value,
                                                const std::string& tensor, bool input);

}  // namespace corolla::wire::v2
