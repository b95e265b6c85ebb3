// An InferResponse as a protobuf message in pieces: small owned parts, and the large outputs
// borrowed where they lie.
//
// Any thread. The pieces' borrowed memory is the response's: it must stay until the reply has been
// released.
#pragma once
#include <string_view>
#include <vector>

#include "wire/exchange.h"
#include "wire/infer_message.h"

namespace corolla::wire {

// ModelInferResponse. Every output has an entry in raw_output_contents (empty for one in shared
// memory): clients count them. `final_response`: adds the parameter triton_final_response = true,
// for requests with empty_final_response.
std::vector<Piece> encode_infer_response(const InferResponse& response,
                                         bool final_response = false);

// ModelStreamInferResponse with an infer_response in it.
std::vector<Piece> encode_stream_response(const InferResponse& response,
                                          bool final_response = false);

// ModelStreamInferResponse with an error_message: the stream goes on. `id`, if any, tells which
// request it was.
std::vector<Piece> encode_stream_error(std::string_view message, std::string_view id);

}  // namespace corolla::wire
