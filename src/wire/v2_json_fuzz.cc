// The decoder against arbitrary bytes, then its values through the encoder and back.
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "wire/bytes_tensor.h"
#include "wire/v2_json.h"

using namespace corolla;
using namespace corolla::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static V2Decoder decoder;
  static V2Decoder again;
  if (size < 1) return 0;
  // The first byte is how many binary bytes follow.
  std::string_view json(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto request = decoder.decode(json, data[0]);
  if (!request.ok()) {
    CHECK(!request.error().what.empty());
    CHECK(request.error().code == Code::kInvalidArgument ||
          request.error().code == Code::kTooLarge);
    return 0;
  }
  for (const InputTensor& input : request->inputs) {
    if (input.binary || input.shm) {
      CHECK(input.bytes.empty());
      continue;
    }
    auto elements = element_count(input.shape);
    CHECK(elements.ok());
    if (input.dtype == DType::kBytes)
      CHECK(check_bytes_tensor(input.name, input.bytes, *elements).ok());
    else
      CHECK(input.bytes.size() == static_cast<size_t>(*byte_count(input.dtype, input.shape)));
    OutputTensor output{.name = input.name,
                        .dtype = input.dtype,
                        .shape = input.shape,
                        .bytes = input.bytes,
                        .binary = false};
    auto text = encode_response({.model = "m",
                                 .version = "1",
                                 .id = request->id,
                                 .outputs = std::span<const OutputTensor>(&output, 1)});
    CHECK(text.ok(), text.ok() ? "" : text.error().what);
    size_t at = text->find("\"outputs\"");
    std::string back = "{\"inputs\"" + text->substr(at + 9);
    auto second = again.decode(back, 0);
    CHECK(second.ok(), second.ok() ? "" : second.error().what);
    const auto& bytes = second->inputs[0].bytes;
    CHECK(bytes.size() == input.bytes.size());
    CHECK(bytes.empty() || std::memcmp(bytes.data(), input.bytes.data(), bytes.size()) == 0);
  }
  return 0;
}
