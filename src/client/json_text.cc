#include "client/json_text.h"

#include "wire/json_text.h"

namespace corolla::client {

std::string json_string(std::string_view text) {
  std::string out;
  wire::append_json_string(out, text);
  return out;
}

std::string json_array(std::span<const int64_t> numbers) {
  std::string out = "[";
  for (const int64_t n : numbers) {
    if (out.size() > 1) out += ',';
    out += std::to_string(n);
  }
  return out + ']';
}

}  // namespace corolla::client
