// A small JSON document as a tree of values, for the bodies of control requests: rare, short, and
// read field by field. Inference requests have a decoder of their own (v2_json.h). Stateless and
// thread-safe. Input is hostile: size and nesting are limited.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace corolla::wire {

struct JsonValue {
  using Array = std::vector<JsonValue>;
  struct Member;
  using Object = std::vector<Member>;  // in the text's order
  // Whole numbers are int64_t where they fit, else uint64_t; all others double.
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object> value;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&value);
  }
  bool is_null() const { return value.index() == 0; }
  // Member of an object; nullptr when there is none, or this is no object.
  const JsonValue* find(std::string_view name) const;
};

struct JsonValue::Member {
  std::string key;
  JsonValue value;
};

// kInvalidArgument when it is no JSON text, nests deeper than 32 levels, or an object has a key
// twice; kTooLarge over `max_bytes`. `what` ("the request body") begins the sentence.
Result<JsonValue> parse_json(std::string_view text, size_t max_bytes, std::string_view what);

}  // namespace corolla::wire
