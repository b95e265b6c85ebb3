// MaxPool, AveragePool, LpPool and the pools over the whole picture.
#include <cmath>
#include <limits>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"
#include "plan/ops/window.h"

namespace corolla::plan {
namespace {

Result<std::vector<Type>> infer_pool(const Call& call) {
  ASSIGN_OR_RETURN(const Window window, window_of(call.attributes(), call.shape(0),
                                                  call.attributes().integers("kernel_shape")));
  Shape shape = {call.shape(0)[0], call.shape(0)[1]};
  shape.insert(shape.end(), window.out.begin(), window.out.end());
  if (call.node().op == "MaxPool")
    return std::vector{Type{call.dtype(0), shape}, Type{DType::kInt64, shape}};
  return std::vector{Type{call.dtype(0), shape}};
}

// Calls f(where in the plane) for every element of the window at `place` that lies inside the
// picture; returns how many of the window's places lie inside the padded picture.
template <class F>
int64_t visit(const Window& w, const std::vector<int64_t>& place, F f) {
  const std::vector<int64_t> in_strides = strides_of(w.in);
  int64_t counted = 0;
  walk<0>(w.kernel, {}, [&](int64_t i, const std::array<int64_t, 0>&) {
    bool inside = true, padded = true;
    int64_t at = 0;
    for (size_t d = w.dimensions(); d-- > 0;) {
      const int64_t k = i % w.kernel[d];
      i /= w.kernel[d];
      const int64_t x = place[d] * w.stride[d] + k * w.dilation[d] - w.pad_begin[d];
      inside = inside && x >= 0 && x < w.in[d];
      padded = padded && x < w.in[d] + w.pad_end[d];
      at += x * in_strides[d];
    }
    if (padded) ++counted;
    if (inside) f(at);
  });
  return counted;
}

Status run_pool(const Call& call, std::span<Tensor> outputs) {
  ASSIGN_OR_RETURN(const Window w, window_of(call.attributes(), call.shape(0),
                                             call.attributes().integers("kernel_shape")));
  const std::string& op = call.node().op;
  const bool include_pad = call.attributes().integer("count_include_pad", 0) != 0;
  const double p = static_cast<double>(call.attributes().integer("p", 2));
  const bool column_major = call.attributes().integer("storage_order", 0) != 0;
  const std::vector<double> in = call.value(0).doubles();
  const int64_t planes = call.shape(0)[0] * call.shape(0)[1];
  const int64_t in_size = product(w.in), out_size = product(w.out);
  std::vector<double> out(static_cast<size_t>(planes * out_size));
  std::vector<int64_t> where(outputs.size() > 1 ? out.size() : 0);
  std::vector<int64_t> place(w.dimensions());
  for (int64_t plane = 0; plane < planes; ++plane)
    for (int64_t o = 0; o < out_size; ++o) {
      int64_t rest = o;
      for (size_t d = w.dimensions(); d-- > 0; rest /= w.out[d]) place[d] = rest % w.out[d];
      const double* from = in.data() + plane * in_size;
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      int64_t inside = 0, best = 0;
      const int64_t all = visit(w, place, [&](int64_t at) {
        if (from[at] > most || std::isnan(from[at])) {
          most = from[at];
          best = at;
        }
        sum += op == "LpPool" ? std::pow(std::fabs(from[at]), p) : from[at];
        ++inside;
      });
      const auto to = static_cast<size_t>(plane * out_size + o);
      if (op == "MaxPool")
        out[to] = most;
      else if (op == "LpPool")
        out[to] = std::pow(sum, 1 / p);
      else
        out[to] = sum / static_cast<double>(std::max<int64_t>(include_pad ? all : inside, 1));
      if (where.empty()) continue;
      if (column_major) {  // the same place, counted with the first spatial dimension fastest
        int64_t r = best, column = 0;
        std::vector<int64_t> c(w.dimensions());
        for (size_t d = w.dimensions(); d-- > 0; r /= w.in[d]) c[d] = r % w.in[d];
        for (size_t d = w.dimensions(); d-- > 0;) column = column * w.in[d] + c[d];
        best = column;
      }
      where[to] = plane * in_size + best;
    }
  // MaxPool of integers is exact: 8 bits fit a double.
  store(outputs[0].dtype(), out, outputs[0].writable().data());
  if (!where.empty()) store(DType::kInt64, where, outputs[1].writable().data());
  return ok();
}

Result<std::vector<Type>> infer_global(const Call& call) {
  Shape shape = call.shape(0);
  if (shape.size() < 3) return bad("it needs [N, C, spatial...], not " + shape_text(shape));
  std::fill(shape.begin() + 2, shape.end(), 1);
  return std::vector{Type{call.dtype(0), shape}};
}

Status run_global(const Call& call, std::span<Tensor> outputs) {
  const std::vector<double> in = call.value(0).doubles();
  const Shape& shape = call.shape(0);
  const auto planes = static_cast<size_t>(shape[0] * shape[1]);
  const size_t size = planes == 0 ? 0 : in.size() / planes;
  std::vector<double> out(planes);
  for (size_t plane = 0; plane < planes; ++plane) {
    double sum = 0, most = -std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < size; ++i) {
      sum += in[plane * size + i];
      most = std::max(most, in[plane * size + i]);
    }
    out[plane] = call.node().op == "GlobalMaxPool"
                     ? most
                     : sum / static_cast<double>(std::max<size_t>(size, 1));
  }
  store(outputs[0].dtype(), out, outputs[0].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"MaxPool", 1, 1, infer_pool, run_pool},
                       {"AveragePool", 1, 1, infer_pool, run_pool},
                       {"LpPool", 1, 1, infer_pool, run_pool},
                       {"GlobalAveragePool", 1, 1, infer_global, run_global},
                       {"GlobalMaxPool", 1, 1, infer_global, run_global}};

}  // namespace

std::span<const Op> pool_ops() { return kOps; }

}  // namespace corolla::plan
