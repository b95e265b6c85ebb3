// Runs ONNX's backend tests through the reader and the interpreter: folders on standard input, one
// a line ("<rtol> <atol> <folder>"), each with model.onnx and test_data_set_*/{input,output}_*.pb.
// One line of answer each: "pass <folder>", "fail <folder>: <why>". `--operators` lists what is
// claimed.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "plan/interpreter.h"
#include "plan/mapped_file.h"
#include "plan/onnx.pb.h"
#include "plan/onnx_reader.h"
#include "plan/onnx_tensor.h"
#include "plan/ops/op.h"

namespace corolla::plan {
namespace {

namespace fs = std::filesystem;

Result<Tensor> read_tensor(const fs::path& path) {
  // An empty file is a tensor of default values; MappedFile refuses it, and no test has one.
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(path, "the test's tensor"));
  onnx::TensorProto proto;
  if (!proto.ParseFromArray(file->bytes().data(), static_cast<int>(file->bytes().size())))
    return Error{Code::kInvalidArgument, path.string() + " is no tensor"};
  ExternalData none("");
  return tensor_of_onnx(proto, none);
}

Status compare(const Tensor& have, const Tensor& want, double rtol, double atol) {
  if (have.dtype() != want.dtype() || have.shape() != want.shape())
    return Error{Code::kInternal, "made " + std::string(dtype_name(have.dtype())) + " " +
                                      shape_text(have.shape()) + ", wanted " +
                                      std::string(dtype_name(want.dtype())) + " " +
                                      shape_text(want.shape())};
  const std::vector<double> a = have.doubles(), b = want.doubles();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    if (!same && !(std::fabs(a[i] - b[i]) <= atol + rtol * std::fabs(b[i])))
      return Error{Code::kInternal, "element " + std::to_string(i) + " is " + std::to_string(a[i]) +
                                        ", wanted " + std::to_string(b[i])};
  }
  return ok();
}

Status run_set(const Model& model, const fs::path& set, double rtol, double atol) {
  std::map<std::string, Tensor> inputs;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const fs::path path = set / ("input_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) continue;
    ASSIGN_OR_RETURN(inputs[model.inputs[i].name], read_tensor(path));
  }
  ASSIGN_OR_RETURN(const std::vector<Tensor> made, interpret(model.graph, inputs));
  for (size_t i = 0; i < made.size(); ++i) {
    ASSIGN_OR_RETURN(const Tensor want, read_tensor(set / ("output_" + std::to_string(i) + ".pb")));
    RETURN_IF_ERROR(compare(made[i], want, rtol, atol));
  }
  return ok();
}

Status run_folder(const fs::path& folder, double rtol, double atol) {
  ASSIGN_OR_RETURN(const Model model, read_onnx(folder / "model.onnx"));
  int sets = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    ++sets;
    RETURN_IF_ERROR(run_set(model, entry.path(), rtol, atol));
  }
  return sets > 0 ? ok() : Status(Error{Code::kInternal, "it has no test data"});
}

}  // namespace
}  // namespace corolla::plan

int main(int argc, char** argv) {
  using namespace corolla::plan;
  if (argc > 1 && std::string_view(argv[1]) == "--operators") {
    for (const std::string_view name : op_names()) std::cout << name << "\n";
    return 0;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    double rtol = 0, atol = 0;
    std::string folder;
    words >> rtol >> atol >> std::ws;
    std::getline(words, folder);
    const auto status = run_folder(folder, rtol, atol);
    std::cout << (status.ok() ? "pass " + folder : "fail " + folder + ": " + status.error().what)
              << std::endl;
  }
}
