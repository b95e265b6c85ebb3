// The graph between ONNX and a plan: values and nodes.
//
// Operators carry ONNX's names and mean what ONNX's newest opset means (the reader brings older
// forms up to date); those that passes make begin with "corolla." and are listed in ops/op.h.
// Shapes are always ONNX's logical ones ([N,C,H,W]): a value's layout says only how it will be
// stored, so the interpreter can run a graph after any pass and must get the same answer.
//
// A plain value type; not thread-safe, copying is cheap where constants are concerned (shared).
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "plan/tensor.h"

namespace corolla::plan {

enum class Layout : uint8_t {
  kPlain,  // dense, row-major in the logical shape
  kNhwc,   // logical [N,C,H,W], stored [N,H,W,C'] with C' = C rounded up to 8, the rest zero
};

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional input or output that is not there

struct Value {
  std::string name;
  DType dtype = DType::kFp32;
  Shape shape;         // valid once `typed`
  bool typed = false;  // dtype and shape are known: true everywhere once a model is bound
  Tensor constant;     // not empty(): a weight, with this dtype and shape
  Layout layout = Layout::kPlain;
  bool wide = false;  // a sum that elementwise arithmetic keeps in fp32, whatever is computed with

  bool is_constant() const { return !constant.empty(); }
};

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>,
                               std::vector<float>, std::vector<std::string>, Tensor>;

// By name, with the default that the operator's definition gives. A wrong kind counts as absent:
// the reader has checked kinds.
class Attributes {
 public:
  int64_t integer(std::string_view name, int64_t otherwise) const;
  float number(std::string_view name, float otherwise) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  std::vector<int64_t> integers(std::string_view name, std::vector<int64_t> otherwise = {}) const;
  std::vector<float> numbers(std::string_view name) const;
  const Tensor* tensor(std::string_view name) const;  // nullptr: absent
  bool has(std::string_view name) const { return all_.find(name) != all_.end(); }

  void set(std::string name, Attribute value) { all_[std::move(name)] = std::move(value); }
  void erase(std::string_view name);
  const std::map<std::string, Attribute, std::less<>>& all() const { return all_; }

 private:
  std::map<std::string, Attribute, std::less<>> all_;
};

struct Node {
  std::string name;  // never empty, unique in the graph
  std::string op;
  std::vector<ValueId> inputs, outputs;  // kNoValue where optional ones are left out
  Attributes attributes;

  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
  ValueId output(size_t i) const { return i < outputs.size() ? outputs[i] : kNoValue; }
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;  // each after the nodes that make its inputs
  std::vector<ValueId> inputs, outputs;

  Value& value(ValueId id) { return values[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return values[static_cast<size_t>(id)]; }

  ValueId add_value(Value value);
  // A constant named `name` (made unique if it is taken).
  ValueId add_constant(std::string name, Tensor tensor);
  // A name that no value and no node has yet, beginning with `wish`.
  std::string unique_name(std::string wish) const;

  // Every reader of `from`, and the graph's outputs, use `to` from now on. An output keeps its
  // name: when `from` is an output, `to` takes its name over.
  void replace_uses(ValueId from, ValueId to);

  // Puts nodes after their producers again (keeping the order where it may), then drops nodes
  // whose outputs nobody reads and values that nobody names any more; ids change.
  // kInvalidArgument with the names of nodes on a cycle.
  Status tidy();

  // Everything above holds: ids in range, each value made once and before it is read, operators
  // known, and every node's output types what ops/op.h infers from its inputs (where typed). The
  // sentence names the node.
  Status verify() const;
};

// Who makes and who reads each value, as of when it was asked. Indices into graph.nodes.
struct Uses {
  explicit Uses(const Graph& graph);
  std::vector<int> producer;                // -1: an input or a constant
  std::vector<std::vector<int>> consumers;  // one entry a reading place, in order
  std::vector<bool> is_output;

  // Nobody but the one node `reader` reads it, and it is no output of the graph.
  bool only_reader(ValueId value, int reader) const;
};

// One line a node: "conv1  Conv  (x, w, b) -> y FP16 [1,64,112,112] NHWC  {strides=[2,2]}".
std::string graph_text(const Graph& graph);

}  // namespace corolla::plan
