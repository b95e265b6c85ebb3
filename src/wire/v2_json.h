// The JSON part of KServe v2 inference requests and answers over HTTP, with Triton's extensions:
// binary data, raw binary requests, shared memory, classification. Bytes in, values out: no
// sockets, no model look-up. Whether the model has the tensors, and whether their shapes fit it, is
// the caller's check.
//
// Input is hostile: every error is kInvalidArgument (kTooLarge over a limit) and names the field
// and its byte offset. v2_json_fuzz.cc attacks it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/infer_message.h"

namespace corolla::wire {

struct V2Limits {
  size_t max_json_bytes = size_t{32}
                          << 20;  // reading takes up to nine times as much memory for the moment
  size_t max_tensors = 64;        // inputs, and outputs
  size_t max_dims = 32;
};

// Reads requests. Holds the parser's memory between calls, so keep one a thread: not thread-safe.
class V2Decoder {
 public:
  explicit V2Decoder(const V2Limits& limits = {});
  ~V2Decoder();
  V2Decoder(V2Decoder&&) noexcept;
  V2Decoder& operator=(V2Decoder&&) noexcept;

  // `json`: the first Inference-Header-Content-Length bytes of the body (the whole body where the
  // header is absent). `binary_bytes`: how many bytes follow it; the inputs' binary sizes must add
  // up to exactly that, and lie there in the order of InferRequest::inputs.
  //
  // Each input has exactly one of
  //   data (nested or flat, of any nesting)  -> InputTensor::bytes, the binary form, in memory of
  //   this decoder, valid until its next decode(); parameters.binary_data_size            ->
  //   `binary` and `binary_size`; parameters.shared_memory_region, ...   -> `shm`.
  // The number of elements is checked against the shape, but for BYTES outside the JSON
  // (wire/bytes_tensor.h does that). Model and version stay empty: they are in the path.
  // WantedOutput::binary has binary_data_output already in it. FP16 and BF16 have no JSON form, as
  // in Triton.
  Result<InferRequest> decode(std::string_view json, uint64_t binary_bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A request without JSON (Inference-Header-Content-Length: 0): the body is the one input of the
// model.
struct RawRequest {
  InferRequest request;        // one input, `binary`; outputs all and binary
  bool length_prefix = false;  // BYTES: the body is one element; its 4-byte length is to be put
                               // before it (and is counted in binary_size)
};
// `dims`: the input's, with -1 for any, without the batch dimension; `batched`: the model has one
// (it becomes 1). At most one dimension can be found out from the size. kInvalidArgument when the
// size does not fit.
Result<RawRequest> raw_request(std::string_view input, DType dtype, std::span<const int64_t> dims,
                               bool batched, uint64_t body_bytes);

// The JSON part of an answer. Outputs with `binary` only get their binary_data_size here: their
// bytes follow the JSON in order. REQUIRES: the bytes of each output fit its dtype and shape.
// kInvalidArgument for what has no JSON form: FP16, BF16, BYTES that are not UTF-8.
Result<std::string> encode_response(const InferResponse& response);

}  // namespace corolla::wire
