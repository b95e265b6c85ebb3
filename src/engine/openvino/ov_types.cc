#include "engine/openvino/ov_types.h"

#include "base/check.h"

namespace corolla::engine {
namespace {

struct Pair {
  DType dtype;
  ov::element::Type_t element;
};
constexpr Pair kPairs[] = {
    {DType::kBool, ov::element::Type_t::boolean}, {DType::kUint8, ov::element::Type_t::u8},
    {DType::kUint16, ov::element::Type_t::u16},   {DType::kUint32, ov::element::Type_t::u32},
    {DType::kUint64, ov::element::Type_t::u64},   {DType::kInt8, ov::element::Type_t::i8},
    {DType::kInt16, ov::element::Type_t::i16},    {DType::kInt32, ov::element::Type_t::i32},
    {DType::kInt64, ov::element::Type_t::i64},    {DType::kFp16, ov::element::Type_t::f16},
    {DType::kBf16, ov::element::Type_t::bf16},    {DType::kFp32, ov::element::Type_t::f32},
    {DType::kFp64, ov::element::Type_t::f64},
};

}  // namespace

std::optional<DType> to_dtype(const ov::element::Type& type) {
  for (const Pair& pair : kPairs)
    if (ov::element::Type(pair.element) == type) return pair.dtype;
  return std::nullopt;
}

ov::element::Type to_element(DType dtype) {
  for (const Pair& pair : kPairs)
    if (pair.dtype == dtype) return pair.element;
  CHECK(false, "BYTES has no element type");
}

std::string plain_sentence(const std::exception& exception) {
  constexpr size_t kMost = 400;
  std::string text;
  const std::string_view whole = exception.what();
  for (size_t at = 0; at < whole.size();) {
    const size_t end = std::min(whole.find('\n', at), whole.size());
    std::string_view line = whole.substr(at, end - at);
    at = end + 1;
    // "Exception from src/inference/src/cpp/core.cpp:113:" and "Check 'x' failed at src/...:12:"
    // say nothing to a user.
    if (line.starts_with("Exception from ") || line.find(" failed at ") != std::string_view::npos)
      continue;
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    if (line.empty()) continue;
    if (!text.empty()) text += ' ';
    text += line;
  }
  if (text.empty()) text = whole.substr(0, whole.find('\n'));
  if (text.size() > kMost) text = text.substr(0, kMost) + " ...";
  return text;
}

}  // namespace corolla::engine
