#include "run_command.h"

#include <cstdio>
#include <cstring>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "engine/cuda/cuda_engine.h"
#include "engine/reply_memory.h"
#include "engine/submit_and_wait.h"
#include "plan/npy.h"
#include "plan/onnx_reader.h"
#include "plan/plan_file.h"

namespace corolla {
namespace {

struct Wishes {
  std::string model, out = ".";
  std::vector<std::string> inputs, options;
  int times = 1;
};

// The largest batch that the model may be given; 0: it has no batch dimension.
Result<int> most_rows(const std::string& path, int64_t rows) {
  if (plan::is_plan(path)) {
    ASSIGN_OR_RETURN(const plan::Plan plan, plan::read_plan(path));
    return plan.batched && !plan.programs.empty() ? static_cast<int>(plan.programs.back().batch)
                                                  : 0;
  }
  ASSIGN_OR_RETURN(const plan::Model model, plan::read_onnx(path));
  return plan::has_open_batch(model) ? static_cast<int>(rows) : 0;
}

// A value's name may hold anything; a file's may not.
std::string file_name(const std::string& name) {
  std::string made;
  for (const char c : name)
    made += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_'
                ? c
                : '_';
  return (made.empty() || made[0] == '.' ? "_" + made : made) + ".npy";
}

Status run(const Wishes& wishes) {
  std::map<std::string, plan::Tensor> given;
  for (const std::string& input : wishes.inputs) {
    const size_t equals = input.find('=');
    if (equals == std::string::npos)
      return Error{Code::kInvalidArgument, "--input " + input + " is not NAME=FILE.npy"};
    ASSIGN_OR_RETURN(given[input.substr(0, equals)], plan::read_npy(input.substr(equals + 1)));
  }
  if (given.empty()) return Error{Code::kInvalidArgument, "there is no --input"};
  const auto& first = given.begin()->second.shape();
  const int64_t rows = first.empty() ? 1 : first[0];
  engine::EngineSetup setup;
  if (wishes.options.empty()) setup.options["lanes"] = "1";
  for (const std::string& option : wishes.options)
    setup.options[option.substr(0, option.find('='))] = option.substr(option.find('=') + 1);
  ASSIGN_OR_RETURN(const auto engine, engine::make_cuda_engine(setup));
  engine::ModelSource source;
  source.name = source.path = wishes.model;
  source.parameters["tune"] = "off";
  ASSIGN_OR_RETURN(source.max_batch, most_rows(wishes.model, rows));
  ASSIGN_OR_RETURN(const auto model, engine->load(source));
  std::vector<engine::ConstTensor> inputs;
  for (const engine::TensorSpec& spec : model->inputs()) {
    const auto found = given.find(spec.name);
    if (found == given.end())
      return Error{Code::kInvalidArgument, "there is no --input for '" + spec.name + "'"};
    const plan::Tensor& tensor = found->second;
    plan::Shape wanted = spec.shape;
    if (source.max_batch > 0) wanted.insert(wanted.begin(), rows);
    if (tensor.dtype() != spec.dtype || tensor.shape() != wanted)
      return Error{Code::kInvalidArgument,
                   "input '" + spec.name + "' is " + std::string(dtype_name(tensor.dtype())) + " " +
                       shape_text(tensor.shape()) + "; the model takes " +
                       std::string(dtype_name(spec.dtype)) + " " + shape_text(wanted)};
    inputs.push_back({tensor.dtype(), tensor.shape(), tensor.bytes()});
  }
  engine::ReplyMemory reply;
  engine::Request request{inputs, static_cast<int>(rows), &reply};
  for (int i = 0; i < wishes.times; ++i)
    RETURN_IF_ERROR(engine::submit_and_wait(*engine, *model, request));
  std::error_code failed;
  std::filesystem::create_directories(wishes.out, failed);
  for (const auto& [number, output] : reply.outputs) {
    ASSIGN_OR_RETURN(plan::Tensor tensor, plan::Tensor::make(output.dtype, output.shape));
    std::memcpy(tensor.writable().data(), output.bytes.data(), output.bytes.size());
    const std::string path =
        (std::filesystem::path(wishes.out) / file_name(model->outputs()[number].name)).string();
    RETURN_IF_ERROR(plan::write_npy(tensor, path));
    std::printf("%s  %s %s\n", path.c_str(), std::string(dtype_name(output.dtype)).c_str(),
                shape_text(output.shape).c_str());
  }
  return ok();
}

}  // namespace

int run_once(int argc, char** argv) {
  Wishes wishes;
  CLI::App app("Runs one model on files, on this GPU.", "corolla-worker-cuda");
  app.add_option("--run", wishes.model, "a plan or an ONNX model")->required();
  app.add_option("--input", wishes.inputs, "NAME=FILE.npy, once for each input");
  app.add_option("--out", wishes.out, "folder for one .npy an output");
  app.add_option("--option", wishes.options, "NAME=VALUE of the engine's options");
  app.add_option("--times", wishes.times, "runs; the last one is written");
  CLI11_PARSE(app, argc, argv);
  log::init("run", false, log::Level::kWarn);
  if (const Status done = run(wishes); !done.ok()) {
    std::fprintf(stderr, "corolla-worker-cuda: %s\n", done.error().what.c_str());
    return 1;
  }
  return 0;
}

}  // namespace corolla
