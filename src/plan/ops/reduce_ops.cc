// ReduceMean, ReduceSum and their kin: axes are input 1, as in opset 18 and later.
#include <cmath>
#include <limits>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

struct Reduction {
  std::string_view name;
  double start;
  double (*add)(double sum, double value);
  double (*end)(double sum, double count);
};

double as_is(double sum, double) { return sum; }

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr Reduction kReductions[] = {
    {"ReduceSum", 0, [](double s, double v) { return s + v; }, as_is},
    {"ReduceMean", 0, [](double s, double v) { return s + v; },
     [](double s, double n) { return s / n; }},
    {"ReduceMax", -kInfinity, [](double s, double v) { return s > v ? s : v; }, as_is},
    {"ReduceMin", kInfinity, [](double s, double v) { return s < v ? s : v; }, as_is},
    {"ReduceProd", 1, [](double s, double v) { return s * v; }, as_is},
    {"ReduceL1", 0, [](double s, double v) { return s + std::fabs(v); }, as_is},
    {"ReduceL2", 0, [](double s, double v) { return s + v * v; },
     [](double s, double) { return std::sqrt(s); }},
    {"ReduceSumSquare", 0, [](double s, double v) { return s + v * v; }, as_is},
    {"ReduceLogSum", 0, [](double s, double v) { return s + v; },
     [](double s, double) { return std::log(s); }},
    {"ReduceLogSumExp", 0, [](double s, double v) { return s + std::exp(v); },
     [](double s, double) { return std::log(s); }},
};

// One flag a dimension: is it reduced?
Result<std::vector<bool>> reduced(const Call& call) {
  const size_t rank = call.shape(0).size();
  std::vector<bool> flags(rank, false);
  std::vector<int64_t> axes;
  if (call.has(1)) {
    if (call.known(1) == nullptr) return Error{Code::kUnsupported, "its axes depend on the data"};
    ASSIGN_OR_RETURN(axes, normal_axes(call.value(1).ints(), rank));
  }
  if (axes.empty() && call.attributes().integer("noop_with_empty_axes", 0) == 0)
    flags.assign(rank, true);
  for (const int64_t a : axes) flags[static_cast<size_t>(a)] = true;
  return flags;
}

Result<std::vector<Type>> infer_reduce(const Call& call) {
  ASSIGN_OR_RETURN(const std::vector<bool> flags, reduced(call));
  const bool keep = call.attributes().integer("keepdims", 1) != 0;
  Shape shape;
  for (size_t d = 0; d < flags.size(); ++d) {
    if (!flags[d])
      shape.push_back(call.shape(0)[d]);
    else if (keep)
      shape.push_back(1);
  }
  return std::vector{Type{call.dtype(0), std::move(shape)}};
}

Status run_reduce(const Call& call, std::span<Tensor> outputs) {
  const Reduction* reduction = nullptr;
  for (const Reduction& r : kReductions)
    if (r.name == call.node().op) reduction = &r;
  CHECK(reduction != nullptr);
  ASSIGN_OR_RETURN(const std::vector<bool> flags, reduced(call));
  const Shape& x = call.shape(0);
  Shape kept = x;
  for (size_t d = 0; d < x.size(); ++d)
    if (flags[d]) kept[d] = 1;
  std::vector<double> sums(static_cast<size_t>(outputs[0].count()), reduction->start);
  const std::vector<double> values = call.value(0).doubles();
  walk<1>(x, {broadcast_strides(kept, x)}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    double& sum = sums[static_cast<size_t>(at[0])];
    sum = reduction->add(sum, values[static_cast<size_t>(i)]);
  });
  const double count =
      static_cast<double>(values.size()) / static_cast<double>(std::max<size_t>(sums.size(), 1));
  for (double& sum : sums) sum = reduction->end(sum, count);
  store(outputs[0].dtype(), sums, outputs[0].writable().data());
  return ok();
}

}  // namespace

std::span<const Op> reduce_ops() {
  static const std::vector<Op> all = [] {
    std::vector<Op> ops;
    for (const Reduction& r : kReductions) ops.push_back({r.name, 1, 2, infer_reduce, run_reduce});
    return ops;
  }();
  return all;
}

}  // namespace corolla::plan
