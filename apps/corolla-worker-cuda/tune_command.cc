#include "tune_command.h"

#include <cstdio>

#include <CLI/CLI.hpp>

#include "base/time.h"
#include "engine/cuda/device_target.h"
#include "engine/cuda/plan_source.h"
#include "engine/cuda/tune_plan.h"
#include "engine/cuda/tuning_cache.h"
#include "plan/plan_file.h"

namespace corolla {
namespace {

using namespace engine::cuda;

struct Wishes {
  std::string plan, out, cache;
  std::vector<int> batches;
  bool json = false;
};

std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) made += c;
  }
  return made + "\"";
}

void print_table(const std::vector<TunedProgram>& programs) {
  for (const TunedProgram& program : programs) {
    std::printf(
        "batch %lld: %.1f us (p10 %.1f, p90 %.1f), %.0f rows a second; %d kernels timed in %.1f "
        "s\n",
        static_cast<long long>(program.batch), program.microseconds, program.p10, program.p90,
        static_cast<double>(program.batch) / program.microseconds * 1e6, program.report.timed,
        program.report.seconds);
    std::printf("  %-28s %-26s %9s %7s %9s  %s\n", "layer", "kernel", "us", "share", "roofline",
                "shape");
    for (const TunedLayer& layer : program.layers)
      std::printf("  %-28.28s %-26s %9.2f %6.1f%% %8.1f%%  %s\n", layer.step.c_str(),
                  layer.kernel.c_str(), layer.microseconds, layer.share * 100, layer.roofline * 100,
                  layer.shape.c_str());
  }
}

void print_json(const std::vector<TunedProgram>& programs, const plan::Target& target,
                double seconds) {
  std::printf(
      "{\"device\": %s, \"arch\": %s, \"multiprocessors\": %d, \"walls\": %s, \"seconds\": %.3f, "
      "\"programs\": [",
      quoted(target.device).c_str(), quoted(target.arch).c_str(), target.sm_count,
      quoted(target.walls).c_str(), seconds);
  const char* comma = "";
  for (const TunedProgram& program : programs) {
    std::printf(
        "%s{\"batch\": %lld, \"us\": %.2f, \"p10\": %.2f, \"p90\": %.2f, \"timed\": %d, "
        "\"tune_seconds\": %.3f, \"layers\": [",
        comma, static_cast<long long>(program.batch), program.microseconds, program.p10,
        program.p90, program.report.timed, program.report.seconds);
    const char* between = "";
    for (const TunedLayer& layer : program.layers) {
      std::printf(
          "%s{\"step\": %s, \"kernel\": %s, \"us\": %.3f, \"share\": %.4f, \"roofline\": %.4f, "
          "\"shape\": %s}",
          between, quoted(layer.step).c_str(), quoted(layer.kernel).c_str(), layer.microseconds,
          layer.share, layer.roofline, quoted(layer.shape).c_str());
      between = ", ";
    }
    std::printf("]}");
    comma = ", ";
  }
  std::printf("]}\n");
}

Status tune_file(const Wishes& wishes) {
  const TimePoint begin = now();
  ASSIGN_OR_RETURN(const DeviceFacts device, device_facts());
  CUDA_OR_RETURN(
      "cannot prepare kernels",
      prepare_conv_kernels(device.compute_capability, device.shared_bytes - kStaticSharedBytes));
  const plan::Target target = target_of(device, false);
  engine::ModelSource source;
  source.name = source.path = wishes.plan;
  source.max_batch = 1;
  ASSIGN_OR_RETURN(SourcePlan found, plan_of(source, wishes.batches, target));
  const TuningCache cache(wishes.cache, target);
  const TuningCache::Lock lock(cache);
  TunedTable table = cache.read();
  ASSIGN_OR_RETURN(const auto programs, tune_plan(found.plan, target, device, table));
  RETURN_IF_ERROR(cache.add(table));
  const std::string out = !wishes.out.empty() ? wishes.out : found.compiled ? "" : wishes.plan;
  if (!out.empty()) RETURN_IF_ERROR(plan::write_plan(found.plan, out));
  const double seconds = to_seconds(now() - begin);
  if (wishes.json)
    print_json(programs, target, seconds);
  else
    print_table(programs);
  std::fprintf(stderr, "corolla-worker-cuda: tuned for %s, %d multiprocessors, in %.1f s%s%s\n",
               device.name.c_str(), device.multiprocessors, seconds, out.empty() ? "" : "; wrote ",
               out.c_str());
  return ok();
}

}  // namespace

int run_tune(int argc, char** argv) {
  Wishes wishes;
  CLI::App app(
      "Chooses the kernels of a plan by timing them on this device, or on this share of it.",
      "corolla-worker-cuda");
  app.add_option("--tune", wishes.plan, "the plan (or ONNX model, compiled first)")->required();
  app.add_option("-o,--out", wishes.out,
                 "where to write the tuned plan; otherwise a plan is tuned in place");
  app.add_option("--cache", wishes.cache, "folder of tuned choices, read and added to");
  app.add_option("--batch", wishes.batches, "batch sizes, where an ONNX model is compiled")
      ->delimiter(',');
  app.add_flag("--json", wishes.json, "print JSON instead of tables");
  CLI11_PARSE(app, argc, argv);
  if (const Status done = tune_file(wishes); !done.ok()) {
    std::fprintf(stderr, "corolla-worker-cuda: %s\n", done.error().what.c_str());
    return 1;
  }
  return 0;
}

}  // namespace corolla
