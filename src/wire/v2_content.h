// The elements of a tensor that stand in an inference request's JSON, into their binary form. For
// the files of v2_json.h alone.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "wire/infer_message.h"
#include "wire/v2_fields.h"

namespace corolla::wire::v2 {

// Appends to `out` the `elements` elements of `value`, which is an array, nested or flat, with as
// many elements as that. Of `tensor` it reads name, dtype and shape.
Status read_content(const FieldReader& fields, od::value& value, const std::string& path,
                    const InputTensor& tensor, int64_t elements, std::vector<std::byte>& out);

}  // namespace corolla::wire::v2
