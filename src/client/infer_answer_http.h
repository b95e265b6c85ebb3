// The HTTP form of an inference answer: JSON, with or without binary tensors after it.
#pragma once
#include <optional>
#include <span>

#include "client/infer_call.h"

namespace corolla::client {

Result<InferAnswer> read_http_infer_answer(std::span<const std::byte> body,
                                           std::optional<size_t> json_size);

}  // namespace corolla::client
