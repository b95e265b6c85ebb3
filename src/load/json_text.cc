#include "load/json_text.h"

#include <cstdio>

namespace corolla::load {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escaped[8];
          snprintf(escaped, sizeof escaped, "\\u%04x", c);
          out += escaped;
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string json_array(std::span<const int64_t> numbers) {
  std::string out = "[";
  for (const int64_t n : numbers) {
    if (out.size() > 1) out += ',';
    out += std::to_string(n);
  }
  return out + ']';
}

}  // namespace corolla::load
