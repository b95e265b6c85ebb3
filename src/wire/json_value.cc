#include "wire/json_value.h"

#include <simdjson.h>

#include <set>

namespace corolla::wire {
namespace {

namespace dom = simdjson::dom;
constexpr int kMaxNesting = 32;

// REQUIRES: nesting was limited by the parser.
bool convert(const dom::element& from, JsonValue& to) {
  switch (from.type()) {
    case dom::element_type::ARRAY: {
      JsonValue::Array array;
      for (dom::element item : dom::array(from.get_array().value_unsafe()))
        if (!convert(item, array.emplace_back())) return false;
      to.value = std::move(array);
      return true;
    }
    case dom::element_type::OBJECT: {
      JsonValue::Object object;
      std::set<std::string_view> keys;
      for (dom::key_value_pair member : dom::object(from.get_object().value_unsafe())) {
        if (!keys.insert(member.key).second) return false;
        object.push_back({.key = std::string(member.key), .value = {}});
        if (!convert(member.value, object.back().value)) return false;
      }
      to.value = std::move(object);
      return true;
    }
    case dom::element_type::INT64:
      to.value = from.get_int64().value_unsafe();
      return true;
    case dom::element_type::UINT64:
      to.value = from.get_uint64().value_unsafe();
      return true;
    case dom::element_type::DOUBLE:
      to.value = from.get_double().value_unsafe();
      return true;
    case dom::element_type::STRING:
      to.value = std::string(from.get_string().value_unsafe());
      return true;
    case dom::element_type::BOOL:
      to.value = from.get_bool().value_unsafe();
      return true;
    case dom::element_type::NULL_VALUE:
      to.value = nullptr;
      return true;
  }
  return false;
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto* object = as<Object>();
  if (object == nullptr) return nullptr;
  for (const auto& [key, member] : *object)
    if (key == name) return &member;
  return nullptr;
}

Result<JsonValue> parse_json(std::string_view text, size_t max_bytes, std::string_view what) {
  if (text.size() > max_bytes)
    return Error{Code::kTooLarge, std::string(what) + " has " + std::to_string(text.size()) +
                                      " bytes, over the limit of " + std::to_string(max_bytes)};
  dom::parser parser;
  if (auto e = parser.allocate(text.size(), kMaxNesting))
    return Error{Code::kInternal, std::string(what) + ": " + simdjson::error_message(e)};
  dom::element root;
  if (auto e = parser.parse(text.data(), text.size()).get(root))
    return Error{Code::kInvalidArgument,
                 std::string(what) + " is not JSON: " + simdjson::error_message(e)};
  JsonValue value;
  if (!convert(root, value))
    return Error{Code::kInvalidArgument, std::string(what) + " gives a key twice"};
  return value;
}

}  // namespace corolla::wire
