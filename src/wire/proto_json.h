// Protobuf messages as the JSON that Triton's HTTP endpoints show: field names as in the .proto, in
// its order; 64-bit integers as numbers (the standard mapping quotes them), enums by name, and
// fields at their default printed too, since clients index without a check. Stateless and
// thread-safe.
#pragma once
#include <string>

namespace google::protobuf {
class Message;
}

namespace corolla::wire {

enum class Defaults { kPrint, kOmit };

// Unset messages and unset members of a oneof are never printed. Maps are sorted by key. Bytes that
// are not UTF-8 become '?'.
std::string to_json(const google::protobuf::Message& message, Defaults defaults = Defaults::kPrint);

// Are all strings in it, at any depth, valid UTF-8? Text format lets others in, which no peer would
// parse once serialised.
bool strings_are_utf8(const google::protobuf::Message& message);

}  // namespace corolla::wire
