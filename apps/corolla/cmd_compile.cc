// `corolla compile`: a model into a plan.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine_program.h"
#include "plan/compiler.h"
#include "plan/lower/weight_store.h"
#include "plan/mapped_file.h"
#include "plan/plan_file.h"
#include "plan_check.h"
#include "plan_table.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string model, out, engine = "cuda", dump_after;
  bool fp32 = false, fp16 = false, bf16 = false, int8 = false, json = false, tune = true;
  std::vector<int64_t> batches;
  std::vector<std::string> disabled;
  CheckOptions check;
};

void progress(const Options& options, const std::string& what) {
  if (!options.json) std::fprintf(stderr, "compile: %s\n", what.c_str());
}

DType precision_of(const Options& options) {
  return options.fp32   ? DType::kFp32
         : options.bf16 ? DType::kBf16
         : options.int8 ? DType::kInt8
                        : DType::kFp16;
}

Result<plan::Plan> compile_cuda(const Options& options, const plan::Model& model) {
  plan::CompileOptions compile;
  compile.precision = precision_of(options);
  compile.batches = options.batches;
  if (!plan::has_open_batch(model)) compile.batches = {1};
  compile.target.engine = "cuda";
  compile.passes.disabled.insert(options.disabled.begin(), options.disabled.end());
  compile.progress = [&](const std::string& what) { progress(options, what); };
  compile.passes.after = [&](const plan::Pass& pass, const plan::Graph& graph) {
    progress(options,
             std::string(pass.name) + ": " + std::to_string(graph.nodes.size()) + " nodes");
    if (pass.name == options.dump_after) std::printf("%s", plan::graph_text(graph).c_str());
  };
  return plan::compile(model, compile);
}

// For the CPU, what its engine makes of a model itself: larger batches gain nothing there, and each
// is a copy of the weights.
std::vector<int64_t> usual_batches(const std::string& engine) {
  if (engine == "cpu") return {1, 4};
  return {1, 2, 4, 8, 32};
}

// One blob a batch size, each a weight of a program without steps.
Result<plan::Plan> compile_openvino(const Options& options, const plan::Model& model) {
  plan::Plan made;
  made.model = model.name;
  made.model_hash = model.hash;
  made.precision = options.bf16 ? DType::kBf16 : DType::kFp32;
  made.target.engine = "openvino";
  made.batched = plan::has_open_batch(model);
  plan::WeightStore blobs;
  std::vector<int64_t> batches = made.batched ? options.batches : std::vector<int64_t>{1};
  std::sort(batches.begin(), batches.end());
  batches.erase(std::unique(batches.begin(), batches.end()), batches.end());
  for (const int64_t batch : batches) {
    progress(options, "OpenVINO, batch " + std::to_string(batch));
    ASSIGN_OR_RETURN(const plan::Graph graph, plan::bind(model, {batch, {}}));
    for (const bool inputs : {true, false}) {
      auto& ports = inputs ? made.inputs : made.outputs;
      ports.clear();
      for (const plan::ValueId id : inputs ? graph.inputs : graph.outputs) {
        plan::Port port{graph.value(id).name, graph.value(id).dtype, graph.value(id).shape};
        if (made.batched && !port.shape.empty()) port.shape[0] = -1;
        ports.push_back(std::move(port));
      }
    }
    const std::string blob = options.out + ".blob." + std::to_string(batch);
    std::vector<std::string> arguments = {"--compile", options.model, "--blob", blob};
    if (made.batched) arguments.insert(arguments.end(), {"--batch", std::to_string(batch)});
    if (options.bf16) arguments.push_back("--bf16");
    const Status ran = run_program_beside("corolla-openvino", arguments);
    if (!ran.ok()) return ran.error();
    ASSIGN_OR_RETURN(const auto file, plan::MappedFile::open(blob, "OpenVINO's blob"));
    plan::PlanTensor tensor;
    tensor.name = "blob";
    tensor.dtype = DType::kUint8;
    tensor.shape = {static_cast<int64_t>(file->bytes().size())};
    tensor.bytes = tensor.shape[0];
    tensor.place = plan::Place::kWeight;
    tensor.offset = blobs.add(file->bytes());
    plan::Program program;
    program.batch = batch;
    program.tensors.push_back(std::move(tensor));
    made.programs.push_back(std::move(program));
    std::error_code ignored;
    std::filesystem::remove(blob, ignored);
  }
  made.owner = blobs.take(made.weights);
  return made;
}

// Times the kernels on the GPU that is here; without one the plan stays as it is, and that is said.
Result<plan::Plan> tune(const Options& options, plan::Plan plan) {
  if (!options.tune || plan.target.engine != "cuda") return plan;
  if (!program_beside("corolla-worker-cuda").ok() || !std::filesystem::exists("/dev/nvidiactl")) {
    progress(options, "no GPU here: the plan is not tuned; the engine will choose kernels by rule");
    return plan;
  }
  progress(options, "tuning on this machine's GPU");
  if (auto tuned = run_program_beside("corolla-worker-cuda", {"--tune", options.out}, true);
      !tuned.ok())
    return tuned.error();
  return plan::read_plan(options.out);
}

int run(Options options) {
  const TimePoint begin = now();
  if (options.batches.empty()) options.batches = usual_batches(options.engine);
  const auto model = plan::read_onnx(options.model);
  if (!model.ok()) return fail(kUsage, model.error().what);
  auto plan =
      options.engine == "cpu" ? compile_openvino(options, *model) : compile_cuda(options, *model);
  if (!plan.ok())
    return fail(plan.error().code == Code::kInternal ? kFailed : kUsage,
                options.model + ": " + plan.error().what);
  if (auto written = plan::write_plan(*plan, options.out); !written.ok())
    return fail(kFailed, written.error().what);
  if (plan->target.engine == "openvino")
    if (auto stamped = run_program_beside("corolla-openvino", {"--stamp", options.out});
        !stamped.ok())
      return fail(kFailed, stamped.error().what);
  plan = tune(options, *std::move(plan));
  if (!plan.ok()) return fail(kFailed, plan.error().what);
  if (options.json)
    std::printf("%s\n", plan_json(*plan).c_str());
  else
    std::printf("%s%s: %.1f MB, compiled in %.1f s\n", plan_table(*plan).c_str(),
                options.out.c_str(),
                static_cast<double>(std::filesystem::file_size(options.out)) / 1e6,
                to_seconds(now() - begin));
  if (options.check.pictures.empty()) return kSuccess;
  const auto checked = check_plan(*model, *plan, options.check,
                                  [&](const std::string& what) { progress(options, what); });
  if (!checked.ok()) return fail(kFailed, checked.error().what);
  std::fprintf(options.json ? stderr : stdout,
               "verified on %zu pictures: %zu have the same first class; largest difference "
               "%.2g of the largest output\n",
               checked->pictures, checked->same_top, checked->worst);
  return checked->same_top == checked->pictures ? kSuccess : kFailed;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("compile", "Compile an ONNX model into a plan");
  sub->add_option("MODEL", options->model, "The ONNX file")->required();
  sub->add_option("-o,--output", options->out, "The plan")->required();
  sub->add_option("--for", options->engine, "cuda, or cpu: by OpenVINO")
      ->check(CLI::IsMember({"cuda", "cpu"}))
      ->capture_default_str();
  auto* fp32 = sub->add_flag("--fp32", options->fp32, "Compute in fp32");
  auto* fp16 =
      sub->add_flag("--fp16", options->fp16, "Compute in fp16, sums in fp32 (the default)");
  auto* bf16 = sub->add_flag("--bf16", options->bf16, "Compute in bf16, sums in fp32");
  auto* int8 = sub->add_flag("--int8", options->int8,
                             "Keep the model's 8-bit quantisation (QDQ); the rest in fp16");
  for (auto* one : {fp32, fp16, bf16, int8})
    for (auto* other : {fp32, fp16, bf16, int8})
      if (one != other) one->excludes(other);
  sub->add_option("--batch", options->batches,
                  "Batch sizes; without it 1,2,4,8,32, and for cpu 1,4")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  sub->add_option("--verify", options->check.pictures,
                  "Compare with the model itself on these: JPEG, PNG, .npy, or folders");
  sub->add_option("--mean", options->check.mean, "Of --verify's pictures, in 0..1: r,g,b")
      ->delimiter(',');
  sub->add_option("--std", options->check.deviation, "Likewise")->delimiter(',');
  sub->add_option("--most", options->check.most, "Pictures that --verify compares")
      ->capture_default_str();
  sub->add_option("--disable-pass", options->disabled, "Leave this pass out; may be repeated");
  sub->add_option("--dump-after", options->dump_after, "Print the graph after this pass");
  sub->add_flag("!--no-tune", options->tune, "Do not time kernels, even if a GPU is here");
  sub->add_flag("--json", options->json, "The plan as one JSON object");
  examples(*sub, {{"corolla compile flower.onnx -o flower.plan", "fp16, for the GPU that is here"},
                  {"corolla compile flower.onnx -o flower.plan --for cpu --batch 1,4",
                   "OpenVINO's blobs"},
                  {"corolla compile flower.onnx -o f.plan --batch 1 --verify pictures/ --mean "
                   "0.485,0.456,0.406 --std 0.229,0.224,0.225",
                   "and compare answers"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kCompile(70, add);

}  // namespace
}  // namespace corolla::app
