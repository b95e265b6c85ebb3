#include "plan/ops/window.h"

#include "plan/ops/shapes.h"

namespace corolla::plan {

Result<Window> window_of(const Attributes& attributes, const Shape& picture, Shape kernel) {
  if (picture.size() < 3 || picture.size() > 5)
    return bad("it needs a tensor of 3 to 5 dimensions; this one is " + shape_text(picture));
  const size_t n = picture.size() - 2;
  if (kernel.size() != n)
    return bad("its kernel " + shape_text(kernel) + " does not fit a tensor of shape " +
               shape_text(picture));
  Window w;
  w.kernel = std::move(kernel);
  w.stride = attributes.integers("strides", Shape(n, 1));
  w.dilation = attributes.integers("dilations", Shape(n, 1));
  const Shape pads = attributes.integers("pads", Shape(2 * n, 0));
  const std::string automatic = attributes.text("auto_pad", "NOTSET");
  const bool ceil_mode = attributes.integer("ceil_mode", 0) != 0;
  if (w.stride.size() != n || w.dilation.size() != n || pads.size() != 2 * n)
    return bad("strides " + shape_text(w.stride) + ", dilations " + shape_text(w.dilation) +
               " or pads " + shape_text(pads) + " do not fit " + std::to_string(n) +
               " spatial dimensions");
  constexpr int64_t kMost = 1 << 30;
  for (size_t d = 0; d < n; ++d) {
    const auto within = [](int64_t v, int64_t least) { return v >= least && v <= kMost; };
    if (!within(w.kernel[d], 1) || !within(w.stride[d], 1) || !within(w.dilation[d], 1) ||
        !within(pads[d], 0) || !within(pads[d + n], 0) || !within(picture[d + 2], 0))
      return bad("kernel, strides, dilations or pads are out of range");
    const int64_t in = picture[d + 2];
    const int64_t reach = (w.kernel[d] - 1) * w.dilation[d] + 1;
    int64_t begin = pads[d], end = pads[d + n], out;
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      out = (in + w.stride[d] - 1) / w.stride[d];
      const int64_t total = std::max<int64_t>(0, (out - 1) * w.stride[d] + reach - in);
      begin = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      end = total - begin;
    } else {
      if (automatic == "VALID") begin = end = 0;
      const int64_t room = in + begin + end - reach;
      if (room < 0)
        return bad("its window of " + std::to_string(reach) +
                   " is larger than the padded picture of " + std::to_string(in + begin + end));
      out = room / w.stride[d] + 1;
      // A window that would begin in the padding behind the picture does not count.
      if (ceil_mode && room % w.stride[d] != 0 && out * w.stride[d] < in + begin) ++out;
    }
    w.pad_begin.push_back(begin);
    w.pad_end.push_back(end);
    w.in.push_back(in);
    w.out.push_back(out);
  }
  return w;
}

}  // namespace corolla::plan
