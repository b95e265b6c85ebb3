#include "plan/program_reference.h"

#include <cmath>
#include <cstring>

#include "plan/ops/matmul.h"
#include "plan/ops/op.h"
#include "plan/ops/shapes.h"
#include "plan/pack.h"
#include "plan/step_meaning.h"

namespace corolla::plan {
namespace {

bool is_int8(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUint8; }

// (v - mean) / std; pixels are turned from [N,H,W,C] bytes first.
std::vector<float> import(const Import& op, const PlanTensor& out, std::vector<float> values) {
  if (out.shape.size() != 4) return values;
  const int64_t channels = out.shape[1], plane = out.shape[2] * out.shape[3];
  std::vector<float> made(values.size());
  for (int64_t n = 0; n < out.shape[0]; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < plane; ++p) {
        const auto to = static_cast<size_t>((n * channels + c) * plane + p);
        const auto pixel = static_cast<size_t>((n * plane + p) * channels + c);
        const float v = op.pixels ? values[pixel] / 255 : values[to];
        const float mean = op.mean.empty() ? 0 : op.mean[static_cast<size_t>(c)];
        const float deviation = op.std.empty() ? 1 : op.std[static_cast<size_t>(c)];
        made[to] = (v - mean) / deviation;
      }
  return made;
}

// The numbers of one source of a step's meaning.
std::vector<float> source_values(const Program& program, const Step& step,
                                 const StepMeaning::Source& source,
                                 std::span<const std::vector<float>> inputs) {
  std::vector<float> values = inputs[source.input];
  if (source.kind == StepMeaning::Source::Kind::kBias)
    values.resize(static_cast<size_t>(source.shape[0]));
  if (source.kind == StepMeaning::Source::Kind::kConvWeight) {
    const PlanTensor& w = program.tensors[static_cast<size_t>(step.inputs[source.input])];
    values = unpack_conv_weights(w.shape, values, source.shape[0], source.shape[1]);
  }
  // 8-bit weights: one scale a row.
  const PlanTensor& tensor = program.tensors[static_cast<size_t>(step.inputs[source.input])];
  const bool matrix = step.op() == StepOp::kConv || step.op() == StepOp::kGemm;
  if (matrix && source.input == 1 && is_int8(tensor.dtype)) {
    const std::vector<float>& scales = inputs.back();
    const size_t row = values.size() / static_cast<size_t>(source.shape[0]);
    for (size_t i = 0; i < values.size(); ++i) values[i] *= scales[i / row];
  }
  return values;
}

// What the bytes mean; 8-bit activations as real numbers, 8-bit weights (scale 1, zero 0) as they
// are.
std::vector<float> load(const PlanTensor& tensor, const std::byte* at) {
  std::vector<float> values =
      unpack(tensor.dtype, tensor.layout, tensor.shape, {at, static_cast<size_t>(tensor.bytes)});
  if (is_int8(tensor.dtype))
    for (float& v : values) v = (v - static_cast<float>(tensor.zero)) * tensor.scale;
  return values;
}

void save(const PlanTensor& tensor, std::vector<float> values, std::byte* at) {
  if (is_int8(tensor.dtype))
    for (float& v : values) v = std::nearbyint(v / tensor.scale) + static_cast<float>(tensor.zero);
  const std::vector<std::byte> bytes = pack(tensor.dtype, tensor.layout, tensor.shape, values);
  std::memcpy(at, bytes.data(), bytes.size());
}

}  // namespace

Result<std::vector<float>> run_step(const Program& program, const Step& step,
                                    std::span<const std::vector<float>> inputs) {
  const PlanTensor& out = program.tensors[static_cast<size_t>(step.outputs[0])];
  if (const auto* op = std::get_if<Import>(&step.operation)) return import(*op, out, inputs[0]);
  if (step.op() == StepOp::kReshape) {  // the bytes stay as they are stored
    const PlanTensor& in = program.tensors[static_cast<size_t>(step.inputs[0])];
    return unpack(DType::kFp32, out.layout, out.shape,
                  pack(DType::kFp32, in.layout, in.shape, inputs[0]));
  }
  ASSIGN_OR_RETURN(StepMeaning meaning, meaning_of(program, step));
  if (meaning.node.op == "Identity") return inputs[0];
  Call call(meaning.node);
  const auto* matmul = std::get_if<Matmul>(&step.operation);
  for (size_t i = 0; i < meaning.sources.size(); ++i) {
    const auto& source = meaning.sources[i];
    if (source.kind == StepMeaning::Source::Kind::kConstant) {
      call.give(i, source.constant);
      continue;
    }
    std::vector<float> values = source_values(program, step, source, inputs);
    if (matmul && matmul->transpose_b && i == 1) {
      const int64_t k = source.shape[source.shape.size() - 2], n = source.shape.back();
      for (size_t at = 0; at < values.size(); at += static_cast<size_t>(k * n)) {
        const std::vector<float> matrix(values.begin() + static_cast<std::ptrdiff_t>(at),
                                        values.begin() + static_cast<std::ptrdiff_t>(at) + k * n);
        const std::vector<float> turned = transposed(matrix, n, k);
        std::copy(turned.begin(), turned.end(), values.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
    call.give(i, Tensor::of_floats(source.shape, values));
  }
  ASSIGN_OR_RETURN(const std::vector<Tensor> made, evaluate(call));
  const auto* top = std::get_if<TopK>(&step.operation);
  std::vector<float> values = made[top && top->indices ? 1 : 0].floats();
  if (matmul)
    for (float& v : values) v *= matmul->alpha;
  return values;
}

Result<std::vector<Tensor>> run_program(const Plan& plan, const Program& program,
                                        std::span<const Tensor> inputs,
                                        const ReferenceOptions& options) {
  if (inputs.size() != plan.inputs.size())
    return Error{Code::kInvalidArgument, std::to_string(inputs.size()) + " inputs are given and " +
                                             std::to_string(plan.inputs.size()) + " wanted"};
  ASSIGN_OR_RETURN(Tensor arena, Tensor::make(DType::kUint8, {program.arena_bytes}));
  const auto memory = arena.writable();
  std::vector<Tensor> outputs(plan.outputs.size());
  for (const Step& step : program.steps) {
    std::vector<std::vector<float>> values;
    for (const int32_t id : step.inputs) {
      const PlanTensor& tensor = program.tensors[static_cast<size_t>(id)];
      if (tensor.place == Place::kInput) {
        const Tensor& given = inputs[static_cast<size_t>(tensor.index)];
        if (given.dtype() != tensor.dtype || given.shape() != tensor.shape)
          return Error{Code::kInvalidArgument,
                       "input '" + tensor.name + "' is " + std::string(dtype_name(given.dtype())) +
                           " " + shape_text(given.shape()) + "; the plan wants " +
                           std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape)};
        values.push_back(given.floats());
      } else {
        const std::byte* base =
            tensor.place == Place::kWeight ? plan.weights.data() : memory.data();
        values.push_back(load(tensor, base + tensor.offset));
      }
    }
    auto made = run_step(program, step, values);
    if (!made.ok()) return std::move(made).error();
    const PlanTensor& out = program.tensors[static_cast<size_t>(step.outputs[0])];
    if (out.place == Place::kOutput) {
      ASSIGN_OR_RETURN(Tensor output, Tensor::make(out.dtype, out.shape));
      store(out.dtype, *made, output.writable().data());
      outputs[static_cast<size_t>(out.index)] = std::move(output);
    } else {
      save(out, *made, memory.data() + out.offset);
    }
    if (options.after_step) options.after_step(step, out, *made);
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].empty())
      return Error{Code::kInvalidArgument,
                   "the plan makes no output '" + plan.outputs[i].name + "'"};
  return outputs;
}

}  // namespace corolla::plan
