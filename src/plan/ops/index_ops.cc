// Operators that look elements up or find them: Gather, GatherElements, ArgMax, ArgMin, TopK.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

Result<std::vector<Type>> infer_gather(const Call& call) {
  const Shape& x = call.shape(0);
  ASSIGN_OR_RETURN(const int64_t axis, normal_axis(call.attributes().integer("axis", 0), x.size()));
  Shape shape(x.begin(), x.begin() + axis);
  shape.insert(shape.end(), call.shape(1).begin(), call.shape(1).end());
  shape.insert(shape.end(), x.begin() + axis + 1, x.end());
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Result<std::vector<int64_t>> indices(const Call& call, int64_t size) {
  std::vector<int64_t> found = call.value(1).ints();
  for (int64_t& i : found) {
    if (i < -size || i >= size)
      return bad("index " + std::to_string(i) + " of " + std::to_string(size) + " elements");
    if (i < 0) i += size;
  }
  return found;
}

Status run_gather(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  const auto a = static_cast<size_t>(*normal_axis(call.attributes().integer("axis", 0), x.size()));
  ASSIGN_OR_RETURN(const std::vector<int64_t> which, indices(call, x[a]));
  const int64_t outer = product(std::span(x).first(a));
  const size_t run =
      static_cast<size_t>(product(std::span(x).subspan(a + 1))) * dtype_size(call.dtype(0));
  std::byte* to = outputs[0].writable().data();
  for (int64_t o = 0; o < outer; ++o)
    for (const int64_t i : which) {
      if (run > 0)
        std::memcpy(to, call.value(0).bytes().data() + static_cast<size_t>(o * x[a] + i) * run,
                    run);
      to += run;
    }
  return ok();
}

Result<std::vector<Type>> infer_gather_elements(const Call& call) {
  const Shape& x = call.shape(0);
  const Shape& i = call.shape(1);
  ASSIGN_OR_RETURN(const int64_t axis, normal_axis(call.attributes().integer("axis", 0), x.size()));
  bool good = x.size() == i.size();
  for (size_t d = 0; d < x.size() && good; ++d)
    good = static_cast<int64_t>(d) == axis || i[d] <= x[d];
  if (!good) return bad("indices " + shape_text(i) + " do not fit " + shape_text(x));
  return std::vector{Type{call.dtype(0), i}};
}

Status run_gather_elements(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  const auto a = static_cast<size_t>(*normal_axis(call.attributes().integer("axis", 0), x.size()));
  ASSIGN_OR_RETURN(const std::vector<int64_t> which, indices(call, x[a]));
  std::vector<int64_t> strides = strides_of(x);
  const int64_t along = strides[a];
  strides[a] = 0;
  const size_t size = dtype_size(call.dtype(0));
  std::byte* to = outputs[0].writable().data();
  walk<1>(outputs[0].shape(), {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    const int64_t from = at[0] + which[static_cast<size_t>(i)] * along;
    std::memcpy(to, call.value(0).bytes().data() + static_cast<size_t>(from) * size, size);
    to += size;
  });
  return ok();
}

Result<std::vector<Type>> infer_arg(const Call& call) {
  Shape shape = call.shape(0);
  ASSIGN_OR_RETURN(const int64_t axis,
                   normal_axis(call.attributes().integer("axis", 0), shape.size()));
  if (shape[static_cast<size_t>(axis)] == 0)
    return bad("there is nothing to find in " + shape_text(shape));
  if (call.attributes().integer("keepdims", 1) != 0)
    shape[static_cast<size_t>(axis)] = 1;
  else
    shape.erase(shape.begin() + axis);
  return std::vector{Type{DType::kInt64, std::move(shape)}};
}

Status run_arg(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  const auto a = static_cast<size_t>(*normal_axis(call.attributes().integer("axis", 0), x.size()));
  const bool most = call.node().op == "ArgMax";
  const bool last = call.attributes().integer("select_last_index", 0) != 0;
  const std::vector<double> values = call.value(0).doubles();
  const int64_t inner = product(std::span(x).subspan(a + 1)),
                outer = product(std::span(x).first(a));
  const auto out = outputs[0].writable_as<int64_t>();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const auto at = [&](int64_t k) {
        const double v = values[static_cast<size_t>((o * x[a] + k) * inner + i)];
        return most ? v : -v;
      };
      int64_t best = 0;
      for (int64_t k = 1; k < x[a]; ++k)
        if (at(k) > at(best) || (last && at(k) == at(best))) best = k;
      out[static_cast<size_t>(o * inner + i)] = best;
    }
  return ok();
}

Result<std::vector<Type>> infer_top_k(const Call& call) {
  Shape shape = call.shape(0);
  ASSIGN_OR_RETURN(const int64_t axis,
                   normal_axis(call.attributes().integer("axis", -1), shape.size()));
  if (call.known(1) == nullptr) return Error{Code::kUnsupported, "K depends on the data"};
  if (call.known(1)->count() != 1) return bad("K must be one number");
  const int64_t k = call.known(1)->ints()[0];
  if (k < 0 || k > shape[static_cast<size_t>(axis)])
    return bad("K is " + std::to_string(k) + " of " +
               std::to_string(shape[static_cast<size_t>(axis)]));
  shape[static_cast<size_t>(axis)] = k;
  return std::vector{Type{call.dtype(0), shape}, Type{DType::kInt64, shape}};
}

Status run_top_k(const Call& call, std::span<Tensor> outputs) {
  const Shape& x = call.shape(0);
  const auto a = static_cast<size_t>(*normal_axis(call.attributes().integer("axis", -1), x.size()));
  const bool largest = call.attributes().integer("largest", 1) != 0;
  const int64_t k = outputs[0].shape()[a];
  const std::vector<double> values = call.value(0).doubles();
  const int64_t inner = product(std::span(x).subspan(a + 1)),
                outer = product(std::span(x).first(a));
  std::vector<double> best(static_cast<size_t>(outputs[0].count()));
  std::vector<int64_t> where(best.size());
  std::vector<int64_t> order(static_cast<size_t>(x[a]));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const auto at = [&](int64_t n) {
        return values[static_cast<size_t>((o * x[a] + n) * inner + i)];
      };
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t p, int64_t q) {
        return largest ? at(p) > at(q) : at(p) < at(q);
      });
      for (int64_t n = 0; n < k; ++n) {
        best[static_cast<size_t>((o * k + n) * inner + i)] = at(order[static_cast<size_t>(n)]);
        where[static_cast<size_t>((o * k + n) * inner + i)] = order[static_cast<size_t>(n)];
      }
    }
  store(outputs[0].dtype(), best, outputs[0].writable().data());
  store(DType::kInt64, where, outputs[1].writable().data());
  return ok();
}

constexpr Op kOps[] = {{"Gather", 2, 2, infer_gather, run_gather},
                       {"GatherElements", 2, 2, infer_gather_elements, run_gather_elements},
                       {"ArgMax", 1, 1, infer_arg, run_arg},
                       {"ArgMin", 1, 1, infer_arg, run_arg},
                       {"TopK", 2, 2, infer_top_k, run_top_k}};

}  // namespace

std::span<const Op> index_ops() { return kOps; }

}  // namespace corolla::plan
