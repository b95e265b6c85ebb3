#include "plan/compiler.h"

#include <set>

#include "plan/lower/lowering.h"

namespace corolla::plan {
namespace {

std::vector<Port> ports(const Graph& graph, const std::vector<ValueId>& ids, bool batched) {
  std::vector<Port> out;
  for (const ValueId id : ids) {
    const Value& value = graph.value(id);
    Port port{value.name, value.dtype, value.shape};
    if (batched && !port.shape.empty()) port.shape[0] = -1;
    out.push_back(std::move(port));
  }
  return out;
}

// A first dimension of an output that is not the batch would be cut wrongly by whoever serves it.
Status check_batch(const Graph& graph, int64_t batch) {
  for (const ValueId id : graph.outputs) {
    const Value& value = graph.value(id);
    if (value.shape.empty() || value.shape[0] != batch)
      return Error{Code::kInvalidArgument, "output '" + value.name + "' has shape " +
                                               shape_text(value.shape) + " at batch " +
                                               std::to_string(batch) +
                                               ": its first dimension is not the batch"};
  }
  return ok();
}

}  // namespace

Result<Graph> optimised(const Model& model, int64_t batch, const CompileOptions& options) {
  ASSIGN_OR_RETURN(Graph graph, bind(model, {batch, {}}));
  RETURN_IF_ERROR(run_passes(graph, {options.precision}, options.passes));
  return graph;
}

Result<Plan> compile(const Model& model, const CompileOptions& options) {
  const std::set<int64_t> batches(options.batches.begin(), options.batches.end());
  if (batches.empty() || *batches.begin() < 1)
    return Error{Code::kInvalidArgument, "a plan needs batch sizes of at least 1"};
  Plan plan;
  plan.model = model.name;
  plan.model_hash = model.hash;
  plan.precision = options.precision;
  plan.target = options.target;
  plan.batched = has_open_batch(model);
  WeightStore weights;
  CompileOptions once = options;
  for (const int64_t batch : batches) {
    if (options.progress) options.progress("batch " + std::to_string(batch));
    ASSIGN_OR_RETURN(const Graph graph, optimised(model, batch, once));
    once.passes.after = nullptr;
    if (plan.batched) RETURN_IF_ERROR(check_batch(graph, batch));
    ASSIGN_OR_RETURN(Program program, lower(graph, options.precision, batch, weights));
    plan.programs.push_back(std::move(program));
    plan.inputs = ports(graph, graph.inputs, plan.batched);
    plan.outputs = ports(graph, graph.outputs, plan.batched);
  }
  plan.owner = weights.take(plan.weights);
  return plan;
}

}  // namespace corolla::plan
