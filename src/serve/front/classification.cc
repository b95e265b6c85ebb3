#include "serve/front/classification.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "wire/bytes_tensor.h"

namespace corolla::front {
namespace {

float from_half(uint16_t half) {
  uint32_t sign = uint32_t{half & 0x8000u} << 16, exponent = (half >> 10) & 31,
           fraction = half & 0x3ff;
  if (exponent == 0) {
    float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

// Value `i` of an array of T, which need not be aligned.
template <class T>
T at(std::span<const std::byte> bytes, size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof value);
  return value;
}

std::string number_text(double value) {
  char text[400];
  int n = std::snprintf(text, sizeof text, "%f", value);
  return std::string(text, static_cast<size_t>(n));
}

template <class T>
bool higher(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a)) return false;
    if (std::isnan(b)) return true;
  }
  return a > b;
}

// `read(i)`: value i of the whole tensor.
template <class Read>
std::string classes(int64_t rows, int64_t columns, int64_t count,
                    std::span<const std::string> labels, Read read) {
  std::string tensor;
  std::vector<uint32_t> order(static_cast<size_t>(columns));
  for (int64_t row = 0; row < rows; ++row) {
    size_t base = static_cast<size_t>(row * columns);
    std::iota(order.begin(), order.end(), 0u);
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
                      [&](uint32_t a, uint32_t b) {
                        auto x = read(base + a), y = read(base + b);
                        if (higher(x, y)) return true;
                        if (higher(y, x)) return false;
                        return a < b;
                      });
    for (int64_t i = 0; i < count; ++i) {
      uint32_t index = order[static_cast<size_t>(i)];
      auto value = read(base + index);
      std::string text;
      if constexpr (std::is_floating_point_v<decltype(value)>)
        text = number_text(value);
      else
        text = std::to_string(value);
      text += ':';
      text += std::to_string(index);
      if (index < labels.size() && !labels[index].empty()) text += ":" + labels[index];
      wire::append_bytes_element(tensor, text);
    }
  }
  return tensor;
}

}  // namespace

Result<ClassTensor> classify(const std::string& output, DType dtype, std::span<const int64_t> shape,
                             std::span<const std::byte> bytes, bool batched, uint32_t count,
                             std::span<const std::string> labels) {
  if (dtype == DType::kBytes || dtype == DType::kBool)
    return Error{Code::kInvalidArgument, "class result not available for output '" + output +
                                             "' of type " + std::string(dtype_name(dtype))};
  auto size = byte_count(dtype, shape);
  if (!size || static_cast<uint64_t>(*size) != bytes.size() || (batched && shape.empty()))
    return Error{Code::kInternal, "output '" + output + "' has " + std::to_string(bytes.size()) +
                                      " bytes, which do not fit shape " + shape_text(shape)};
  int64_t elements = *element_count(shape);
  int64_t rows = batched ? shape[0] : 1;
  int64_t columns = rows > 0 ? elements / rows : 0;
  if (columns > int64_t{1} << 31)
    return Error{Code::kInvalidArgument, "output '" + output + "' has " + std::to_string(columns) +
                                             " values a row, too many to classify"};
  int64_t wanted = std::min<int64_t>(count, columns);
  ClassTensor result;
  if (batched) result.shape.push_back(rows);
  result.shape.push_back(wanted);
  auto all = [&](auto read) { result.bytes = classes(rows, columns, wanted, labels, read); };
  switch (dtype) {
    case DType::kUint8:
      all([&](size_t i) { return at<uint8_t>(bytes, i); });
      break;
    case DType::kUint16:
      all([&](size_t i) { return at<uint16_t>(bytes, i); });
      break;
    case DType::kUint32:
      all([&](size_t i) { return at<uint32_t>(bytes, i); });
      break;
    case DType::kUint64:
      all([&](size_t i) { return at<uint64_t>(bytes, i); });
      break;
    case DType::kInt8:
      all([&](size_t i) { return at<int8_t>(bytes, i); });
      break;
    case DType::kInt16:
      all([&](size_t i) { return at<int16_t>(bytes, i); });
      break;
    case DType::kInt32:
      all([&](size_t i) { return at<int32_t>(bytes, i); });
      break;
    case DType::kInt64:
      all([&](size_t i) { return at<int64_t>(bytes, i); });
      break;
    case DType::kFp16:
      all([&](size_t i) { return from_half(at<uint16_t>(bytes, i)); });
      break;
    case DType::kBf16:
      all([&](size_t i) { return std::bit_cast<float>(uint32_t{at<uint16_t>(bytes, i)} << 16); });
      break;
    case DType::kFp32:
      all([&](size_t i) { return at<float>(bytes, i); });
      break;
    case DType::kFp64:
      all([&](size_t i) { return at<double>(bytes, i); });
      break;
    case DType::kBool:
    case DType::kBytes:
      break;
  }
  return result;
}

}  // namespace corolla::front
