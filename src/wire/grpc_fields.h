// Reads one protobuf message field by field, in place: no objects, no copies. Strict: what protobuf
// tolerates by dropping bits (varints over 64 bits, a known field in another wire type) is an error
// here, and each error names the field and the offset in the whole message.
//
// Any thread. Views point into the bytes given. One getter (or skip) for each next(); after a
// failure next() is false.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla::wire {

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kLength = 2,
  kGroup = 3,
  kGroupEnd = 4,
  kFixed32 = 5
};
std::string_view wire_type_name(uint32_t type);

// A varint at the front of `bytes`. length 0: the bytes end before it does; kBad: longer than 10
// bytes or over 64 bits.
struct Varint {
  static constexpr size_t kBad = ~size_t{0};
  uint64_t value = 0;
  size_t length = 0;
};
Varint read_varint(std::string_view bytes);

// kInvalidArgument: "<message>.<field> at offset <n>: <problem>".
Error field_error(std::string_view message, std::string_view field, size_t offset,
                  std::string_view problem);

class FieldReader {
 public:
  // `message` is its name in error sentences; `offset` where `bytes` begin in the whole message.
  FieldReader(std::string_view bytes, size_t offset, std::string_view message)
      : bytes_(bytes), base_(offset), message_(message) {}

  bool next();
  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  size_t offset() const { return base_ + field_start_; }  // of the present field's tag

  uint64_t varint(std::string_view name);
  uint64_t fixed64(std::string_view name);
  uint32_t fixed32(std::string_view name);
  std::string_view bytes(std::string_view name);
  std::string_view text(std::string_view name);  // bytes() that must be UTF-8
  void skip();

  // Where the value last returned by bytes() or text() begins in the whole message.
  size_t value_offset() const { return base_ + value_start_; }

  void fail(std::string_view name, std::string_view problem);
  void fail(Error error);
  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }

 private:
  bool expect(WireType type, std::string_view name);
  std::string_view take(size_t n, std::string_view name);

  std::string_view bytes_;
  size_t base_;
  std::string_view message_;
  size_t pos_ = 0, field_start_ = 0, value_start_ = 0;
  uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
  std::optional<Error> error_;
};

}  // namespace corolla::wire
