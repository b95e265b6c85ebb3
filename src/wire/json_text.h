// Pieces of JSON text, appended to a string. For answers that are small or hot enough to be written
// by hand. Stateless and thread-safe.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace corolla::wire {

// A JSON string with its quotes. Quotes, backslashes and control characters are escaped; other
// bytes are copied, so the text is valid JSON when `text` is valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

// Decimal digits.
void append_json_number(std::string& out, std::signed_integral auto value);
void append_json_number(std::string& out, std::unsigned_integral auto value);
// The shortest text that reads back as the same number, with a ".0" where it would look whole. NaN,
// Infinity and -Infinity are written so, which is what Triton writes and Python and RapidJSON read.
void append_json_number(std::string& out, float value);
void append_json_number(std::string& out, double value);

bool is_utf8(std::string_view text);

// For text of unknown origin that goes into an answer: invalid bytes become '?'.
std::string to_utf8(std::string_view text);

namespace internal {
void append_integer(std::string& out, int64_t value);
void append_integer(std::string& out, uint64_t value);
}  // namespace internal

void append_json_number(std::string& out, std::signed_integral auto value) {
  internal::append_integer(out, static_cast<int64_t>(value));
}
void append_json_number(std::string& out, std::unsigned_integral auto value) {
  internal::append_integer(out, static_cast<uint64_t>(value));
}

}  // namespace corolla::wire
