#include "wire/grpc_fields.h"

#include <simdjson.h>

#include <bit>
#include <cstring>

namespace corolla::wire {

static_assert(std::endian::native == std::endian::little,
              "fixed-width fields are read as they lie");

std::string_view wire_type_name(uint32_t type) {
  switch (type) {
    case 0:
      return "varint";
    case 1:
      return "64-bit";
    case 2:
      return "length-delimited";
    case 3:
      return "group";
    case 4:
      return "end of group";
    case 5:
      return "32-bit";
    default:
      return "unknown";
  }
}

Varint read_varint(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint64_t byte = static_cast<uint8_t>(bytes[i]);
    if (i == 9 && byte > 1) return {0, Varint::kBad};
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return {value, i + 1};
  }
  return {0, 0};
}

Error field_error(std::string_view message, std::string_view field, size_t offset,
                  std::string_view problem) {
  std::string what(message);
  if (!field.empty()) {
    what += '.';
    what += field;
  }
  what += " at offset " + std::to_string(offset) + ": ";
  what += problem;
  return {Code::kInvalidArgument, std::move(what)};
}

void FieldReader::fail(std::string_view name, std::string_view problem) {
  fail(field_error(message_, name, offset(), problem));
}

void FieldReader::fail(Error error) {
  if (!error_) error_ = std::move(error);
  pos_ = bytes_.size();
}

bool FieldReader::next() {
  if (error_ || pos_ == bytes_.size()) return false;
  field_start_ = pos_;
  const Varint tag = read_varint(bytes_.substr(pos_));
  if (tag.length == 0 || tag.length == Varint::kBad || tag.value > UINT32_MAX) {
    fail("", tag.length == 0 ? "the message ends inside a field's tag"
                             : "a field's tag is over 32 bits");
    return false;
  }
  pos_ += tag.length;
  field_ = static_cast<uint32_t>(tag.value >> 3);
  type_ = static_cast<WireType>(tag.value & 7);
  if (field_ == 0) {
    fail("", "a field has the number 0");
    return false;
  }
  return true;
}

bool FieldReader::expect(WireType type, std::string_view name) {
  if (error_) return false;
  if (type_ == type) return true;
  fail(name, "the wire type is " + std::string(wire_type_name(static_cast<uint32_t>(type_))) +
                 ", not " + std::string(wire_type_name(static_cast<uint32_t>(type))));
  return false;
}

std::string_view FieldReader::take(size_t n, std::string_view name) {
  if (error_) return {};
  if (n > bytes_.size() - pos_) {
    fail(name, "the value needs " + std::to_string(n) + " bytes, but " +
                   std::to_string(bytes_.size() - pos_) + " are left");
    return {};
  }
  value_start_ = pos_;
  pos_ += n;
  return bytes_.substr(value_start_, n);
}

uint64_t FieldReader::varint(std::string_view name) {
  if (!expect(WireType::kVarint, name)) return 0;
  const Varint v = read_varint(bytes_.substr(pos_));
  if (v.length == 0 || v.length == Varint::kBad) {
    fail(name, v.length == 0 ? "the message ends inside a varint" : "a varint is over 64 bits");
    return 0;
  }
  pos_ += v.length;
  return v.value;
}

uint64_t FieldReader::fixed64(std::string_view name) {
  uint64_t value = 0;
  if (!expect(WireType::kFixed64, name)) return 0;
  const std::string_view raw = take(sizeof value, name);
  if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof value);
  return value;
}

uint32_t FieldReader::fixed32(std::string_view name) {
  uint32_t value = 0;
  if (!expect(WireType::kFixed32, name)) return 0;
  const std::string_view raw = take(sizeof value, name);
  if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof value);
  return value;
}

std::string_view FieldReader::bytes(std::string_view name) {
  if (!expect(WireType::kLength, name)) return {};
  const Varint length = read_varint(bytes_.substr(pos_));
  if (length.length == 0 || length.length == Varint::kBad) {
    fail(name,
         length.length == 0 ? "the message ends inside a length" : "a length is over 64 bits");
    return {};
  }
  pos_ += length.length;
  return take(length.value, name);
}

std::string_view FieldReader::text(std::string_view name) {
  const std::string_view value = bytes(name);
  if (error_) return {};
  if (!simdjson::validate_utf8(value.data(), value.size())) {
    fail(name, "the text is not UTF-8");
    return {};
  }
  return value;
}

void FieldReader::skip() {
  switch (type_) {
    case WireType::kVarint:
      varint("(unknown field)");
      return;
    case WireType::kFixed64:
      fixed64("(unknown field)");
      return;
    case WireType::kLength:
      bytes("(unknown field)");
      return;
    case WireType::kFixed32:
      fixed32("(unknown field)");
      return;
    default:
      fail("(field " + std::to_string(field_) + ")",
           "the wire type " + std::string(wire_type_name(static_cast<uint32_t>(type_))) +
               " is not accepted");
  }
}

}  // namespace corolla::wire
