#include "wire/bytes_tensor.h"

#include <cstring>
#include <limits>

namespace corolla::wire {

std::optional<std::string_view> BytesReader::next() {
  if (rest_.empty() || broken_) return std::nullopt;
  uint32_t length = 0;
  if (rest_.size() < sizeof length) {
    broken_ = true;
    return std::nullopt;
  }
  std::memcpy(&length, rest_.data(), sizeof length);
  rest_ = rest_.subspan(sizeof length);
  if (rest_.size() < length) {
    broken_ = true;
    return std::nullopt;
  }
  std::string_view element(reinterpret_cast<const char*>(rest_.data()), length);
  rest_ = rest_.subspan(length);
  return element;
}

Status check_bytes_tensor(std::string_view name, std::span<const std::byte> tensor, int64_t count) {
  BytesReader reader(tensor);
  int64_t found = 0;
  while (reader.next()) ++found;
  if (reader.broken())
    return Error{Code::kInvalidArgument, "BYTES tensor '" + std::string(name) + "': element " +
                                             std::to_string(found) + " runs past the tensor's " +
                                             std::to_string(tensor.size()) + " bytes"};
  if (found != count)
    return Error{Code::kInvalidArgument, "expected " + std::to_string(count) +
                                             " string elements for tensor '" + std::string(name) +
                                             "', got " + std::to_string(found)};
  return ok();
}

void append_bytes_element(std::string& tensor, std::string_view element) {
  CHECK(element.size() <= std::numeric_limits<uint32_t>::max());
  auto length = static_cast<uint32_t>(element.size());
  tensor.append(reinterpret_cast<const char*>(&length), sizeof length);
  tensor.append(element);
}

}  // namespace corolla::wire
