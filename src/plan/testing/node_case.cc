#include "plan/testing/node_case.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "plan/compiler.h"
#include "plan/interpreter.h"
#include "plan/mapped_file.h"
#include "plan/onnx.pb.h"
#include "plan/onnx_tensor.h"

namespace corolla::plan {
namespace {

namespace fs = std::filesystem;

constexpr double kLargestFp16 = 65504;

Result<Tensor> read_tensor(const fs::path& path) {
  // An empty file is a tensor of default values; MappedFile refuses it, and no test has one.
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(path, "the test's tensor"));
  onnx::TensorProto proto;
  if (!proto.ParseFromArray(file->bytes().data(), static_cast<int>(file->bytes().size())))
    return Error{Code::kInternal, path.string() + " is no tensor"};
  ExternalData none("");
  return tensor_of_onnx(proto, none);
}

Result<NodeSet> read_set(const Model& model, const fs::path& folder) {
  NodeSet set;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const fs::path path = folder / ("input_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) continue;
    ASSIGN_OR_RETURN(set.inputs[model.inputs[i].name], read_tensor(path));
  }
  for (size_t i = 0; i < model.graph.outputs.size(); ++i) {
    ASSIGN_OR_RETURN(Tensor want, read_tensor(folder / ("output_" + std::to_string(i) + ".pb")));
    set.outputs.push_back(std::move(want));
  }
  return set;
}

// The model with the set's shapes; inputs from number `open` on have become constants.
Model fixed(Model model, const NodeSet& set, size_t open) {
  std::vector<ModelInput> inputs;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    ModelInput input = model.inputs[i];
    const ValueId id = model.graph.inputs[i];
    if (const auto given = set.inputs.find(input.name); given != set.inputs.end()) {
      if (i >= open) {
        Value& value = model.graph.value(id);
        value.constant = given->second;
        value.dtype = given->second.dtype();
        value.shape = given->second.shape();
        value.typed = true;
        continue;
      }
      input.dims.clear();
      for (const int64_t size : given->second.shape()) input.dims.push_back({size, {}});
    }
    inputs.push_back(std::move(input));
    ids.push_back(id);
  }
  model.inputs = std::move(inputs);
  model.graph.inputs = std::move(ids);
  return model;
}

Result<CasePlan> compiled(const Model& model, const NodeSet& set, DType precision) {
  CompileOptions options;
  options.precision = precision;
  options.target.engine = "cuda";
  CasePlan made;
  ASSIGN_OR_RETURN(made.plan, compile(model, options));
  for (const Port& port : made.plan.inputs) {
    const auto given = set.inputs.find(port.name);
    if (given == set.inputs.end())
      return Error{Code::kUnsupported, "the test gives no input '" + port.name + "'"};
    made.inputs.push_back(given->second);
  }
  RETURN_IF_ERROR(verify(made.plan));
  return made;
}

Result<std::vector<Tensor>> answer_of_rounded(const Model& model, const NodeSet& set,
                                              DType precision) {
  std::map<std::string, Tensor> inputs;
  for (const auto& [name, given] : set.inputs) {
    inputs[name] = given;
    if (!is_float(given.dtype())) continue;
    ASSIGN_OR_RETURN(const Tensor narrow, cast(given, precision));
    ASSIGN_OR_RETURN(inputs[name], cast(narrow, given.dtype()));
  }
  return interpret(model.graph, inputs);
}

// kUnsupported when the model makes numbers on its way that FP16 does not hold.
Status check_range(const Model& model, const NodeSet& set) {
  std::string over;
  InterpretOptions options;
  options.after_node = [&](const Node& node, std::span<const Tensor> made) {
    for (const Tensor& tensor : made)
      if (is_float(tensor.dtype()))
        for (const double v : tensor.doubles())
          if (std::isfinite(v) && std::fabs(v) > kLargestFp16)
            over = "node '" + node.name + "' makes " + std::to_string(v) +
                   ", which is beyond what fp16 holds";
  };
  ASSIGN_OR_RETURN(const auto made, interpret(model.graph, set.inputs, options));
  (void)made;
  return over.empty() ? ok() : Status(Error{Code::kUnsupported, over});
}

bool is_refusal(const Error& error) {
  return error.code == Code::kUnsupported || error.code == Code::kInvalidArgument;
}

}  // namespace

Result<NodeCase> read_case(const fs::path& folder) {
  NodeCase made;
  ASSIGN_OR_RETURN(made.model, read_onnx(folder / "model.onnx"));
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory()) sets.push_back(entry.path());
  if (sets.empty()) return Error{Code::kInternal, "it has no test data"};
  std::sort(sets.begin(), sets.end());
  for (const fs::path& path : sets) {
    ASSIGN_OR_RETURN(NodeSet set, read_set(made.model, path));
    made.sets.push_back(std::move(set));
  }
  return made;
}

Tolerance half_tolerance(DType precision) {
  if (precision == DType::kFp32) return {};
  if (precision == DType::kInt8) return {0, 0, 2.0 / 127};
  const double u = precision == DType::kBf16 ? 1.0 / 256 : 1.0 / 2048;
  return {4 * u, 0, 2 * u};
}

Result<double> compare(const Tensor& have, const Tensor& want, const Tolerance& tolerance,
                       DType precision) {
  if (have.dtype() != want.dtype() || have.shape() != want.shape())
    return Error{Code::kInternal, "made " + std::string(dtype_name(have.dtype())) + " " +
                                      shape_text(have.shape()) + ", wanted " +
                                      std::string(dtype_name(want.dtype())) + " " +
                                      shape_text(want.shape())};
  const std::vector<double> a = have.doubles(), b = want.doubles();
  const bool whole = !is_float(want.dtype());
  double largest = 0, share = 0;
  for (const double v : b)
    if (std::isfinite(v)) largest = std::max(largest, std::fabs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    if (precision == DType::kFp16 && std::isinf(a[i]) && std::fabs(b[i]) > kLargestFp16 &&
        std::signbit(a[i]) == std::signbit(b[i]))
      continue;
    const double allowed =
        whole && precision != DType::kFp32
            ? 0
            : tolerance.atol + tolerance.rtol * std::fabs(b[i]) + tolerance.scaled * largest;
    const double away = std::fabs(a[i] - b[i]);
    if (!(away <= allowed) || std::isinf(b[i]))
      return Error{Code::kInternal, "element " + std::to_string(i) + " is " + std::to_string(a[i]) +
                                        ", wanted " + std::to_string(b[i]) + " +- " +
                                        std::to_string(allowed)};
    if (away > 0) share = std::max(share, away / allowed);
  }
  return share;
}

Result<CasePlan> plan_of_case(const Model& model, const NodeSet& set, DType precision) {
  auto made = compiled(fixed(model, set, model.inputs.size()), set, precision);
  if (made.ok() || model.inputs.size() < 2 || !is_refusal(made.error())) return made;
  const Model closed = fixed(model, set, 1);
  auto again = compiled(closed, set, precision);
  if (again.ok()) again->constants = static_cast<int>(model.inputs.size() - closed.inputs.size());
  return again;
}

Result<std::string> check_plans(const NodeCase& test, Tolerance tolerance, DType precision,
                                const RunPlan& run) {
  const Tolerance more = half_tolerance(precision);
  tolerance.rtol += more.rtol;
  tolerance.scaled += more.scaled;
  double share = 0;
  int constants = 0;
  bool rounded = false;
  for (const NodeSet& set : test.sets) {
    ASSIGN_OR_RETURN(const CasePlan made, plan_of_case(test.model, set, precision));
    constants = made.constants;
    ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, run(made));
    std::vector<Tensor> narrow;  // wanted of rounded inputs, once it is asked for
    for (size_t i = 0; i < outputs.size(); ++i) {
      auto found = compare(outputs[i], set.outputs[i], tolerance, precision);
      if (!found.ok() && precision != DType::kFp32 && precision != DType::kInt8) {
        if (narrow.empty()) {
          ASSIGN_OR_RETURN(narrow, answer_of_rounded(test.model, set, precision));
        }
        if (auto again = compare(outputs[i], narrow[i], tolerance, precision); again.ok()) {
          found = std::move(again);
          rounded = true;
        }
      }
      if (!found.ok() && precision == DType::kFp16) {
        RETURN_IF_ERROR(check_range(test.model, set));
      }
      if (!found.ok()) return found.error();
      share = std::max(share, *found);
    }
  }
  std::ostringstream said;
  said << " error " << std::setprecision(3) << share;
  if (constants > 0) said << " with " << constants << " constants";
  if (rounded) said << " of rounded inputs";
  return said.str();
}

bool run_cases(std::istream& lines, const RunCase& run, bool may_refuse,
               const std::function<bool()>& broken) {
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    Tolerance tolerance;
    std::string folder;
    words >> tolerance.rtol >> tolerance.atol >> std::ws;
    std::getline(words, folder);
    const auto read = read_case(folder);
    const auto said = read.ok() ? run(*read, tolerance) : Result<std::string>(read.error());
    if (said.ok()) {
      std::cout << "pass " << folder << *said << std::endl;
      continue;
    }
    std::cout << (may_refuse && is_refusal(said.error()) ? "refused " : "fail ") << folder << ": "
              << said.error().what << std::endl;
    if (broken()) return false;
  }
  return true;
}

}  // namespace corolla::plan
