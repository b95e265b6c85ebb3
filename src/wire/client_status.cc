#include "wire/client_status.h"

#include <simdjson.h>

namespace corolla::wire {
namespace {

Code code_of_http(int status) {
  switch (status) {
    case 400:
      return Code::kInvalidArgument;
    case 403:
      return Code::kPermission;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kAlreadyExists;
    case 413:
      return Code::kTooLarge;
    case 429:
      return Code::kOverloaded;
    case 499:
      return Code::kCancelled;
    case 501:
      return Code::kUnsupported;
    case 503:
      return Code::kOverloaded;
    case 504:
      return Code::kDeadlineExceeded;
    default:
      return status >= 500 ? Code::kInternal : Code::kInvalidArgument;
  }
}

Code code_of_grpc(int code) {
  switch (code) {
    case 1:
      return Code::kCancelled;
    case 3:
      return Code::kInvalidArgument;
    case 4:
      return Code::kDeadlineExceeded;
    case 5:
      return Code::kNotFound;
    case 6:
      return Code::kAlreadyExists;
    case 7:
    case 16:
      return Code::kPermission;
    case 8:
      return Code::kOverloaded;
    case 12:
      return Code::kUnsupported;
    case 14:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Some servers end their sentences with a line's end.
std::string_view trimmed(std::string_view text) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  return text.substr(0, end + 1);
}

}  // namespace

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Error error_of_http(int status, std::span<const std::byte> body) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  simdjson::dom::parser parser;
  simdjson::padded_string padded(text);
  std::string_view sentence;
  simdjson::dom::element root;
  if (parser.parse(padded).get(root) == simdjson::SUCCESS &&
      root["error"].get(sentence) == simdjson::SUCCESS && !sentence.empty())
    return {code_of_http(status), std::string(trimmed(sentence))};
  return {code_of_http(status),
          "HTTP " + std::to_string(status) +
              (text.empty() ? std::string(" without a reason")
                            : ": " + std::string(trimmed(text.substr(0, 200))))};
}

Error error_of_grpc(int code, std::string_view message) {
  std::string what(trimmed(percent_decode(message)));
  if (what.empty()) what = "gRPC status " + std::to_string(code) + " without a reason";
  return {code_of_grpc(code), std::move(what)};
}

}  // namespace corolla::wire
