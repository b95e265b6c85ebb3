// verify() of plan.h.
#include <cmath>

#include "plan/ops/op.h"
#include "plan/ops/shapes.h"
#include "plan/step_meaning.h"

namespace corolla::plan {
namespace {

Status check_tensor(const Plan& plan, const Program& program, const PlanTensor& tensor) {
  const auto wrong = [&](std::string what) {
    return bad("tensor '" + tensor.name + "' " + std::move(what));
  };
  const auto bytes = storage_bytes(tensor.dtype, tensor.layout, tensor.shape);
  if (!bytes.ok() || *bytes != tensor.bytes)
    return wrong("of shape " + shape_text(tensor.shape) + " is said to have " +
                 std::to_string(tensor.bytes) + " bytes");
  const auto within = [&](int64_t size, int64_t alignment) {
    return tensor.offset >= 0 && tensor.offset % alignment == 0 && tensor.bytes <= size &&
           tensor.offset <= size - tensor.bytes;
  };
  const auto port = [&](const std::vector<Port>& ports) {
    if (tensor.index < 0 || tensor.index >= static_cast<int64_t>(ports.size())) return false;
    const Port& p = ports[static_cast<size_t>(tensor.index)];
    Shape shape = p.shape;
    if (plan.batched && !shape.empty() && shape[0] == -1) shape[0] = program.batch;
    return tensor.layout == Layout::kPlain && p.dtype == tensor.dtype && shape == tensor.shape;
  };
  bool good = true;
  if (tensor.place == Place::kArena) good = within(program.arena_bytes, kArenaAlignment);
  if (tensor.place == Place::kWeight)
    good = within(static_cast<int64_t>(plan.weights.size()), kWeightAlignment);
  if (tensor.place == Place::kInput) good = port(plan.inputs);
  if (tensor.place == Place::kOutput) good = port(plan.outputs);
  if (!good) return wrong("does not lie where it could");
  if (!(std::isfinite(tensor.scale)) || tensor.scale <= 0)
    return wrong("has scale " + std::to_string(tensor.scale));
  return ok();
}

Status check_step(const Program& program, const Step& step, std::vector<bool>& written) {
  const auto count = static_cast<int32_t>(program.tensors.size());
  if (step.outputs.size() != 1) return bad("it has other than one output");
  for (const auto* list : {&step.inputs, &step.outputs})
    for (const int32_t id : *list)
      if (id < 0 || id >= count) return bad("it names tensor " + std::to_string(id));
  for (const int32_t id : step.inputs) {
    const PlanTensor& tensor = program.tensors[static_cast<size_t>(id)];
    if (tensor.place == Place::kArena && !written[static_cast<size_t>(id)])
      return bad("it reads '" + tensor.name + "' before that is made");
    if (tensor.place == Place::kOutput) return bad("it reads an output");
  }
  const PlanTensor& out = program.tensors[static_cast<size_t>(step.outputs[0])];
  if (out.place == Place::kWeight || out.place == Place::kInput)
    return bad("it writes '" + out.name + "'");
  written[static_cast<size_t>(step.outputs[0])] = true;

  ASSIGN_OR_RETURN(const StepMeaning meaning, meaning_of(program, step));
  Call call(meaning.node);
  for (size_t i = 0; i < meaning.sources.size(); ++i) {
    const auto& source = meaning.sources[i];
    if (source.kind == StepMeaning::Source::Kind::kConstant)
      call.give(i, source.constant);
    else
      call.give(i, Type{DType::kFp32, source.shape});
  }
  ASSIGN_OR_RETURN(const std::vector<Type> types, infer_types(call));
  const bool same = meaning.same_shape ? types[0].shape == out.shape
                                       : product(types[0].shape) == product(out.shape);
  if (!same)
    return bad("it makes " + shape_text(types[0].shape) + " and its output is " +
               shape_text(out.shape));
  return ok();
}

}  // namespace

Status verify(const Plan& plan) {
  if (reinterpret_cast<uintptr_t>(plan.weights.data()) % kWeightAlignment != 0)
    return bad("the plan's weights are not aligned");
  for (const auto* ports : {&plan.inputs, &plan.outputs})
    for (const Port& port : *ports)
      if (port.dtype == DType::kBytes) return bad("port '" + port.name + "' is of BYTES");
  if (plan.programs.empty() && plan.target.engine != "openvino")
    return bad("the plan has no program");
  int64_t batch = 0;
  for (const Program& program : plan.programs) {
    if (program.batch <= batch) return bad("the plan's batch sizes do not rise");
    batch = program.batch;
    const auto at = [&](Error error, const std::string& what) {
      error.what = "batch " + std::to_string(batch) + ", " + what + ": " + error.what;
      return error;
    };
    if (program.arena_bytes < 0 || program.workspace_bytes < 0)
      return bad("an arena of " + std::to_string(program.arena_bytes) + " bytes");
    for (const PlanTensor& tensor : program.tensors)
      if (auto s = check_tensor(plan, program, tensor); !s.ok()) return at(s.error(), "tensors");
    std::vector<bool> written(program.tensors.size());
    for (const Step& step : program.steps)
      if (auto s = check_step(program, step, written); !s.ok())
        return at(s.error(),
                  "step '" + step.name + "' (" + std::string(step_op_name(step.op())) + ")");
  }
  return ok();
}

}  // namespace corolla::plan
