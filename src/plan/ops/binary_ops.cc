// Operators of several tensors, element by element, with numpy's broadcasting.
#include <cmath>
#include <type_traits>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

// Integer arithmetic wraps around; dividing by zero gives 0 and never a signal.
struct Arithmetic {
  std::string_view name;
  double (*of)(double, double);
  int64_t (*of_ints)(int64_t, int64_t);
};

int64_t wrap(uint64_t v) { return static_cast<int64_t>(v); }

int64_t int_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, b = static_cast<uint64_t>(base);
  for (auto e = static_cast<uint64_t>(exponent); e > 0; e >>= 1, b *= b)
    if (e & 1) result *= b;
  return wrap(result);
}

int64_t floor_mod(int64_t a, int64_t b) {
  if (b == 0 || b == -1) return 0;
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

constexpr Arithmetic kArithmetic[] = {
    {"Add", [](double a, double b) { return a + b; },
     [](int64_t a, int64_t b) {
       return wrap(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
     }},
    {"Sub", [](double a, double b) { return a - b; },
     [](int64_t a, int64_t b) {
       return wrap(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
     }},
    {"Mul", [](double a, double b) { return a * b; },
     [](int64_t a, int64_t b) {
       return wrap(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
     }},
    {"Div", [](double a, double b) { return a / b; },
     [](int64_t a, int64_t b) {
       return b == 0 ? 0 : b == -1 ? wrap(-static_cast<uint64_t>(a)) : a / b;
     }},
    {"Pow", [](double a, double b) { return std::pow(a, b); }, int_power},
    {"Min", [](double a, double b) { return std::isnan(a) || a < b ? a : b; },
     [](int64_t a, int64_t b) { return std::min(a, b); }},
    {"Max", [](double a, double b) { return std::isnan(a) || a > b ? a : b; },
     [](int64_t a, int64_t b) { return std::max(a, b); }},
    {"Sum", [](double a, double b) { return a + b; }, nullptr},
    {"Mean", [](double a, double b) { return a + b; }, nullptr},
    {"PRelu", [](double a, double b) { return a < 0 ? a * b : a; },
     [](int64_t a, int64_t b) { return a < 0 ? int64_t(uint64_t(a) * uint64_t(b)) : a; }},
    {"Mod", [](double a, double b) { return std::fmod(a, b); }, floor_mod},
    {"And", nullptr, [](int64_t a, int64_t b) { return int64_t{a && b}; }},
    {"Or", nullptr, [](int64_t a, int64_t b) { return int64_t{a || b}; }},
    {"Xor", nullptr, [](int64_t a, int64_t b) { return int64_t{!a != !b}; }},
    {"Equal", [](double a, double b) { return double(a == b); },
     [](int64_t a, int64_t b) { return int64_t{a == b}; }},
    {"Greater", [](double a, double b) { return double(a > b); },
     [](int64_t a, int64_t b) { return int64_t{a > b}; }},
    {"GreaterOrEqual", [](double a, double b) { return double(a >= b); },
     [](int64_t a, int64_t b) { return int64_t{a >= b}; }},
    {"Less", [](double a, double b) { return double(a < b); },
     [](int64_t a, int64_t b) { return int64_t{a < b}; }},
    {"LessOrEqual", [](double a, double b) { return double(a <= b); },
     [](int64_t a, int64_t b) { return int64_t{a <= b}; }},
};

bool is_comparison(std::string_view op) {
  return op == "Equal" || op.starts_with("Greater") || op.starts_with("Less");
}

Result<std::vector<Type>> infer_broadcast(const Call& call) {
  Shape shape = call.shape(0);
  for (size_t i = 1; i < call.inputs(); ++i) {
    if (!call.has(i)) return bad("input " + std::to_string(i) + " is missing");
    if (call.dtype(i) != call.dtype(0) && call.node().op != "Pow")
      return bad("its inputs are " + std::string(dtype_name(call.dtype(0))) + " and " +
                 std::string(dtype_name(call.dtype(i))) + ", and must be of one type");
    ASSIGN_OR_RETURN(shape, broadcast(shape, call.shape(i)));
  }
  return std::vector{Type{is_comparison(call.node().op) ? DType::kBool : call.dtype(0), shape}};
}

template <class T>
std::vector<T> numbers(const Tensor& tensor) {
  if constexpr (std::is_same_v<T, double>)
    return tensor.doubles();
  else
    return tensor.ints();
}

// Elements of `tensor` repeated to `shape`.
template <class T>
std::vector<T> spread(const Tensor& tensor, const Shape& shape) {
  std::vector<T> own = numbers<T>(tensor);
  if (tensor.shape() == shape) return own;
  std::vector<T> out(static_cast<size_t>(product(shape)));
  walk<1>(shape, {broadcast_strides(tensor.shape(), shape)},
          [&](int64_t i, const std::array<int64_t, 1>& at) {
            out[static_cast<size_t>(i)] = own[static_cast<size_t>(at[0])];
          });
  return out;
}

template <class T>
void combine(const Call& call, Tensor& output, T (*of)(T, T)) {
  const Shape& shape = output.shape();
  std::vector<T> sum = spread<T>(call.value(0), shape);
  for (size_t k = 1; k < call.inputs(); ++k) {
    const std::vector<T> other = numbers<T>(call.value(k));
    if (call.shape(k) == shape) {
      for (size_t i = 0; i < sum.size(); ++i) sum[i] = of(sum[i], other[i]);
    } else {
      walk<1>(shape, {broadcast_strides(call.shape(k), shape)},
              [&](int64_t i, const std::array<int64_t, 1>& at) {
                sum[static_cast<size_t>(i)] =
                    of(sum[static_cast<size_t>(i)], other[static_cast<size_t>(at[0])]);
              });
    }
  }
  if constexpr (std::is_same_v<T, double>)
    if (call.node().op == "Mean")
      for (T& v : sum) v /= static_cast<double>(call.inputs());
  store(output.dtype(), std::span<const T>(sum), output.writable().data());
}

Status run_arithmetic(const Call& call, std::span<Tensor> outputs) {
  const Arithmetic* op = nullptr;
  for (const Arithmetic& a : kArithmetic)
    if (a.name == call.node().op) op = &a;
  CHECK(op != nullptr);
  const bool floats = is_float(call.dtype(0)) || (op->name == "Pow" && is_float(call.dtype(1)));
  if (floats && op->of != nullptr)
    combine<double>(call, outputs[0], op->of);
  else if (!floats && op->name == "Mod" && call.attributes().integer("fmod", 0) != 0)
    combine<int64_t>(call, outputs[0],
                     [](int64_t a, int64_t b) { return b == 0 || b == -1 ? int64_t{0} : a % b; });
  else if (!floats && op->of_ints != nullptr)
    combine<int64_t>(call, outputs[0], op->of_ints);
  else
    return bad("it is not defined for " + std::string(dtype_name(call.dtype(0))));
  return ok();
}

Result<std::vector<Type>> infer_where(const Call& call) {
  if (call.dtype(0) != DType::kBool || call.dtype(1) != call.dtype(2))
    return bad("it needs a BOOL and two tensors of one type");
  ASSIGN_OR_RETURN(Shape shape, broadcast(call.shape(0), call.shape(1)));
  ASSIGN_OR_RETURN(shape, broadcast(shape, call.shape(2)));
  return std::vector{Type{call.dtype(1), shape}};
}

Status run_where(const Call& call, std::span<Tensor> outputs) {
  const Shape& shape = outputs[0].shape();
  const size_t size = dtype_size(outputs[0].dtype());
  const auto out = outputs[0].writable();
  walk<3>(shape,
          {broadcast_strides(call.shape(0), shape), broadcast_strides(call.shape(1), shape),
           broadcast_strides(call.shape(2), shape)},
          [&](int64_t i, const std::array<int64_t, 3>& at) {
            const bool first = call.value(0).bytes()[static_cast<size_t>(at[0])] != std::byte{0};
            const auto from = static_cast<size_t>(first ? at[1] : at[2]) * size;
            const auto source = call.value(first ? 1 : 2).bytes().subspan(from, size);
            std::copy(
                source.begin(), source.end(),
                out.begin() + static_cast<std::ptrdiff_t>(i) * static_cast<std::ptrdiff_t>(size));
          });
  return ok();
}

}  // namespace

std::span<const Op> binary_ops() {
  static const std::vector<Op> all = [] {
    std::vector<Op> ops;
    for (const Arithmetic& a : kArithmetic) {
      const bool any = a.name == "Min" || a.name == "Max" || a.name == "Sum" || a.name == "Mean";
      ops.push_back({a.name, any ? 1u : 2u, any ? 1000u : 2u, infer_broadcast, run_arithmetic});
    }
    ops.push_back({"Where", 3, 3, infer_where, run_where});
    return ops;
  }();
  return all;
}

}  // namespace corolla::plan
