// What the lowering of every operator uses: tensors for values, packed weights, new steps. Private
// to this folder.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plan/graph.h"
#include "plan/lower/weight_store.h"
#include "plan/ops/window.h"
#include "plan/plan.h"

namespace corolla::plan {

class Builder {
 public:
  Builder(const Graph& graph, DType precision, int64_t batch, WeightStore& weights);

  const Graph& graph() const { return graph_; }
  const Uses& uses() const { return uses_; }
  const Value& value(ValueId id) const { return graph_.value(id); }
  Program& program() { return program_; }
  DType compute() const { return compute_; }

  // The node that makes a value; nullptr: an input or a constant.
  const Node* maker(ValueId id) const;

  // A constant's elements, dequantised if need be; nullopt: it is none.
  Result<std::optional<Tensor>> constant(ValueId id) const;

  // The tensor of a value in the compute type: made before, a constant (packed as `layout` says),
  // or dequantised now.
  Result<int32_t> read(ValueId id, Layout layout = Layout::kPlain);
  // The 8-bit tensor that a DequantizeLinear reads, where that is one and has been made; -1.
  int32_t read_quantised(ValueId id) const;
  // For steps that take both: the 8 bits as they lie where there are any, else as read().
  Result<int32_t> read_either(ValueId id, Layout layout = Layout::kPlain);

  // The tensor of a value made by make_places(); -1. No step but TopK's own reads or makes those.
  int32_t places(ValueId id) const;
  // A new arena tensor of INT64 for a value.
  int32_t make_places(ValueId id);

  // A new arena tensor for a value that a step is about to write, in the compute type.
  int32_t make(ValueId id);
  // Likewise, for steps that can write 8 bits: that of the QuantizeLinear which is the value's only
  // reader, where it is so (the node is then done).
  int32_t make_either(ValueId id);
  // Likewise, in FP32.
  int32_t make_wide(ValueId id);
  int32_t make_temporary(const std::string& name, Shape shape, Layout layout);
  // From now on `id` is tensor `tensor`.
  void set(ValueId id, int32_t tensor) { tensors_[id] = tensor; }
  bool made(ValueId id) const { return tensors_.contains(id); }
  PlanTensor& tensor(int32_t id) { return program_.tensors[static_cast<size_t>(id)]; }
  const PlanTensor& tensor(int32_t id) const { return program_.tensors[static_cast<size_t>(id)]; }
  int32_t add_tensor(PlanTensor tensor);

  // A weight of these elements. kInvalidArgument when fp16 cannot hold one of them.
  Result<int32_t> weight(const std::string& name, const Tensor& values, DType dtype, Layout layout);
  int32_t weight_bytes(PlanTensor tensor, std::span<const std::byte> bytes);

  void step(const std::string& name, Operation operation, std::vector<int32_t> inputs,
            std::vector<int32_t> outputs);

  // The scale and zero of a QuantizeLinear or DequantizeLinear by one constant; nullopt: by
  // several. Plans have UINT8 activations alone: INT8 ones are the same numbers, stored 128 higher.
  struct Quantisation {
    float scale;
    int32_t zero;
  };
  std::optional<Quantisation> quantisation(const Node& node) const;
  // A new arena tensor of 8 bits for the value that a QuantizeLinear makes.
  int32_t make_quantised(ValueId id, Layout layout, const Quantisation& quantisation);

  // Nodes that were done together with another.
  std::set<const Node*> done;

 private:
  const Graph& graph_;
  Uses uses_;
  WeightStore& weights_;
  Program program_;
  DType compute_;
  std::map<ValueId, int32_t> tensors_;
  std::map<std::pair<ValueId, Layout>, int32_t> constants_;
};

// ok: it is lowered; kUnsupported: no step can do it, and why (without the node's name).
Status lower_node(Builder& builder, const Node& node);
// The families of lower_node.
Status lower_conv(Builder& builder, const Node& node);
Status lower_gemm(Builder& builder, const Node& node);
Status lower_shape(Builder& builder, const Node& node);
Status lower_picture(Builder& builder, const Node& node);
Status lower_rows(Builder& builder, const Node& node);
Status lower_search(Builder& builder, const Node& node);
Status lower_quantisation(Builder& builder, const Node& node);

// A two-dimensional window into the fields that Conv and Pool have for it.
template <class Operation>
void set_window(Operation& operation, const Window& window) {
  operation.kernel_h = window.kernel[0];
  operation.kernel_w = window.kernel[1];
  operation.stride_h = window.stride[0];
  operation.stride_w = window.stride[1];
  operation.dilation_h = window.dilation[0];
  operation.dilation_w = window.dilation[1];
  operation.pad_top = window.pad_begin[0];
  operation.pad_left = window.pad_begin[1];
  operation.pad_bottom = window.pad_end[0];
  operation.pad_right = window.pad_end[1];
}

inline Error no_step(std::string why) { return {Code::kUnsupported, std::move(why)}; }

}  // namespace corolla::plan
