// Passes rewrite a bound graph into one that lowers to few, large steps. Each is a named entry of
// one array, which is the documentation of the optimiser; each leaves a graph that the interpreter
// runs with the same answer (in fp32, up to rounding), and is idempotent.
//
// Pure functions on the graph that they are given.
#pragma once
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plan/graph.h"

namespace corolla::plan {

struct PassContext {
  DType precision = DType::kFp16;  // FP32, FP16, BF16; INT8: QDQ nodes stay
};

struct Pass {
  std::string_view name;     // for --disable-pass and --dump-after
  std::string_view rewrite;  // one line: "relu(add(conv(x), y)) -> corolla.Conv(x, residual y)"
  Status (*run)(Graph& graph, const PassContext& context);
};

// In the order in which they run.
std::span<const Pass> all_passes();

struct PassOptions {
  std::set<std::string, std::less<>> disabled;
  std::function<void(const Pass& pass, const Graph& graph)> after;  // dumps, tests
};

// Runs every enabled pass; after each one the graph is tidied, its types inferred anew and
// verified. kInvalidArgument when `disabled` names no pass; kInternal, naming the pass, when one
// broke the graph.
Status run_passes(Graph& graph, const PassContext& context, const PassOptions& options = {});

// The passes, a file each or a few that share an idea.
Status widen_floats(Graph& graph, const PassContext& context);
Status strip_qdq(Graph& graph, const PassContext& context);
Status merge_residuals(Graph& graph, const PassContext& context);
Status fold_constants(Graph& graph, const PassContext& context);
Status simplify_shapes(Graph& graph, const PassContext& context);
Status simplify_pools(Graph& graph, const PassContext& context);
Status fold_batch_norm(Graph& graph, const PassContext& context);
Status name_activations(Graph& graph, const PassContext& context);
Status name_layer_norm(Graph& graph, const PassContext& context);
Status widen_residuals(Graph& graph, const PassContext& context);
Status make_gemms(Graph& graph, const PassContext& context);
Status fuse_epilogues(Graph& graph, const PassContext& context);
Status fuse_elementwise(Graph& graph, const PassContext& context);
Status turn_tokens(Graph& graph, const PassContext& context);
Status assign_layout(Graph& graph, const PassContext& context);

}  // namespace corolla::plan
