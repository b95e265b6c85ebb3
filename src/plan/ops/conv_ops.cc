// Conv of one, two or three spatial dimensions, with groups, strides, dilations and pads.
//
//   y[n, o, p] = b[o] + sum over c, k of x[n, group(o)*C/g + c, p*stride + k*dilation - pad] * w[o,
//   c, k]
#include "plan/ops/convolve.h"
#include "plan/ops/multiply.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {

Result<Type> conv_type(const Call& call) {
  const Shape& x = call.shape(0);
  const Shape& w = call.shape(1);
  if (!is_float(call.dtype(0)) || call.dtype(1) != call.dtype(0))
    return bad("it has " + std::string(dtype_name(call.dtype(0))) + " input and " +
               std::string(dtype_name(call.dtype(1))) + " weights; both must be one float type");
  if (w.size() < 3 || w.size() != x.size())
    return bad("input " + shape_text(x) + " and weights " + shape_text(w) + " do not go together");
  const int64_t groups = call.attributes().integer("group", 1);
  if (groups < 1 || x[1] % groups != 0 || w[0] % groups != 0 || w[1] != x[1] / groups)
    return bad("input " + shape_text(x) + ", weights " + shape_text(w) + " and " +
               std::to_string(groups) + " groups do not go together");
  if (call.has(2) && call.shape(2) != Shape{w[0]})
    return bad("its bias is " + shape_text(call.shape(2)) + " for weights " + shape_text(w));
  const Shape kernel(w.begin() + 2, w.end());
  const Shape declared = call.attributes().integers("kernel_shape", kernel);
  if (declared != kernel)
    return bad("kernel_shape " + shape_text(declared) + " and weights " + shape_text(w) +
               " do not go together");
  ASSIGN_OR_RETURN(const Window window, window_of(call.attributes(), x, kernel));
  Shape out = {x[0], w[0]};
  out.insert(out.end(), window.out.begin(), window.out.end());
  return Type{call.dtype(0), out};
}

namespace {

// Three spatial dimensions; missing ones in front count 1.
struct Space {
  int64_t kernel[3], stride[3], dilation[3], pad[3], in[3], out[3];
  explicit Space(const Window& w) {
    for (size_t i = 0; i < 3; ++i) {
      const size_t missing = 3 - w.dimensions();
      const bool has = i >= missing;
      const size_t d = has ? i - missing : 0;
      kernel[i] = has ? w.kernel[d] : 1;
      stride[i] = has ? w.stride[d] : 1;
      dilation[i] = has ? w.dilation[d] : 1;
      pad[i] = has ? w.pad_begin[d] : 0;
      in[i] = has ? w.in[d] : 1;
      out[i] = has ? w.out[d] : 1;
    }
  }
  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
  int64_t kernel_size() const { return kernel[0] * kernel[1] * kernel[2]; }
};

// One channel's row of the matrix [kernel, out]: what each window sees at each of its places.
void unfold(const float* plane, const Space& s, float* to) {
  for (int64_t kz = 0; kz < s.kernel[0]; ++kz)
    for (int64_t ky = 0; ky < s.kernel[1]; ++ky)
      for (int64_t kx = 0; kx < s.kernel[2]; ++kx)
        for (int64_t oz = 0; oz < s.out[0]; ++oz)
          for (int64_t oy = 0; oy < s.out[1]; ++oy) {
            const int64_t z = oz * s.stride[0] + kz * s.dilation[0] - s.pad[0];
            const int64_t y = oy * s.stride[1] + ky * s.dilation[1] - s.pad[1];
            const bool outside = z < 0 || z >= s.in[0] || y < 0 || y >= s.in[1];
            const float* row = plane + (outside ? 0 : (z * s.in[1] + y) * s.in[2]);
            int64_t x = kx * s.dilation[2] - s.pad[2];
            for (int64_t ox = 0; ox < s.out[2]; ++ox, x += s.stride[2])
              *to++ = outside || x < 0 || x >= s.in[2] ? 0 : row[x];
          }
}

}  // namespace

Result<std::vector<float>> convolve(const Call& call) {
  const Shape& x = call.shape(0);
  const Shape& w = call.shape(1);
  ASSIGN_OR_RETURN(const Window window,
                   window_of(call.attributes(), x, Shape(w.begin() + 2, w.end())));
  const Space s(window);
  const int64_t groups = call.attributes().integer("group", 1);
  const int64_t in_channels = w[1], out_channels = w[0] / groups;
  const int64_t depth = in_channels * s.kernel_size(), places = s.out_size();
  const std::vector<float> in = call.value(0).floats(), weights = call.value(1).floats();
  const std::vector<float> bias = call.has(2) ? call.value(2).floats() : std::vector<float>();
  std::vector<float> out(static_cast<size_t>(x[0] * w[0] * places));
  const auto work = static_cast<double>(x[0]) * static_cast<double>(w[0]) *
                    static_cast<double>(depth) * static_cast<double>(places);
  std::vector<float> seen(static_cast<size_t>(depth * places));
  for (int64_t n = 0; n < x[0]; ++n)
    for (int64_t g = 0; g < groups; ++g) {
      const float* planes = in.data() + (n * groups + g) * in_channels * s.in_size();
      for (int64_t c = 0; c < in_channels; ++c)
        unfold(planes + c * s.in_size(), s, seen.data() + c * s.kernel_size() * places);
      const float* w_group = weights.data() + g * out_channels * depth;
      float* out_group = out.data() + (n * groups + g) * out_channels * places;
      in_pieces(out_channels, static_cast<int64_t>(work / static_cast<double>(x[0] * groups)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t o = begin; o < end; ++o)
                    std::fill_n(out_group + o * places, places,
                                bias.empty() ? 0 : bias[static_cast<size_t>(g * out_channels + o)]);
                  multiply(end - begin, places, depth, w_group + begin * depth, seen.data(),
                           out_group + begin * places);
                });
    }
  return out;
}

namespace {

Result<std::vector<Type>> infer_conv(const Call& call) {
  ASSIGN_OR_RETURN(Type type, conv_type(call));
  return std::vector{std::move(type)};
}

Status run_conv(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(const std::vector<float> out, convolve(call));
  store(outputs[0].dtype(), out, outputs[0].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"Conv", 2, 3, infer_conv, run_conv}};

}  // namespace

std::span<const Op> conv_ops() { return kOps; }

}  // namespace corolla::plan
