#include "plan/tensor.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

#include "plan/half.h"

namespace corolla::plan {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 40;

// Calls f(T{}) with the C++ type that holds an element; fp16 and bf16 come as uint16_t and are the
// caller's business.
template <class F>
void with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::kBool:
    case DType::kUint8:
      return f(uint8_t{});
    case DType::kUint16:
    case DType::kFp16:
    case DType::kBf16:
      return f(uint16_t{});
    case DType::kUint32:
      return f(uint32_t{});
    case DType::kUint64:
      return f(uint64_t{});
    case DType::kInt8:
      return f(int8_t{});
    case DType::kInt16:
      return f(int16_t{});
    case DType::kInt32:
      return f(int32_t{});
    case DType::kInt64:
      return f(int64_t{});
    case DType::kFp32:
      return f(float{});
    case DType::kFp64:
      return f(double{});
    case DType::kBytes:
      break;
  }
  CHECK(false, "a tensor of BYTES");
}

template <class T>
T to_integer(double value) {
  if (std::isnan(value)) return 0;
  // The type's ends as doubles may lie just outside it, so they are compared, not cast back.
  if (value <= static_cast<double>(std::numeric_limits<T>::min()))
    return std::numeric_limits<T>::min();
  if (value >= static_cast<double>(std::numeric_limits<T>::max()))
    return std::numeric_limits<T>::max();
  return static_cast<T>(value);
}

template <class Out>
std::vector<Out> load(const Tensor& tensor) {
  std::vector<Out> out(static_cast<size_t>(tensor.count()));
  if (tensor.dtype() == DType::kFp16 || tensor.dtype() == DType::kBf16) {
    const auto from = tensor.as<uint16_t>();
    const bool fp16 = tensor.dtype() == DType::kFp16;
    for (size_t i = 0; i < out.size(); ++i) {
      const float value = fp16 ? fp16_to_float(from[i]) : bf16_to_float(from[i]);
      if constexpr (std::is_integral_v<Out>)
        out[i] = to_integer<Out>(value);
      else
        out[i] = value;
    }
    return out;
  }
  with_type(tensor.dtype(), [&](auto type) {
    using T = decltype(type);
    const auto from = tensor.as<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      if constexpr (std::is_integral_v<Out> && std::is_floating_point_v<T>)
        out[i] = to_integer<Out>(from[i]);
      else                                   // INT8 is a number, not a character
        out[i] = static_cast<Out>(from[i]);  // NOLINT(bugprone-signed-char-misuse)
    }
  });
  return out;
}

template <class In>
void store_numbers(DType dtype, std::span<const In> values, std::byte* to) {
  if (dtype == DType::kFp16 || dtype == DType::kBf16) {
    auto* out = reinterpret_cast<uint16_t*>(to);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto value = static_cast<float>(values[i]);
      out[i] = dtype == DType::kFp16 ? float_to_fp16(value) : float_to_bf16(value);
    }
    return;
  }
  if (dtype == DType::kBool) {
    for (size_t i = 0; i < values.size(); ++i) to[i] = std::byte{values[i] != 0};
    return;
  }
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    auto* out = reinterpret_cast<T*>(to);
    for (size_t i = 0; i < values.size(); ++i) {
      if constexpr (std::is_integral_v<T> && std::is_floating_point_v<In>)
        out[i] = to_integer<T>(values[i]);
      else
        out[i] = static_cast<T>(values[i]);
    }
  });
}

}  // namespace

Result<Tensor> Tensor::make(DType dtype, Shape shape) {
  ASSIGN_OR_RETURN(const int64_t bytes, byte_count(dtype, shape));
  if (bytes > kMostBytes)
    return Error{Code::kInvalidArgument, "a tensor of shape " + shape_text(shape) + " would take " +
                                             std::to_string(bytes) + " bytes"};
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.count_ = bytes / static_cast<int64_t>(dtype_size(dtype));
  tensor.bytes_ = static_cast<size_t>(bytes);
  tensor.shape_ = std::move(shape);
  // Never null: an empty tensor is still a tensor. calloc: untouched pages cost nothing.
  auto* memory = static_cast<std::byte*>(std::calloc(tensor.bytes_ + 1, 1));
  if (memory == nullptr)
    return Error{Code::kInternal, "no memory for a tensor of shape " + shape_text(tensor.shape_) +
                                      " (" + std::to_string(bytes) + " bytes)"};
  tensor.data_ = std::shared_ptr<const std::byte>(
      memory, [](const std::byte* p) { std::free(const_cast<std::byte*>(p)); });
  return tensor;
}

Result<Tensor> Tensor::view(DType dtype, Shape shape, std::shared_ptr<const void> owner,
                            std::span<const std::byte> bytes) {
  ASSIGN_OR_RETURN(const int64_t needed, byte_count(dtype, shape));
  if (static_cast<uint64_t>(needed) != bytes.size())
    return Error{Code::kInvalidArgument, "shape " + shape_text(shape) + " of " +
                                             std::string(dtype_name(dtype)) + " needs " +
                                             std::to_string(needed) + " bytes, and there are " +
                                             std::to_string(bytes.size())};
  if (needed == 0 || reinterpret_cast<uintptr_t>(bytes.data()) % dtype_size(dtype) != 0) {
    ASSIGN_OR_RETURN(Tensor copy, make(dtype, std::move(shape)));
    if (needed > 0) std::memcpy(copy.writable().data(), bytes.data(), bytes.size());
    return copy;
  }
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  tensor.bytes_ = bytes.size();
  tensor.count_ = needed / static_cast<int64_t>(dtype_size(dtype));
  tensor.data_ = std::shared_ptr<const std::byte>(std::move(owner), bytes.data());
  return tensor;
}

Tensor Tensor::of_ints(std::span<const int64_t> values) {
  Tensor tensor = *make(DType::kInt64, {static_cast<int64_t>(values.size())});
  if (!values.empty()) std::memcpy(tensor.writable().data(), values.data(), values.size_bytes());
  return tensor;
}

Tensor Tensor::of_floats(Shape shape, std::span<const float> values) {
  Tensor tensor = *make(DType::kFp32, std::move(shape));
  CHECK(static_cast<size_t>(tensor.count_) == values.size());
  if (!values.empty()) std::memcpy(tensor.writable().data(), values.data(), values.size_bytes());
  return tensor;
}

Tensor Tensor::scalar(float value) { return of_floats({}, {&value, 1}); }

Tensor Tensor::reshaped(Shape shape) const {
  const auto count = element_count(shape);
  CHECK(count.ok() && *count == count_, "reshaped to another size");
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

std::vector<float> Tensor::floats() const { return load<float>(*this); }
std::vector<double> Tensor::doubles() const { return load<double>(*this); }
std::vector<int64_t> Tensor::ints() const { return load<int64_t>(*this); }

bool is_float(DType dtype) {
  return dtype == DType::kFp16 || dtype == DType::kBf16 || dtype == DType::kFp32 ||
         dtype == DType::kFp64;
}

bool is_integer(DType dtype) {
  return !is_float(dtype) && dtype != DType::kBool && dtype != DType::kBytes;
}

void store(DType dtype, std::span<const float> values, std::byte* to) {
  store_numbers(dtype, values, to);
}
void store(DType dtype, std::span<const double> values, std::byte* to) {
  store_numbers(dtype, values, to);
}
void store(DType dtype, std::span<const int64_t> values, std::byte* to) {
  store_numbers(dtype, values, to);
}

Result<Tensor> cast(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  ASSIGN_OR_RETURN(Tensor out, Tensor::make(dtype, tensor.shape()));
  if (is_float(tensor.dtype()))
    store(dtype, tensor.doubles(), out.writable().data());
  else
    store(dtype, tensor.ints(), out.writable().data());
  return out;
}

}  // namespace corolla::plan
