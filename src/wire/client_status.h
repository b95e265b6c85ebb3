// What a server's refusal means: HTTP statuses and gRPC codes back into Errors, with the server's
// own sentence. Thread-safe.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla::wire {

// `body` is the answer's: {"error": "..."} gives the sentence; anything else is quoted, shortened.
Error error_of_http(int status, std::span<const std::byte> body);

// `message` is the grpc-message trailer, still percent-encoded. REQUIRES: code != 0.
Error error_of_grpc(int code, std::string_view message);

// Undoes percent-encoding; a '%' that is followed by no two hex digits stays as it is.
std::string percent_decode(std::string_view text);

}  // namespace corolla::wire
