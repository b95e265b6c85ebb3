// A tensor in host memory: element type, shape, and dense row-major bytes that copies share.
//
// Whoever made it with Tensor::make may write it until it is handed on; after that it is only read,
// so sharing between graphs, plans and threads is safe. Bytes that come from a mapped file keep
// that file mapped.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"

namespace corolla::plan {

using Shape = std::vector<int64_t>;

class Tensor {
 public:
  Tensor() = default;

  // Zeros. kInvalidArgument for a shape with a negative dimension or of more than 2^40 bytes.
  // REQUIRES: dtype != kBytes.
  static Result<Tensor> make(DType dtype, Shape shape);
  // Shares memory that `owner` keeps alive. kInvalidArgument when `bytes` is not what the shape
  // needs.
  static Result<Tensor> view(DType dtype, Shape shape, std::shared_ptr<const void> owner,
                             std::span<const std::byte> bytes);
  static Tensor of_ints(std::span<const int64_t> values);               // INT64 [n]
  static Tensor of_floats(Shape shape, std::span<const float> values);  // REQUIRES: sizes agree
  static Tensor scalar(float value);                                    // FP32 []

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t count() const { return count_; }
  std::span<const std::byte> bytes() const { return {data_.get(), bytes_}; }
  bool empty() const { return data_ == nullptr; }  // default-made: no tensor at all

  // REQUIRES: made by make() and not shared yet.
  std::span<std::byte> writable() { return {const_cast<std::byte*>(data_.get()), bytes_}; }
  template <class T>
  std::span<T> writable_as() {
    return {reinterpret_cast<T*>(writable().data()), static_cast<size_t>(count_)};
  }
  // REQUIRES: T is what dtype() says.
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data_.get()), static_cast<size_t>(count_)};
  }

  // The same bytes under another shape. REQUIRES: the same number of elements.
  Tensor reshaped(Shape shape) const;

  // Every element as a number; fp16 and bf16 widened. INT64 beyond 2^53 loses digits in doubles().
  std::vector<float> floats() const;
  std::vector<double> doubles() const;
  std::vector<int64_t> ints() const;  // fractions cut off; out of range: the nearest end

 private:
  DType dtype_ = DType::kFp32;
  Shape shape_;
  int64_t count_ = 0;
  size_t bytes_ = 0;
  std::shared_ptr<const std::byte> data_;
};

bool is_float(DType dtype);    // FP16, BF16, FP32, FP64
bool is_integer(DType dtype);  // any signed or unsigned, not BOOL

// Numbers into elements: floats are rounded to nearest; integers cut off and clamped to the type's
// range (which QuantizeLinear wants) after NaN became 0. REQUIRES: `to` holds values.size()
// elements of `dtype`.
void store(DType dtype, std::span<const float> values, std::byte* to);
void store(DType dtype, std::span<const double> values, std::byte* to);
// Integers wrap around, as ONNX's arithmetic and casts do.
void store(DType dtype, std::span<const int64_t> values, std::byte* to);

Result<Tensor> cast(const Tensor& tensor, DType dtype);

}  // namespace corolla::plan
