// Runs ONNX's backend tests through the reader and the interpreter: folders on standard input, as
// node_case.h says. `--plan TYPE` (fp32, fp16, bf16, int8) compiles them for the CUDA engine
// instead, and runs the plans' steps in host memory. `--operators` lists what is claimed.
#include <iostream>

#include "plan/interpreter.h"
#include "plan/ops/op.h"
#include "plan/program_reference.h"
#include "plan/testing/node_case.h"

namespace corolla::plan {
namespace {

Result<std::string> run_graph(const NodeCase& test, const Tolerance& tolerance) {
  for (const NodeSet& set : test.sets) {
    ASSIGN_OR_RETURN(const std::vector<Tensor> made, interpret(test.model.graph, set.inputs));
    for (size_t i = 0; i < made.size(); ++i)
      if (const auto same = compare(made[i], set.outputs[i], tolerance); !same.ok())
        return same.error();
  }
  return std::string();
}

int run(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "--operators") {
    for (const std::string_view name : op_names()) std::cout << name << "\n";
    return 0;
  }
  if (command != "--plan") return run_cases(std::cin, run_graph, false) ? 0 : 1;
  const std::string_view type = argc > 2 ? argv[2] : "";
  const DType precision = type == "fp32"   ? DType::kFp32
                          : type == "bf16" ? DType::kBf16
                          : type == "int8" ? DType::kInt8
                                           : DType::kFp16;
  const RunCase one = [precision](const NodeCase& test, const Tolerance& tolerance) {
    return check_plans(test, tolerance, precision, [](const CasePlan& made) {
      return run_program(made.plan, made.plan.programs[0], made.inputs);
    });
  };
  return run_cases(std::cin, one, true) ? 0 : 1;
}

}  // namespace
}  // namespace corolla::plan

int main(int argc, char** argv) { return corolla::plan::run(argc, argv); }
