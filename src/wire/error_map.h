// What an Error's code becomes on the wire: one table for HTTP and gRPC, and the JSON text that
// every HTTP error carries. Thread-safe.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla::wire {

// gRPC's status codes, numbered as on the wire.
enum class GrpcCode {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

int http_status(Code code);
GrpcCode grpc_code(Code code);

// "Bad Request" for 400 and so on; "Unknown" for a status that Corolla never sends.
std::string_view http_reason(int status);

// {"error":"<what>"}: quotes, backslashes and control characters escaped; bytes that are not UTF-8
// replaced by U+FFFD, since the text may quote what a client sent.
std::string error_json(std::string_view what);

// The text for gRPC's grpc-message trailer: percent-encoded as its specification asks (all but
// printable ASCII, and '%').
std::string percent_encode(std::string_view what);

// Seconds for Retry-After: what a kOverloaded answer suggests when nobody knows better.
inline constexpr int kRetryAfterSeconds = 1;

}  // namespace corolla::wire
