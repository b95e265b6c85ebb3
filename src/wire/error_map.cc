#include "wire/error_map.h"

#include <array>
#include <cstdint>
#include <cstdio>

namespace corolla::wire {
namespace {

struct Mapping {
  int http;
  GrpcCode grpc;
};

Mapping mapping(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return {400, GrpcCode::kInvalidArgument};
    case Code::kNotFound:
      return {404, GrpcCode::kNotFound};
    case Code::kAlreadyExists:
      return {409, GrpcCode::kAlreadyExists};
    // UNAVAILABLE and not RESOURCE_EXHAUSTED: clients retry the first by themselves.
    case Code::kOverloaded:
      return {503, GrpcCode::kUnavailable};
    case Code::kDeadlineExceeded:
      return {503, GrpcCode::kDeadlineExceeded};
    case Code::kUnavailable:
      return {503, GrpcCode::kUnavailable};
    case Code::kBusy:
      return {409, GrpcCode::kFailedPrecondition};
    case Code::kPermission:
      return {403, GrpcCode::kPermissionDenied};
    case Code::kTooLarge:
      return {413, GrpcCode::kResourceExhausted};
    case Code::kUnsupported:
      return {501, GrpcCode::kUnimplemented};
    case Code::kCancelled:
      return {499, GrpcCode::kCancelled};
    case Code::kInternal:
      return {500, GrpcCode::kInternal};
  }
  return {500, GrpcCode::kUnknown};
}

// Bytes of the well-formed UTF-8 sequence at the beginning of `text`; 0 when it is none.
size_t utf8_length(std::string_view text) {
  const auto at = [&](size_t i) -> uint8_t { return i < text.size() ? text[i] : 0; };
  const auto follows = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const uint8_t first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && at(1) < 0xA0;
    const bool surrogate = first == 0xED && at(1) >= 0xA0;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && at(1) < 0x90;
    const bool beyond = first == 0xF4 && at(1) >= 0x90;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

}  // namespace

int http_status(Code code) { return mapping(code).http; }
GrpcCode grpc_code(Code code) { return mapping(code).grpc; }

std::string_view http_reason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
  }
  return "Unknown";
}

std::string error_json(std::string_view what) {
  std::string json = "{\"error\":\"";
  json.reserve(what.size() + 16);
  while (!what.empty()) {
    const unsigned char c = what.front();
    size_t length = utf8_length(what);
    if (length == 0) {
      json += "\\ufffd";
      length = 1;
    } else if (c == '"' || c == '\\') {
      json += '\\';
      json += what.front();
    } else if (c == '\n') {
      json += "\\n";
    } else if (c < 0x20 || c == 0x7F) {
      std::array<char, 8> text;
      snprintf(text.data(), text.size(), "\\u%04x", c);
      json += text.data();
    } else {
      json += what.substr(0, length);
    }
    what.remove_prefix(length);
  }
  return json += "\"}";
}

std::string percent_encode(std::string_view what) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string text;
  text.reserve(what.size());
  for (const unsigned char c : what) {
    if (c >= 0x20 && c <= 0x7E && c != '%') {
      text += static_cast<char>(c);
    } else {
      text += '%';
      text += kHex[c >> 4];
      text += kHex[c & 15];
    }
  }
  return text;
}

}  // namespace corolla::wire
