#include "wire/v2_fields.h"

namespace corolla::wire::v2 {

Error FieldReader::bad(std::string_view field, size_t offset, const std::string& why) const {
  return Error{Code::kInvalidArgument, "inference request JSON: " + std::string(field) + " " + why +
                                           " (at byte " + std::to_string(offset) + " of " +
                                           std::to_string(json_.size()) + ")"};
}
Error FieldReader::broken(std::string_view field, simdjson::error_code e) const {
  return bad(field, here(), std::string("cannot be read: ") + simdjson::error_message(e));
}
size_t FieldReader::here() const {
  const char* at = nullptr;
  if (doc_.current_location().get(at) || at < json_.data()) return json_.size();
  return std::min<size_t>(at - json_.data(), json_.size());
}
size_t FieldReader::where(od::value& value) const {
  const char* at = value.raw_json_token().data();
  return at < json_.data() ? 0 : std::min<size_t>(at - json_.data(), json_.size());
}

Status FieldReader::once(uint32_t& seen, Key key, std::string_view name, od::value& value) const {
  if (seen & key) return bad(name, where(value), "is given twice");
  seen |= key;
  return ok();
}

Result<std::string> FieldReader::text(od::value& value, std::string_view field) const {
  std::string_view view;
  if (value.get_string().get(view)) return bad(field, where(value), "is not a string");
  return std::string(view);
}

Result<uint64_t> FieldReader::count(od::value& value, std::string_view field) const {
  uint64_t number = 0;
  if (value.get_uint64().get(number))
    return bad(field, where(value), "is not a whole number from 0 to 18446744073709551615");
  return number;
}

Result<bool> FieldReader::truth(od::value& value, std::string_view field) const {
  bool yes = false;
  if (value.get_bool().get(yes)) return bad(field, where(value), "is neither true nor false");
  return yes;
}

Status FieldReader::skip(od::value& value, int depth) const {
  size_t at = where(value);
  if (depth > kMaxNesting)
    return bad("the request", at, "nests deeper than " + std::to_string(kMaxNesting) + " levels");
  od::json_type type{};
  if (auto e = value.type().get(type)) return broken("an unknown field", e);
  switch (type) {
    case od::json_type::array: {
      od::array array;
      if (auto e = value.get_array().get(array)) return broken("an unknown field", e);
      for (auto next : array) {
        od::value element;
        if (auto e = std::move(next).get(element)) return broken("an unknown field", e);
        RETURN_IF_ERROR(skip(element, depth + 1));
      }
      return ok();
    }
    case od::json_type::object: {
      od::object object;
      if (auto e = value.get_object().get(object)) return broken("an unknown field", e);
      for (auto next : object) {
        od::field field;
        if (auto e = std::move(next).get(field)) return broken("an unknown field", e);
        RETURN_IF_ERROR(skip(field.value(), depth + 1));
      }
      return ok();
    }
    case od::json_type::string: {
      std::string_view view;
      if (value.get_string().get(view)) return bad("an unknown field", at, "is a broken string");
      return ok();
    }
    case od::json_type::number: {
      double number = 0;
      if (value.get_double().get(number)) return bad("an unknown field", at, "is a broken number");
      return ok();
    }
    case od::json_type::boolean: {
      bool yes = false;
      if (value.get_bool().get(yes)) return bad("an unknown field", at, "is not JSON");
      return ok();
    }
    case od::json_type::null: {
      bool null = false;
      if (simdjson::simdjson_result<bool>(value.is_null()).get(null) || !null)
        return bad("an unknown field", at, "is not JSON");
      return ok();
    }
  }
  return bad("an unknown field", at, "is not JSON");
}

Status FieldReader::skip_parameter(od::value& value, const std::string& path) const {
  od::json_type type{};
  if (auto e = value.type().get(type)) return broken(path, e);
  if (type == od::json_type::array || type == od::json_type::object)
    return bad(path, where(value), "has a value that is neither a string, a number nor a boolean");
  return skip(value, 0);
}

}  // namespace corolla::wire::v2
