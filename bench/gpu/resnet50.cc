#include "resnet50.h"

#include <cmath>
#include <cstring>
#include <random>

#include "plan/half.h"
#include "plan/lower/memory_plan.h"

namespace corolla::bench {
namespace {

using namespace plan;

// Weights of every layer in the order in which a program asks for them: the same for all batches.
struct Weights {
  Weights(DType precision_, uint64_t seed) : precision(precision_), random(seed) {}
  const DType precision;
  std::mt19937_64 random;
  std::vector<std::byte> bytes;

  int64_t add(size_t size) {
    const size_t at = (bytes.size() + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment;
    bytes.resize(at + size);
    return static_cast<int64_t>(at);
  }
  int64_t matrix(int64_t outputs, int64_t taps, int64_t channels, int64_t stored, float spread) {
    const int64_t size = precision == DType::kInt8 ? 1 : 2;
    const int64_t at = add(static_cast<size_t>(outputs * taps * stored * size));
    for (int64_t i = 0; i < outputs * taps; ++i)
      for (int64_t c = 0; c < channels; ++c) {
        const float v = static_cast<float>(random() >> 40) * 0x1p-23f - 1;
        std::byte* to = bytes.data() + at + (i * stored + c) * size;
        if (precision == DType::kInt8) {
          *to = static_cast<std::byte>(static_cast<int8_t>(std::lround(v * 127)));
        } else {
          const uint16_t half =
              precision == DType::kBf16 ? float_to_bf16(v * spread) : float_to_fp16(v * spread);
          std::memcpy(to, &half, 2);
        }
      }
    return at;
  }
  int64_t same(int64_t count, float value) {
    const int64_t at = add(static_cast<size_t>(count) * 4);
    for (int64_t i = 0; i < count; ++i) std::memcpy(bytes.data() + at + i * 4, &value, 4);
    return at;
  }
  int64_t floats(int64_t count, float spread) {
    const int64_t at = add(static_cast<size_t>(count) * 4);
    auto* to = reinterpret_cast<float*>(bytes.data() + at);
    for (int64_t i = 0; i < count; ++i)
      to[i] = (static_cast<float>(random() >> 40) * 0x1p-23f - 1) * spread;
    return at;
  }
};

struct Places {  // of one layer's weights, bias, and scales where it is INT8
  int64_t w, bias, scales;
};

class Builder {
 public:
  Builder(int64_t batch, DType precision, Weights* weights, std::vector<Places>& places)
      : precision_(precision), weights_(weights), places_(places) {
    program_.batch = batch;
  }

  int32_t tensor(PlanTensor t) {
    t.bytes = *storage_bytes(t.dtype, t.layout, t.shape);
    program_.tensors.push_back(std::move(t));
    return static_cast<int32_t>(program_.tensors.size() - 1);
  }
  // In the compute type.
  int32_t activation(Shape shape) {
    return tensor({.dtype = precision_ == DType::kBf16 ? DType::kBf16 : DType::kFp16,
                   .layout = shape.size() == 4 ? Layout::kNhwc : Layout::kPlain,
                   .shape = shape});
  }
  // In 8 bits where the net is.
  int32_t quantised(Shape shape, float scale, int32_t zero) {
    if (precision_ != DType::kInt8) return activation(std::move(shape));
    return tensor({.dtype = DType::kUint8,
                   .layout = shape.size() == 4 ? Layout::kNhwc : Layout::kPlain,
                   .shape = shape,
                   .scale = scale,
                   .zero = zero});
  }
  int32_t step(std::string name, Operation operation, std::vector<int32_t> inputs, int32_t output) {
    program_.steps.push_back({std::move(name), std::move(operation), std::move(inputs), {output}});
    return output;
  }
  const Shape& shape(int32_t t) const { return program_.tensors[static_cast<size_t>(t)].shape; }

  struct Parameters {
    int32_t w, bias, scales = -1;
  };
  Parameters parameters(int64_t outputs, int64_t kernel, int64_t channels, bool nhwc) {
    const int64_t stored = nhwc ? stored_channels(channels) : channels;
    const bool int8 = precision_ == DType::kInt8;
    if (weights_ != nullptr) {
      const float spread = std::sqrt(6.f / static_cast<float>(kernel * kernel * channels)) * 0.8f;
      const int64_t w = weights_->matrix(outputs, kernel * kernel, channels, stored, spread);
      const int64_t bias = weights_->floats(outputs, 0.1f);
      places_.push_back({w, bias, int8 ? weights_->same(outputs, spread / 127) : 0});
    }
    const auto [w, b, scales] = places_[layer_++];
    const auto floats = [&](int64_t at) {
      return tensor(
          {.dtype = DType::kFp32, .shape = {outputs}, .place = Place::kWeight, .offset = at});
    };
    const Shape s = nhwc ? Shape{outputs, kernel, kernel, stored} : Shape{outputs, stored};
    Parameters made{tensor({.dtype = precision_, .shape = s, .place = Place::kWeight, .offset = w}),
                    floats(b)};
    if (int8) made.scales = floats(scales);
    return made;
  }
  int32_t conv(int32_t x, int64_t outputs, int64_t kernel, int64_t stride, bool relu,
               int32_t residual = -1, bool last = false) {
    const Shape from = shape(x);
    const int64_t pad = kernel / 2;
    const Parameters p = parameters(outputs, kernel, from[1], true);
    Conv conv{.kernel_h = kernel,
              .kernel_w = kernel,
              .stride_h = stride,
              .stride_w = stride,
              .pad_top = pad,
              .pad_left = pad,
              .pad_bottom = pad,
              .pad_right = pad};
    conv.epilogue.activation = relu ? Activation::kRelu : Activation::kNone;
    conv.epilogue.residual = residual >= 0;
    const Shape to = {from[0], outputs, (from[2] + 2 * pad - kernel) / stride + 1,
                      (from[3] + 2 * pad - kernel) / stride + 1};
    const int32_t y = last ? activation(to) : quantised(to, 0.04f, relu ? 0 : 128);
    std::vector<int32_t> inputs{x, p.w, p.bias};
    if (residual >= 0) inputs.push_back(residual);
    if (p.scales >= 0) inputs.push_back(p.scales);
    return step("conv" + std::to_string(layer_), conv, inputs, y);
  }

  Program finish() {
    plan_memory(program_);
    return std::move(program_);
  }

 private:
  Program program_;
  DType precision_;
  Weights* weights_;
  std::vector<Places>& places_;
  size_t layer_ = 0;
};

Program program(int64_t batch, int64_t classes, bool pixels, DType precision, Weights* weights,
                std::vector<Places>& places) {
  Builder b(batch, precision, weights, places);
  const int32_t input =
      pixels ? b.tensor(
                   {.dtype = DType::kUint8, .shape = {batch, 224, 224, 3}, .place = Place::kInput})
             : b.tensor(
                   {.dtype = DType::kFp32, .shape = {batch, 3, 224, 224}, .place = Place::kInput});
  int32_t x = b.step("import", Import{pixels, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
                     {input}, b.quantised({batch, 3, 224, 224}, 0.0187f, 114));
  x = b.conv(x, 64, 7, 2, true);
  x = b.step("maxpool",
             Pool{.kernel_h = 3,
                  .kernel_w = 3,
                  .stride_h = 2,
                  .stride_w = 2,
                  .pad_top = 1,
                  .pad_left = 1,
                  .pad_bottom = 1,
                  .pad_right = 1},
             {x}, b.quantised({batch, 64, 56, 56}, 0.04f, 0));
  const int64_t depth[] = {3, 4, 6, 3};
  for (int64_t stage = 0; stage < 4; ++stage)
    for (int64_t block = 0; block < depth[stage]; ++block) {
      const int64_t width = 64 << stage, stride = stage > 0 && block == 0 ? 2 : 1;
      int32_t y = b.conv(x, width, 1, 1, true);
      y = b.conv(y, width, 3, stride, true);
      const int32_t shortcut = block == 0 ? b.conv(x, width * 4, 1, stride, false) : x;
      x = b.conv(y, width * 4, 1, 1, true, shortcut, stage == 3 && block == 2);
    }
  x = b.step("pool", GlobalAveragePool{}, {x}, b.activation({batch, 2048, 1, 1}));
  const auto [w, bias, scales] = b.parameters(classes, 1, 2048, false);
  std::vector<int32_t> inputs{x, w, bias};
  if (precision == DType::kInt8) {
    inputs[0] = b.step("quantise", Quantize{}, {x}, b.quantised({batch, 2048, 1, 1}, 0.01f, 0));
    inputs.push_back(scales);
  }
  x = b.step("fc", Gemm{batch, classes, 2048, {}}, inputs, b.activation({batch, classes}));
  x = b.step("softmax", Softmax{}, {x}, b.activation({batch, classes}));
  b.step("export", Export{}, {x},
         b.tensor({.dtype = DType::kFp32, .shape = {batch, classes}, .place = Place::kOutput}));
  return b.finish();
}

}  // namespace

plan::Plan resnet50(std::vector<int64_t> batches, int64_t classes, bool pixels, DType precision,
                    uint64_t seed) {
  auto weights = std::make_shared<Weights>(precision, seed);
  std::vector<Places> places;
  plan::Plan made;
  made.model = "resnet50";
  made.precision = precision;
  for (const int64_t batch : batches)
    made.programs.push_back(program(batch, classes, pixels, precision,
                                    places.empty() ? weights.get() : nullptr, places));
  made.inputs = {pixels ? Port{"input", DType::kUint8, {-1, 224, 224, 3}}
                        : Port{"input", DType::kFp32, {-1, 3, 224, 224}}};
  made.outputs = {{"output", DType::kFp32, {-1, classes}}};
  made.weights = weights->bytes;
  made.owner = weights;
  return made;
}

}  // namespace corolla::bench
