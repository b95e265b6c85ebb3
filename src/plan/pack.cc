#include "plan/pack.h"

#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

std::vector<float> read(DType dtype, std::span<const std::byte> bytes) {
  const auto count = static_cast<int64_t>(bytes.size() / dtype_size(dtype));
  return Tensor::view(dtype, {count}, nullptr, bytes)->floats();
}

// Calls f(where it is logically, where it is stored) for every element.
template <class F>
void each_stored(const Shape& shape, F f) {
  const int64_t channels = shape[1], stored = stored_channels(channels);
  const int64_t plane = shape[2] * shape[3];
  for (int64_t n = 0; n < shape[0]; ++n)
    for (int64_t p = 0; p < plane; ++p)
      for (int64_t c = 0; c < channels; ++c)
        f(static_cast<size_t>((n * channels + c) * plane + p),
          static_cast<size_t>((n * plane + p) * stored + c));
}

}  // namespace

std::vector<std::byte> pack(DType dtype, Layout layout, const Shape& shape,
                            std::span<const float> values) {
  const auto size = static_cast<size_t>(*storage_bytes(dtype, layout, shape));
  std::vector<std::byte> bytes(size);
  if (layout == Layout::kPlain) {
    store(dtype, values, bytes.data());
    return bytes;
  }
  std::vector<float> stored(size / dtype_size(dtype));
  each_stored(shape, [&](size_t from, size_t to) { stored[to] = values[from]; });
  store(dtype, stored, bytes.data());
  return bytes;
}

std::vector<float> unpack(DType dtype, Layout layout, const Shape& shape,
                          std::span<const std::byte> bytes) {
  std::vector<float> stored = read(dtype, bytes);
  if (layout == Layout::kPlain) return stored;
  std::vector<float> values(static_cast<size_t>(product(shape)));
  each_stored(shape, [&](size_t to, size_t from) { values[to] = stored[from]; });
  return values;
}

std::vector<float> pack_conv_weights(const Shape& shape, int64_t groups,
                                     std::span<const float> values, Shape& packed) {
  const int64_t in = shape[1], kernel = shape[2] * shape[3];
  const int64_t in_stored = groups == 1 ? stored_channels(in) : in;
  packed = {stored_channels(shape[0]), shape[2], shape[3], in_stored};
  std::vector<float> out(static_cast<size_t>(product(packed)));
  for (int64_t o = 0; o < shape[0]; ++o)
    for (int64_t c = 0; c < in; ++c)
      for (int64_t k = 0; k < kernel; ++k)
        out[static_cast<size_t>((o * kernel + k) * in_stored + c)] =
            values[static_cast<size_t>((o * in + c) * kernel + k)];
  return out;
}

std::vector<float> unpack_conv_weights(const Shape& packed, std::span<const float> values,
                                       int64_t out_channels, int64_t in_channels) {
  const int64_t kernel = packed[1] * packed[2];
  std::vector<float> out(static_cast<size_t>(out_channels * in_channels * kernel));
  for (int64_t o = 0; o < out_channels; ++o)
    for (int64_t c = 0; c < in_channels; ++c)
      for (int64_t k = 0; k < kernel; ++k)
        out[static_cast<size_t>((o * in_channels + c) * kernel + k)] =
            values[static_cast<size_t>((o * kernel + k) * packed[3] + c)];
  return out;
}

}  // namespace corolla::plan
