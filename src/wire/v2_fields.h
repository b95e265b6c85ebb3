// Reading one field of an inference request's JSON: what is asked of every field, and the sentence
// when it is not so, which names the field and its byte offset. For the files of v2_json.h alone.
// Not thread-safe.
#pragma once
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla::wire::v2 {
namespace od = simdjson::ondemand;

constexpr int kMaxNesting = 32;

// The bits of the keys met so far in one object: a key that comes twice is refused, since readers
// differ in which one counts.
enum Key : uint32_t {
  kId = 1u << 0,
  kParameters = 1u << 1,
  kInputs = 1u << 2,
  kOutputs = 1u << 3,
  kName = 1u << 4,
  kDatatype = 1u << 5,
  kShape = 1u << 6,
  kData = 1u << 7,
  kBinarySize = 1u << 8,
  kRegion = 1u << 9,
  kOffset = 1u << 10,
  kByteSize = 1u << 11,
  kClassification = 1u << 12,
  kBinary = 1u << 13,
  kBinaryOutput = 1u << 14,
  kPriority = 1u << 15,
  kTimeout = 1u << 16,
  kSequenceId = 1u << 17,
  kSequenceStart = 1u << 18,
  kSequenceEnd = 1u << 19,
};

struct KeyName {
  std::string_view name;
  Key key;
};

class FieldReader {
 public:
  // Both outlive it; `json` is the text that `doc` reads.
  FieldReader(od::document& doc, std::string_view json) : doc_(doc), json_(json) {}

  std::string_view json() const { return json_; }

  // kInvalidArgument: "inference request JSON: FIELD WHY (at byte OFFSET of SIZE)".
  Error bad(std::string_view field, size_t offset, const std::string& why) const;
  // The same of what the parser says, at the place it has come to.
  Error broken(std::string_view field, simdjson::error_code e) const;
  // The offset the parser has come to; the text's end when it is through.
  size_t here() const;
  size_t where(od::value& value) const;

  // The key's bit, or 0. Keys are compared as they are written: one spelled with escapes counts as
  // unknown.
  template <size_t N>
  static uint32_t match(od::field& field, const KeyName (&keys)[N]) {
    for (const KeyName& key : keys)
      if (field.key() == key.name) return key.key;
    return 0;
  }

  // Puts the key's bit into `seen`; an error when it was there.
  Status once(uint32_t& seen, Key key, std::string_view name, od::value& value) const;

  Result<std::string> text(od::value& value, std::string_view field) const;
  Result<uint64_t> count(od::value& value, std::string_view field) const;
  Result<bool> truth(od::value& value, std::string_view field) const;

  // Reads over a value that means nothing to us, but must be JSON. `depth`: of the value itself.
  Status skip(od::value& value, int depth) const;
  // Parameters that Triton would hand to the model; they must be scalars, and mean nothing here.
  Status skip_parameter(od::value& value, const std::string& path) const;

 private:
  od::document& doc_;
  std::string_view json_;
};

}  // namespace corolla::wire::v2
