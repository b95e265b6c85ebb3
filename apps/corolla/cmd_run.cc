// `corolla run`: one model, on files.
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine_program.h"
#include "plan/interpreter.h"
#include "plan/npy.h"
#include "plan/onnx_reader.h"
#include "plan/plan_file.h"
#include "plan/program_reference.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

using plan::Tensor;

struct Options {
  std::string model, out = ".", engine = "reference";
  std::vector<std::string> inputs;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// "NAME=FILE.npy", or FILE.npy alone for a model with one input.
Result<std::map<std::string, Tensor>> read_inputs(const std::vector<std::string>& arguments,
                                                  const std::vector<std::string>& names) {
  std::map<std::string, Tensor> inputs;
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "'" : ", '") + name + "'";
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals), file;
    if (equals != std::string::npos) {
      file = argument.substr(equals + 1);
    } else {
      file = argument;
      if (names.size() != 1)
        return Error{Code::kInvalidArgument,
                     "--input " + argument + " names no input; the model has " + list};
      name = names[0];
    }
    if (std::find(names.begin(), names.end(), name) == names.end())
      return Error{Code::kInvalidArgument, "the model has no input '" + name + "'; it has " + list};
    ASSIGN_OR_RETURN(inputs[name], plan::read_npy(file));
  }
  for (const std::string& name : names)
    if (!inputs.contains(name))
      return Error{Code::kInvalidArgument,
                   "input '" + name + "' is not given; add --input '" + name + "=FILE.npy'"};
  return inputs;
}

Result<std::vector<NamedTensor>> run_model(const Options& options) {
  ASSIGN_OR_RETURN(const plan::Model model, plan::read_onnx(options.model));
  std::vector<std::string> names;
  for (const auto& input : model.inputs) names.push_back(input.name);
  ASSIGN_OR_RETURN(const auto inputs, read_inputs(options.inputs, names));
  for (const auto& input : model.inputs) {
    const Tensor& given = inputs.at(input.name);
    bool fits = given.dtype() == input.dtype && given.shape().size() == input.dims.size();
    std::string wanted;
    for (size_t d = 0; d < input.dims.size(); ++d) {
      fits = fits && (input.dims[d].size < 0 || input.dims[d].size == given.shape()[d]);
      wanted += (d ? "," : "") + std::to_string(input.dims[d].size);
    }
    if (!fits)
      return Error{Code::kInvalidArgument,
                   "input '" + input.name + "' is " + std::string(dtype_name(given.dtype())) + " " +
                       shape_text(given.shape()) + "; the model wants " +
                       std::string(dtype_name(input.dtype)) + " [" + wanted + "]"};
  }
  ASSIGN_OR_RETURN(const auto made, plan::interpret(model.graph, inputs));
  std::vector<NamedTensor> outputs;
  for (size_t i = 0; i < made.size(); ++i)
    outputs.push_back({model.graph.value(model.graph.outputs[i]).name, made[i]});
  return outputs;
}

Result<std::vector<NamedTensor>> run_plan(const Options& options) {
  ASSIGN_OR_RETURN(const plan::Plan plan, plan::read_plan(options.model));
  if (plan.target.engine == "openvino")
    return Error{Code::kInvalidArgument,
                 options.model + " is a plan for OpenVINO; run it with --engine openvino"};
  std::vector<std::string> names;
  for (const plan::Port& port : plan.inputs) names.push_back(port.name);
  ASSIGN_OR_RETURN(const auto inputs, read_inputs(options.inputs, names));
  std::vector<Tensor> ordered;
  for (const std::string& name : names) ordered.push_back(inputs.at(name));
  const int64_t rows = plan.batched && !ordered[0].shape().empty() ? ordered[0].shape()[0] : 1;
  const plan::Program* program = plan.program_for(rows);
  if (program == nullptr || (plan.batched && program->batch != rows)) {
    std::string sizes;
    for (const auto& p : plan.programs)
      sizes += (sizes.empty() ? "" : ", ") + std::to_string(p.batch);
    return Error{Code::kInvalidArgument, "the input has " + std::to_string(rows) +
                                             " rows; the plan is for batches of " + sizes};
  }
  ASSIGN_OR_RETURN(const auto made, plan::run_program(plan, *program, ordered));
  std::vector<NamedTensor> outputs;
  for (size_t i = 0; i < made.size(); ++i) outputs.push_back({plan.outputs[i].name, made[i]});
  return outputs;
}

// A value's name may hold anything; a file's may not.
std::string file_name(const std::string& name) {
  std::string out;
  for (const char c : name)
    out +=
        std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' ? c : '_';
  return (out.empty() || out[0] == '.' ? "_" + out : out) + ".npy";
}

int run(const Options& options) {
  std::error_code failed;
  std::filesystem::create_directories(options.out, failed);
  if (failed) return fail(kFailed, options.out + " cannot be made: " + failed.message());
  if (options.engine != "reference") {
    std::vector<std::string> arguments = {"--run", options.model, "--out", options.out};
    for (const std::string& input : options.inputs)
      arguments.insert(arguments.end(), {"--input", input});
    const Status ran = run_program_beside(
        options.engine == "cuda" ? "corolla-worker-cuda" : "corolla-openvino", arguments);
    return ran.ok() ? kSuccess : fail(kFailed, ran.error().what);
  }
  const auto outputs = plan::is_plan(options.model) ? run_plan(options) : run_model(options);
  if (!outputs.ok()) {
    const bool usage = outputs.error().code != Code::kInternal;
    return fail(usage ? kUsage : kFailed, outputs.error().what);
  }
  for (const NamedTensor& output : *outputs) {
    const std::string path = (std::filesystem::path(options.out) / file_name(output.name)).string();
    if (auto written = plan::write_npy(output.tensor, path); !written.ok())
      return fail(kFailed, written.error().what);
    std::printf("%s  %s %s\n", path.c_str(), std::string(dtype_name(output.tensor.dtype())).c_str(),
                shape_text(output.tensor.shape()).c_str());
  }
  return kSuccess;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("run", "Run one model or plan on .npy files");
  sub->add_option("MODEL", options->model, "An ONNX model or a plan")->required();
  sub->add_option("--input", options->inputs,
                  "NAME=FILE.npy; FILE.npy alone for a model's only input");
  sub->add_option("--out", options->out, "Where each output is written, as NAME.npy")
      ->capture_default_str();
  sub->add_option("--engine", options->engine,
                  "reference: plain loops, exact; openvino; cuda: a plan on a GPU")
      ->check(CLI::IsMember({"reference", "openvino", "cuda"}))
      ->capture_default_str();
  examples(*sub, {{"corolla run model.onnx --input picture.npy --out answers", "one input"},
                  {"corolla run flower.plan --input input=rose.npy --engine cuda", "on a GPU"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kRun(72, add);

}  // namespace
}  // namespace corolla::app
