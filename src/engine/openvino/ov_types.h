// Between OpenVINO's types and ours. Private to this room.
#pragma once
#include <optional>
#include <string>

#include <openvino/openvino.hpp>

#include "base/dtype.h"

namespace corolla::engine {

std::optional<DType> to_dtype(const ov::element::Type& type);
ov::element::Type to_element(DType dtype);  // REQUIRES: dtype != kBytes

// An exception's own sentence, without the source places that OpenVINO strings before and after it.
std::string plain_sentence(const std::exception& exception);

}  // namespace corolla::engine
