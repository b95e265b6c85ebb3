// Writing JSON by hand, where it is a few fields. Reading is simdjson's.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace corolla::client {

// "text" with quotes, escaped.
std::string json_string(std::string_view text);
// [1,3,224,224]
std::string json_array(std::span<const int64_t> numbers);

}  // namespace corolla::client
