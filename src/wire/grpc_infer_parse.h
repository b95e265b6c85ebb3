// The small part of a ModelInferRequest (everything but raw_input_contents) into an InferRequest.
//
// Any thread. The result owns its texts; `typed` points into the segments given.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/grpc_typed_contents.h"
#include "wire/infer_message.h"

namespace corolla::wire {

struct GrpcInferLimits {
  size_t head_bytes =
      size_t{4} << 20;    // all but raw_input_contents: names, parameters, typed contents
  size_t tensors = 1024;  // inputs, outputs and raw_input_contents, each
  size_t rank = 32;
};

// Whole top-level fields, as they lay together in the message.
struct MessageSegment {
  std::string_view bytes;
  size_t offset = 0;  // in the whole message
};

struct InferHead {
  InferRequest request;
  // For each input: its typed contents; `bytes` is empty where there are none.
  std::vector<TypedContents> typed;
  // Inputs whose values come from raw_input_contents, in order. Empty when the message has none.
  std::vector<size_t> raw_inputs;
};

// `raw_count`: how many raw_input_contents the message has. Their bytes are the caller's to fill
// in. kInvalidArgument names the field and its offset; kTooLarge a limit.
Result<InferHead> parse_infer_head(std::span<const MessageSegment> segments, size_t raw_count,
                                   const GrpcInferLimits& limits);

}  // namespace corolla::wire
