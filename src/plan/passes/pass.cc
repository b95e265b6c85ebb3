#include "plan/passes/pass.h"

#include "plan/onnx_reader.h"

namespace corolla::plan {
namespace {

constexpr Pass kPasses[] = {
    {"widen-floats", "fp16, bf16 and fp64 values -> fp32 (rounded again when lowered)",
     widen_floats},
    {"strip-qdq", "dequantise(quantise(x)) -> x, dequantise(constant) -> constant; kept for int8",
     strip_qdq},
    {"merge-residuals",
     "int8: dequantise(quantise(conv(x))) + y -> conv(x) + y, so that one step can do both",
     merge_residuals},
    {"fold-constants", "f(constants) -> constant", fold_constants},
    {"simplify-shapes",
     "flatten, squeeze, unsqueeze -> reshape; reshape(reshape(x)) -> reshape(x); what changes "
     "nothing -> x",
     simplify_shapes},
    {"simplify-pools", "mean over the whole picture -> GlobalAveragePool(x)", simplify_pools},
    {"fold-batchnorm", "batchnorm(conv(x, w, b)) -> conv(x, w*s, b*s + t); batchnorm(x) -> x*s + t",
     fold_batch_norm},
    {"name-activations",
     "x*sigmoid(x) -> silu(x); x*hardsigmoid(x) -> hardswish(x); x/2*(1+erf(x/sqrt 2)) -> gelu(x)",
     name_activations},
    {"name-layernorm", "(x-mean(x)) / sqrt(mean((x-mean(x))^2) + e) * g + b -> LayerNormalization",
     name_layer_norm},
    {"widen-residuals", "transformers: x + f(layernorm(x)) -> the same sum, kept in fp32",
     widen_residuals},
    {"make-gemms", "matmul(x, constant) + b, gemm, conv -> corolla.Gemm, corolla.Conv", make_gemms},
    {"fuse-epilogues", "act(conv(x) + y) -> corolla.Conv(x, residual y, act); likewise gemm",
     fuse_epilogues},
    {"fuse-elementwise", "act(a+b), a*b+c ... -> corolla.Elementwise", fuse_elementwise},
    {"turn-tokens",
     "transpose(reshape(x [N,C,H,W] -> [N,C,HW])) -> reshape(transpose(x -> [N,H,W,C]))",
     turn_tokens},
    {"assign-layout", "pictures x -> NHWC; where layouts meet, x -> corolla.Relayout(x)",
     assign_layout},
};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

Status run_passes(Graph& graph, const PassContext& context, const PassOptions& options) {
  for (const std::string& name : options.disabled) {
    bool known = false;
    std::string names;
    for (const Pass& pass : kPasses) {
      known = known || pass.name == name;
      names += (names.empty() ? "" : ", ") + std::string(pass.name);
    }
    if (!known)
      return Error{Code::kInvalidArgument, "there is no pass '" + name + "'; there are " + names};
  }
  for (const Pass& pass : kPasses) {
    if (options.disabled.contains(pass.name)) continue;
    Status status = pass.run(graph, context);
    if (status.ok()) status = graph.tidy();
    if (status.ok()) status = infer_graph(graph, false);
    if (status.ok()) status = graph.verify();
    if (!status.ok()) {
      Error error = std::move(status).error();
      error.what = "pass " + std::string(pass.name) + ": " + error.what;
      return error;
    }
    if (options.after) options.after(pass, graph);
  }
  return ok();
}

}  // namespace corolla::plan
