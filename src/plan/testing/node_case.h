// ONNX's backend tests: a folder with model.onnx and test_data_set_*/{input,output}_*.pb, and what
// is run on it.
#pragma once
#include <filesystem>
#include <functional>
#include <istream>
#include <map>
#include <string>
#include <vector>

#include "plan/onnx_reader.h"
#include "plan/plan.h"
#include "plan/tensor.h"

namespace corolla::plan {

struct NodeSet {
  std::map<std::string, Tensor> inputs;
  std::vector<Tensor> outputs;  // wanted
};

struct NodeCase {
  Model model;
  std::vector<NodeSet> sets;  // at least one
};

Result<NodeCase> read_case(const std::filesystem::path& folder);

// How far an element may be from what is wanted: atol + rtol * |wanted| + scaled * the largest
// finite |wanted| of the tensor.
struct Tolerance {
  double rtol = 0, atol = 0, scaled = 0;
};

// What a result that is computed in `precision` may differ from ONNX's own, beyond the case's
// tolerance. With u = 2^-11 (FP16) or 2^-8 (BF16), one rounding: inputs, weights, what comes
// between steps and outputs are rounded by u of themselves each, and functions such as exp and pow
// make several of one; that is rtol, 4 u. A sum's terms may be larger than the sum, so that the
// same is allowed of the tensor's largest element, too: scaled, 2 u. INT8: two steps of 127 of the
// largest; what is between two steps may go either way. FP32: none.
Tolerance half_tolerance(DType precision);

// The largest share that an element takes of what it may be away (1: all of it), or an error that
// names the first that is further away. Types and shapes must be the same, in a `precision` other
// than FP32 whole numbers equal. Infinities and NaN must be where they are wanted; where
// `precision` is FP16, what is beyond its range may be an infinity.
Result<double> compare(const Tensor& have, const Tensor& want, const Tolerance& tolerance,
                       DType precision = DType::kFp32);

// A plan of fixed shapes for this set, and what it is to be given. Plans take floats alone as
// inputs, and weights as constants, as models from training have them; ONNX's tests make all of
// these inputs. So where the model cannot be compiled as it is, all inputs but the first are made
// constants: `constants` says how many.
struct CasePlan {
  Plan plan;
  std::vector<Tensor> inputs;  // of plan.inputs
  int constants = 0;
};
Result<CasePlan> plan_of_case(const Model& model, const NodeSet& set, DType precision);

// Compiles every set for `precision`, has `run` compute its plan, and compares: with ONNX's answer,
// or, where that is further away than half_tolerance allows, with the interpreter's for inputs that
// are rounded to `precision` (the softmax of 10003 in fp16 is that of 10000). Says on success
// " error 0.12", and " with 2 constants" and " of rounded inputs" where it was so.
using RunPlan = std::function<Result<std::vector<Tensor>>(const CasePlan&)>;
Result<std::string> check_plans(const NodeCase& test, Tolerance tolerance, DType precision,
                                const RunPlan& run);

// Reads lines "<rtol> <atol> <folder>" and prints one of "pass <folder>", "refused <folder>: <why>"
// and "fail <folder>: <why>" for each. `run` answers with what is printed behind "pass <folder>";
// kUnsupported and kInvalidArgument are refusals where `may_refuse`. False: the last case's error
// is such that `broken` says no more can be run.
using RunCase = std::function<Result<std::string>(const NodeCase&, const Tolerance&)>;
bool run_cases(
    std::istream& lines, const RunCase& run, bool may_refuse,
    const std::function<bool()>& broken = [] { return false; });

}  // namespace corolla::plan
