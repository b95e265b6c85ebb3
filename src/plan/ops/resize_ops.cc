// Resize: nearest, linear and cubic, along any dimensions, one after the other.
//
// y[i] = sum over taps of weight * x[tap], where taps and weights follow from the output place i by
// coordinate_transformation_mode.
#include <cmath>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

struct Axis {
  size_t dimension;
  int64_t in, out;
  double scale;            // output over input
  double roi[2] = {0, 1};  // of tf_crop_and_resize
};

// The dimensions that are resized. Inputs: x, roi, scales, sizes.
Result<std::vector<Axis>> axes_of(const Call& call) {
  const Shape& x = call.shape(0);
  std::vector<int64_t> which = call.attributes().integers("axes");
  if (which.empty())
    for (size_t d = 0; d < x.size(); ++d) which.push_back(static_cast<int64_t>(d));
  RETURN_IF_ERROR(normal_axes(which, x.size()));
  const bool by_size = call.has(3) && product(call.shape(3)) > 0;
  const size_t source = by_size ? 3 : 2;
  if (!call.has(source)) return bad("it has neither scales nor sizes");
  if (call.known(source) == nullptr)
    return Error{Code::kUnsupported, "its scales or sizes depend on the data"};
  const std::vector<double> wish = call.value(source).doubles();
  if (wish.size() != which.size())
    return bad(std::to_string(wish.size()) + " scales or sizes for " +
               std::to_string(which.size()) + " dimensions");
  std::vector<Axis> axes;
  for (size_t i = 0; i < which.size(); ++i) {
    Axis axis;
    axis.dimension = static_cast<size_t>(*normal_axis(which[i], x.size()));
    axis.in = x[axis.dimension];
    if (!(wish[i] > 0) || wish[i] > 1e9 || axis.in == 0)
      return bad("a scale or size is " + std::to_string(wish[i]));
    axis.scale = by_size ? wish[i] / static_cast<double>(axis.in)
                         : static_cast<double>(static_cast<float>(wish[i]));
    axis.out = by_size
                   ? static_cast<int64_t>(wish[i])
                   : static_cast<int64_t>(std::floor(static_cast<double>(axis.in) * axis.scale));
    axes.push_back(axis);
  }
  const std::string policy = call.attributes().text("keep_aspect_ratio_policy", "stretch");
  if (by_size && policy != "stretch") {
    double scale = axes[0].scale;
    for (const Axis& axis : axes)
      scale = policy == "not_larger" ? std::min(scale, axis.scale) : std::max(scale, axis.scale);
    for (Axis& axis : axes) {
      axis.scale = scale;
      axis.out = static_cast<int64_t>(std::floor(scale * static_cast<double>(axis.in) + 0.5));
    }
  }
  if (call.attributes().text("coordinate_transformation_mode", "half_pixel") ==
      "tf_crop_and_resize") {
    const std::vector<double> roi = call.known(1) ? call.value(1).doubles() : std::vector<double>();
    if (roi.size() != 2 * axes.size()) return bad("tf_crop_and_resize needs a roi");
    for (size_t i = 0; i < axes.size(); ++i) {
      axes[i].roi[0] = roi[i];
      axes[i].roi[1] = roi[i + axes.size()];
    }
  }
  return axes;
}

Result<std::vector<Type>> infer_resize(const Call& call) {
  ASSIGN_OR_RETURN(const std::vector<Axis> axes, axes_of(call));
  Shape shape = call.shape(0);
  for (const Axis& axis : axes) shape[axis.dimension] = axis.out;
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

double source_place(std::string_view mode, const Axis& axis, int64_t out) {
  const auto o = static_cast<double>(out), in = static_cast<double>(axis.in);
  const auto size = static_cast<double>(axis.out);
  if (mode == "asymmetric") return o / axis.scale;
  if (mode == "align_corners") {
    // The length before it was rounded down: what ONNX's own tests say.
    const double length = axis.scale * in;
    return length == 1 ? 0 : o * (in - 1) / (length - 1);
  }
  if (mode == "pytorch_half_pixel") return size <= 1 ? 0 : (o + 0.5) / axis.scale - 0.5;
  if (mode == "tf_crop_and_resize")
    return size <= 1
               ? 0.5 * (axis.roi[0] + axis.roi[1]) * (in - 1)
               : axis.roi[0] * (in - 1) + o * (axis.roi[1] - axis.roi[0]) * (in - 1) / (size - 1);
  if (mode == "half_pixel_symmetric") {
    const double adjust = size / (axis.scale * in);
    return in / 2 * (1 - adjust) + (o + 0.5) / axis.scale - 0.5;
  }
  return (o + 0.5) / axis.scale - 0.5;
}

struct Tap {
  int64_t at;
  double weight;
};

int64_t nearest(std::string_view mode, double x) {
  if (mode == "floor") return static_cast<int64_t>(std::floor(x));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(x));
  if (mode == "round_prefer_ceil") return static_cast<int64_t>(std::floor(x + 0.5));
  return static_cast<int64_t>(std::ceil(x - 0.5));  // round_prefer_floor
}

// The kernel's weight at distance d (in input places, already scaled when antialiasing).
double kernel(bool cubic, double a, double d) {
  d = std::fabs(d);
  if (!cubic) return std::max(0.0, 1 - d);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

std::vector<Tap> taps_of(const Attributes& attributes, const Axis& axis, double x) {
  const std::string mode = attributes.text("mode", "nearest");
  const auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at, 0, axis.in - 1); };
  if (mode == "nearest")
    return {{clamp(nearest(attributes.text("nearest_mode", "round_prefer_floor"), x)), 1}};
  const bool cubic = mode == "cubic";
  const double a = attributes.number("cubic_coeff_a", -0.75f);
  const double shrink = attributes.integer("antialias", 0) != 0 ? std::min(1.0, axis.scale) : 1.0;
  const bool exclude = attributes.integer("exclude_outside", 0) != 0;
  const double reach = (cubic ? 2 : 1) / shrink;
  std::vector<Tap> taps;
  double sum = 0;
  for (auto at = static_cast<int64_t>(std::floor(x - reach)); at <= std::ceil(x + reach); ++at) {
    const double weight = kernel(cubic, a, (static_cast<double>(at) - x) * shrink);
    if (weight == 0 || (exclude && (at < 0 || at >= axis.in))) continue;
    taps.push_back({clamp(at), weight});
    sum += weight;
  }
  if ((exclude || shrink < 1) && sum != 0)
    for (Tap& tap : taps) tap.weight /= sum;
  return taps;
}

Status run_resize(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(const std::vector<Axis> axes, axes_of(call));
  const Attributes& attributes = call.attributes();
  const std::string place = attributes.text("coordinate_transformation_mode", "half_pixel");
  const double outside = attributes.number("extrapolation_value", 0);
  std::vector<double> values = call.value(0).doubles();
  Shape shape = call.shape(0);
  for (const Axis& axis : axes) {
    const bool crop = place == "tf_crop_and_resize";
    if (axis.in == axis.out && axis.scale == 1 && !crop) continue;
    const int64_t inner = product(std::span(shape).subspan(axis.dimension + 1));
    const int64_t outer = product(std::span(shape).first(axis.dimension));
    std::vector<double> next(static_cast<size_t>(outer * axis.out * inner));
    for (int64_t o = 0; o < axis.out; ++o) {
      const double x = source_place(place, axis, o);
      const bool off = crop && (x < 0 || x > static_cast<double>(axis.in - 1));
      const std::vector<Tap> taps = taps_of(attributes, axis, x);
      for (int64_t p = 0; p < outer; ++p)
        for (int64_t i = 0; i < inner; ++i) {
          double sum = off ? outside : 0;
          if (!off)
            for (const Tap& tap : taps)
              sum += tap.weight * values[static_cast<size_t>((p * axis.in + tap.at) * inner + i)];
          next[static_cast<size_t>((p * axis.out + o) * inner + i)] = sum;
        }
    }
    values = std::move(next);
    shape[axis.dimension] = axis.out;
  }
  store(outputs[0].dtype(), values, outputs[0].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"Resize", 1, 4, infer_resize, run_resize}};

}  // namespace

std::span<const Op> resize_ops() { return kOps; }

}  // namespace corolla::plan
