// Writing JSON, object by object. Reading is simdjson's.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "client/json_text.h"

namespace corolla::app {

class JsonObject {
 public:
  JsonObject& text(std::string_view key, std::string_view value) {
    return raw(key, client::json_string(value));
  }
  JsonObject& number(std::string_view key, uint64_t value) {
    return raw(key, std::to_string(value));
  }
  JsonObject& seconds(std::string_view key, double value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.3f", value);
    return raw(key, digits);
  }
  JsonObject& flag(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  // `value` is JSON already.
  JsonObject& raw(std::string_view key, std::string_view value) {
    out_ += (out_.empty() ? "" : ",") + client::json_string(key) + ":";
    out_ += value;
    return *this;
  }
  std::string str() const { return "{" + out_ + "}"; }

 private:
  std::string out_;
};

// "[...]" of what `each` makes of every element.
template <class List, class Each>
std::string json_list(const List& list, Each each) {
  std::string out;
  for (const auto& one : list) out += (out.empty() ? "" : ",") + each(one);
  return "[" + out + "]";
}

}  // namespace corolla::app
