// The operators: what types they make and, naively, what values. One table, made of one array a
// family (a file each in this folder), drives the reader's check, shape inference, the interpreter
// and constant folding.
//
// Operators have ONNX's names and the meaning of opset 21. Those that passes make:
//   corolla.Conv(x, w, b, [residual])         Conv, + residual, activation
//   corolla.Gemm(x, w, b, [residual])         x [..., K] * w [N, K]^T + b, + residual, activation
//   corolla.Elementwise(a, [b, [c]])          kind, activation (names as plan.h's)
//   corolla.Relayout(x)                       the same values, stored in another layout
//
// Pure functions without state: any thread.
#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/graph.h"
#include "plan/tensor.h"

namespace corolla::plan {

struct Type {
  DType dtype = DType::kFp32;
  Shape shape;
  bool operator==(const Type&) const = default;
};

// A node and what is known of its inputs.
class Call {
 public:
  explicit Call(const Node& node) : node_(node), operands_(node.inputs.size()) {}
  void give(size_t input, Type type) { operands_[input] = {std::move(type), {}, true}; }
  void give(size_t input, const Tensor& value) {
    operands_[input] = {{value.dtype(), value.shape()}, value, true};
  }

  const Node& node() const { return node_; }
  const Attributes& attributes() const { return node_.attributes; }
  size_t inputs() const { return operands_.size(); }
  bool has(size_t i) const { return i < operands_.size() && operands_[i].present; }
  // REQUIRES: has(i).
  const Type& type(size_t i) const { return operands_[i].type; }
  const Shape& shape(size_t i) const { return operands_[i].type.shape; }
  DType dtype(size_t i) const { return operands_[i].type.dtype; }
  // Null when only the type is known. In run() every input that has() is known.
  const Tensor* known(size_t i) const {
    return has(i) && !operands_[i].value.empty() ? &operands_[i].value : nullptr;
  }
  const Tensor& value(size_t i) const { return operands_[i].value; }

 private:
  struct Operand {
    Type type;
    Tensor value;
    bool present = false;
  };
  const Node& node_;
  std::vector<Operand> operands_;
};

struct Op {
  std::string_view name;
  size_t least_inputs, most_inputs;
  // Types of the outputs, in order; at least as many as the node has. kInvalidArgument says what
  // does not go together; the caller puts the node's name in front.
  Result<std::vector<Type>> (*infer)(const Call& call);
  // Fills outputs, which are zeros of the inferred types.
  Status (*run)(const Call& call, std::span<Tensor> outputs);
};

// nullptr: no such operator.
const Op* find_op(std::string_view name);
// All of them, by name.
std::vector<std::string_view> op_names();

// infer() after checking the number of inputs, with "node 'x' (Conv): " before its errors.
Result<std::vector<Type>> infer_types(const Call& call);
// infer_types(), then run(). REQUIRES: every input that is there is known.
Result<std::vector<Tensor>> evaluate(const Call& call);

// The families.
std::span<const Op> unary_ops();
std::span<const Op> binary_ops();
std::span<const Op> conv_ops();
std::span<const Op> pool_ops();
std::span<const Op> gemm_ops();
std::span<const Op> norm_ops();
std::span<const Op> shape_ops();
std::span<const Op> move_ops();
std::span<const Op> index_ops();
std::span<const Op> reduce_ops();
std::span<const Op> quantize_ops();
std::span<const Op> resize_ops();
std::span<const Op> fused_ops();

}  // namespace corolla::plan
