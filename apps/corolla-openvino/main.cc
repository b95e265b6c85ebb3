// What `corolla compile --for cpu` and `corolla run --engine openvino` call, so that `corolla`
// itself need not link OpenVINO:
//
//   corolla-openvino --compile MODEL --blob FILE [--batch N] [--bf16]
//   corolla-openvino --stamp PLAN
//   corolla-openvino --run MODEL|PLAN --input NAME=FILE.npy ... --out FOLDER
#include <cctype>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/openvino/cpu_target.h"
#include "engine/openvino/ov_types.h"
#include "plan/npy.h"
#include "plan/plan_file.h"

namespace corolla {
namespace {

struct Options {
  std::string compile, blob, stamp, run, out = ".";
  std::vector<std::string> inputs;
  int64_t batch = 0;
  bool bf16 = false;
};

ov::AnyMap properties(bool bf16) {
  return {ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
          ov::hint::inference_precision(bf16 ? ov::element::bf16 : ov::element::f32)};
}

Status compile(const Options& options) {
  ov::Core core;
  auto model = core.read_model(options.compile);
  if (options.batch > 0) {
    std::map<size_t, ov::PartialShape> shapes;
    for (size_t i = 0; i < model->inputs().size(); ++i) {
      ov::PartialShape shape = model->input(i).get_partial_shape();
      if (shape.rank().is_static() && shape.size() > 0 && shape[0].is_dynamic())
        shape[0] = options.batch;
      shapes[i] = shape;
    }
    model->reshape(shapes);
  }
  std::ofstream out(options.blob, std::ios::binary);
  core.compile_model(model, "CPU", properties(options.bf16)).export_model(out);
  out.flush();
  if (!out) return Error{Code::kInternal, options.blob + " cannot be written"};
  return ok();
}

// What blobs are bound to is known here alone.
Status stamp(const Options& options) {
  ASSIGN_OR_RETURN(plan::Plan plan, plan::read_plan(options.stamp));
  if (plan.target.engine != "openvino")
    return Error{Code::kInvalidArgument, options.stamp + " is a plan for engine '" +
                                             plan.target.engine + "', not for openvino"};
  plan.target = engine::cpu_target();
  return plan::write_plan(plan, options.stamp);
}

// "NAME=FILE"; nothing but a file: the only input.
Result<std::map<std::string, plan::Tensor>> read_inputs(const Options& options) {
  std::map<std::string, plan::Tensor> inputs;
  for (const std::string& argument : options.inputs) {
    const size_t equals = argument.find('=');
    const bool named = equals != std::string::npos;
    ASSIGN_OR_RETURN(inputs[named ? argument.substr(0, equals) : ""],
                     plan::read_npy(named ? argument.substr(equals + 1) : argument));
  }
  return inputs;
}

Result<ov::CompiledModel> load(ov::Core& core, const Options& options,
                               const std::map<std::string, plan::Tensor>& inputs) {
  if (!plan::is_plan(options.run))
    return core.compile_model(core.read_model(options.run), "CPU", properties(options.bf16));
  ASSIGN_OR_RETURN(const plan::Plan plan, engine::read_cpu_plan(options.run, engine::cpu_target()));
  const plan::Tensor& first = inputs.begin()->second;
  const int64_t rows = plan.batched && !first.shape().empty() ? first.shape()[0] : 1;
  for (const plan::Program& program : plan.programs) {
    if (plan.batched && program.batch != rows) continue;
    const auto blob = engine::blob_of(plan, program);
    std::istringstream in(std::string(reinterpret_cast<const char*>(blob.data()), blob.size()));
    return core.import_model(in, "CPU", properties(plan.precision == DType::kBf16));
  }
  return Error{Code::kInvalidArgument,
               "the plan has no batch of " + std::to_string(rows) + " rows"};
}

std::string file_name(const std::string& name) {
  std::string out = name;
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '_';
  return out + ".npy";
}

Status run(const Options& options) {
  ASSIGN_OR_RETURN(const auto inputs, read_inputs(options));
  if (inputs.empty()) return Error{Code::kInvalidArgument, "there is no --input"};
  ov::Core core;
  ASSIGN_OR_RETURN(ov::CompiledModel model, load(core, options, inputs));
  ov::InferRequest request = model.create_infer_request();
  for (const auto& port : model.inputs()) {
    auto given = inputs.find("");
    for (const std::string& name : port.get_names())
      if (inputs.contains(name)) given = inputs.find(name);
    if (given == inputs.end())
      return Error{Code::kInvalidArgument,
                   "input '" + port.get_any_name() + "' is not given by --input"};
    const plan::Tensor& tensor = given->second;
    if (engine::to_element(tensor.dtype()) != port.get_element_type())
      return Error{Code::kInvalidArgument, "input '" + port.get_any_name() + "' is " +
                                               std::string(dtype_name(tensor.dtype())) +
                                               "; the model takes " +
                                               port.get_element_type().to_string()};
    request.set_tensor(port, ov::Tensor(port.get_element_type(),
                                        ov::Shape(tensor.shape().begin(), tensor.shape().end()),
                                        static_cast<const void*>(tensor.bytes().data())));
  }
  request.infer();
  for (size_t i = 0; i < model.outputs().size(); ++i) {
    const ov::Tensor made = request.get_output_tensor(i);
    const auto dtype = engine::to_dtype(made.get_element_type());
    const std::string name = model.output(i).get_any_name();
    if (!dtype)
      return Error{Code::kUnsupported,
                   "output '" + name + "' is of type " + made.get_element_type().to_string()};
    const ov::Shape dims = made.get_shape();
    ASSIGN_OR_RETURN(plan::Tensor tensor,
                     plan::Tensor::make(*dtype, plan::Shape(dims.begin(), dims.end())));
    std::memcpy(tensor.writable().data(), std::as_const(made).data(), made.get_byte_size());
    const std::string path = (std::filesystem::path(options.out) / file_name(name)).string();
    RETURN_IF_ERROR(plan::write_npy(tensor, path));
    std::printf("%s  %s %s\n", path.c_str(), std::string(dtype_name(*dtype)).c_str(),
                shape_text(tensor.shape()).c_str());
  }
  return ok();
}

}  // namespace
}  // namespace corolla

int main(int argc, char** argv) {
  using namespace corolla;
  CLI::App app("Compiles and runs models by OpenVINO, for corolla compile and corolla run.");
  Options options;
  auto* compile_option = app.add_option("--compile", options.compile, "ONNX model to compile");
  app.add_option("--blob", options.blob, "Where the compiled model is written")
      ->needs(compile_option);
  app.add_option("--batch", options.batch, "Its batch size")->check(CLI::Range(1, 4096));
  app.add_flag("--bf16", options.bf16, "Compute in bf16");
  auto* stamp_option =
      app.add_option("--stamp", options.stamp, "Plan whose target becomes this CPU and OpenVINO")
          ->excludes(compile_option);
  app.add_option("--run", options.run, "ONNX model or plan to run")
      ->excludes(compile_option)
      ->excludes(stamp_option);
  app.add_option("--input", options.inputs, "NAME=FILE.npy");
  app.add_option("--out", options.out, "Folder for one .npy an output");
  CLI11_PARSE(app, argc, argv);
  Status status = ok();
  try {
    status = !options.compile.empty() ? compile(options)
             : !options.stamp.empty() ? stamp(options)
             : !options.run.empty()
                 ? run(options)
                 : Error{Code::kInvalidArgument, "one of --compile, --stamp and --run is needed"};
  } catch (const std::exception& exception) {
    status = Error{Code::kInternal, "OpenVINO: " + engine::plain_sentence(exception)};
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "corolla-openvino: %s\n", status.error().what.c_str());
  return 1;
}
