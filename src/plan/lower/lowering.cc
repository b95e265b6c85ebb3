#include "plan/lower/lowering.h"

#include "plan/lower/builder.h"
#include "plan/lower/memory_plan.h"
#include "plan/ops/shapes.h"

namespace corolla::plan {
namespace {

struct Family {
  std::string_view ops;  // separated by blanks
  Status (*lower)(Builder&, const Node&);
};

constexpr Family kFamilies[] = {
    {" Conv corolla.Conv ", lower_conv},
    {" Gemm MatMul corolla.Gemm ", lower_gemm},
    {" Reshape Flatten Squeeze Unsqueeze Identity Transpose Concat Split Slice Pad Gather Cast "
     "CastLike "
     "Expand corolla.Relayout ",
     lower_shape},
    {" MaxPool AveragePool GlobalAveragePool GlobalMaxPool Resize ", lower_picture},
    {" TopK ArgMax ArgMin ", lower_search},
    {" Softmax LogSoftmax LayerNormalization InstanceNormalization GroupNormalization ReduceMean "
     "ReduceSum ReduceMax ReduceMin "
     "corolla.Elementwise ",
     lower_rows},
    {" QuantizeLinear DequantizeLinear ", lower_quantisation},
};

// A picture is imported straight into NHWC where that is all that anybody reads.
Status lower_input(Builder& b, size_t index) {
  const ValueId id = b.graph().inputs[index];
  const Value& value = b.value(id);
  const auto& readers = b.uses().consumers[static_cast<size_t>(id)];
  if (readers.empty()) return ok();
  if (!is_float(value.dtype))
    return Error{Code::kUnsupported, "input '" + value.name + "' is of type " +
                                         std::string(dtype_name(value.dtype)) +
                                         "; plans for this engine take floats"};
  PlanTensor port;
  port.name = value.name;
  port.dtype = value.dtype;
  port.shape = value.shape;
  port.place = Place::kInput;
  port.index = static_cast<int64_t>(index);
  const int32_t from = b.add_tensor(std::move(port));
  const auto relayout = [&](int n) {
    return b.graph().nodes[static_cast<size_t>(n)].op == "corolla.Relayout";
  };
  const bool only_nhwc = readers.size() == 1 && relayout(readers[0]);
  if (only_nhwc) {
    const Node& node = b.graph().nodes[static_cast<size_t>(readers[0])];
    const int32_t to = b.make_either(node.outputs[0]);
    b.step(value.name, Import{}, {from}, {to});
    b.done.insert(&node);
  } else {
    const int32_t to = b.make_either(id);
    b.step(value.name, Import{}, {from}, {to});
  }
  return ok();
}

Status lower_output(Builder& b, size_t index) {
  const ValueId id = b.graph().outputs[index];
  const Value& value = b.value(id);
  if (!is_float(value.dtype) && b.places(id) < 0)
    return Error{Code::kUnsupported, "output '" + value.name + "' is of type " +
                                         std::string(dtype_name(value.dtype)) +
                                         "; plans for this engine make floats, and the places that "
                                         "TopK, ArgMax and ArgMin find"};
  int32_t from = b.places(id);
  if (from < 0) {
    ASSIGN_OR_RETURN(from, b.read(id));
  }
  PlanTensor port;
  port.name = value.name;
  port.dtype = value.dtype;
  port.shape = value.shape;
  port.place = Place::kOutput;
  port.index = static_cast<int64_t>(index);
  const int32_t to = b.add_tensor(std::move(port));
  b.step(value.name, Export{}, {from}, {to});
  return ok();
}

}  // namespace

Status lower_node(Builder& builder, const Node& node) {
  const std::string word = " " + node.op + " ";
  for (const Family& family : kFamilies)
    if (family.ops.find(word) != std::string_view::npos) return family.lower(builder, node);
  return no_step("no step does it");
}

Result<Program> lower(const Graph& graph, DType precision, int64_t batch, WeightStore& weights) {
  for (const Node& node : graph.nodes)
    for (const ValueId id : node.outputs)
      if (id != kNoValue && product(graph.value(id).shape) == 0)
        return Error{Code::kInvalidArgument, "node '" + node.name + "' (" + node.op +
                                                 ") makes nothing: shape " +
                                                 shape_text(graph.value(id).shape)};
  Builder builder(graph, precision, batch, weights);
  for (size_t i = 0; i < graph.inputs.size(); ++i) RETURN_IF_ERROR(lower_input(builder, i));
  std::string unsupported;
  int count = 0;
  std::vector<bool> broken(graph.values.size());
  for (const Node& node : graph.nodes) {
    if (builder.done.contains(&node)) continue;
    // What only fails for want of an earlier node's output is no news.
    bool consequence = false;
    for (const ValueId id : node.inputs)
      consequence = consequence || (id != kNoValue && broken[static_cast<size_t>(id)]);
    const Status status = consequence ? Status(no_step("")) : lower_node(builder, node);
    if (status.ok()) continue;
    if (status.error().code != Code::kUnsupported) return status.error();
    for (const ValueId id : node.outputs)
      if (id != kNoValue) broken[static_cast<size_t>(id)] = true;
    if (consequence) continue;
    unsupported += (unsupported.empty() ? "" : "; ") + node.name + " (" + node.op +
                   "): " + status.error().what;
    ++count;
  }
  if (count > 0)
    return Error{Code::kUnsupported,
                 std::to_string(count) + " nodes cannot be lowered to steps: " + unsupported};
  for (size_t o = 0; o < graph.outputs.size(); ++o) RETURN_IF_ERROR(lower_output(builder, o));
  plan_memory(builder.program());
  return std::move(builder.program());
}

}  // namespace corolla::plan
