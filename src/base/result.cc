#include "base/result.h"

namespace corolla {

const char* code_name(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kAlreadyExists:
      return "ALREADY_EXISTS";
    case Code::kOverloaded:
      return "OVERLOADED";
    case Code::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case Code::kUnavailable:
      return "UNAVAILABLE";
    case Code::kBusy:
      return "BUSY";
    case Code::kPermission:
      return "PERMISSION_DENIED";
    case Code::kTooLarge:
      return "TOO_LARGE";
    case Code::kUnsupported:
      return "UNSUPPORTED";
    case Code::kCancelled:
      return "CANCELLED";
    case Code::kInternal:
      return "INTERNAL";
  }
  return "UNKNOWN";
}

}  // namespace corolla
