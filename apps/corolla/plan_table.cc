#include "plan_table.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "client/json_text.h"
#include "plan/step_cost.h"

namespace corolla::app {
namespace {

using plan::PlanTensor;
using plan::Program;
using plan::Step;

std::string number(const char* format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

const PlanTensor& tensor(const Program& program, int32_t id) {
  return program.tensors[static_cast<size_t>(id)];
}

bool is_int8(const Program& program, const Step& step) {
  const DType dtype = tensor(program, step.inputs[0]).dtype;
  return dtype == DType::kInt8 || dtype == DType::kUint8;
}

// "conv 3x3/2 relu +res": what tells one step of its kind from another.
std::string details(const Program& program, const Step& step) {
  std::string text(plan::step_op_name(step.op()));
  const auto window = [&](const auto& w) {
    text += " " + std::to_string(w.kernel_h) + "x" + std::to_string(w.kernel_w);
    if (w.stride_h != 1) text += "/" + std::to_string(w.stride_h);
  };
  const auto epilogue = [&](const plan::Epilogue& e) {
    if (e.residual) text += " +res";
    if (e.activation != plan::Activation::kNone)
      text += " " + std::string(plan::activation_name(e.activation));
  };
  if (const auto* conv = std::get_if<plan::Conv>(&step.operation)) {
    window(*conv);
    if (conv->groups != 1) text += " g" + std::to_string(conv->groups);
    epilogue(conv->epilogue);
  }
  if (const auto* pool = std::get_if<plan::Pool>(&step.operation)) window(*pool);
  if (const auto* gemm = std::get_if<plan::Gemm>(&step.operation)) epilogue(gemm->epilogue);
  if (const auto* e = std::get_if<plan::Elementwise>(&step.operation)) epilogue(e->epilogue);
  if (is_int8(program, step)) text += " int8";
  return text;
}

std::string pad(std::string text, size_t width, bool right) {
  const size_t missing = width > text.size() ? width - text.size() : 0;
  return right ? std::string(missing, ' ') + text : text + std::string(missing, ' ');
}

}  // namespace

std::string plan_table(const plan::Plan& plan) {
  if (plan.programs.empty() || plan.programs[0].steps.empty()) return "";
  const Program& program = plan.programs[0];
  const bool timed = program.microseconds > 0;
  std::vector<std::vector<std::string>> rows = {
      {"step", "output", "MFLOP", "KB", "kernel", "us", "share", "roof"}};
  plan::StepCost all;
  double sum = 0;
  for (const Step& step : program.steps) sum += step.microseconds;
  for (const Step& step : program.steps) {
    const plan::StepCost cost = plan::cost_of(program, step);
    if (cost.bytes == 0) continue;
    all.flops += cost.flops;
    all.bytes += cost.bytes;
    const auto least = plan::least_microseconds(plan.target, cost, is_int8(program, step));
    const bool has_time = step.microseconds > 0;
    rows.push_back({details(program, step), shape_text(tensor(program, step.outputs[0]).shape),
                    number("%.1f", cost.flops / 1e6), number("%.0f", cost.bytes / 1e3),
                    step.kernel.empty() ? "-" : step.kernel,
                    has_time ? number("%.2f", step.microseconds) : "-",
                    has_time && sum > 0 ? number("%.1f %%", 100 * step.microseconds / sum) : "-",
                    has_time && least ? number("%.0f %%", 100 * *least / step.microseconds) : "-"});
  }
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : rows) {
    for (size_t c = 0; c < (timed ? row.size() : 4); ++c)
      text += (c ? "  " : "") + pad(row[c], widths[c], c == 2 || c == 3 || c > 4);
    while (text.back() == ' ') text.pop_back();
    text += "\n";
  }
  text += "batch " + std::to_string(program.batch) + ": " + std::to_string(rows.size() - 1) +
          " steps, " + number("%.2f GFLOP", all.flops / 1e9) + ", weights " +
          number("%.1f MB", static_cast<double>(plan.weights.size()) / 1e6);
  for (const Program& p : plan.programs)
    text += "; arena of batch " + std::to_string(p.batch) + " " +
            number("%.2f MB", static_cast<double>(p.arena_bytes) / 1e6) + " (at least " +
            number("%.2f)", static_cast<double>(p.arena_lower_bound) / 1e6);
  return text + "\n";
}

std::string plan_json(const plan::Plan& plan) {
  std::string text = "{\"model\":" + client::json_string(plan.model) +
                     ",\"hash\":" + client::json_string(plan.model_hash) +
                     ",\"precision\":" + client::json_string(dtype_name(plan.precision)) +
                     ",\"engine\":" + client::json_string(plan.target.engine) +
                     ",\"arch\":" + client::json_string(plan.target.arch) +
                     ",\"device\":" + client::json_string(plan.target.device) +
                     ",\"sm_count\":" + std::to_string(plan.target.sm_count) +
                     ",\"weights_bytes\":" + std::to_string(plan.weights.size()) +
                     ",\"programs\":[";
  for (const Program& program : plan.programs) {
    text += (&program == &plan.programs[0] ? "" : ",") + std::string("{\"batch\":") +
            std::to_string(program.batch) +
            ",\"arena_bytes\":" + std::to_string(program.arena_bytes) +
            ",\"arena_lower_bound\":" + std::to_string(program.arena_lower_bound) +
            ",\"microseconds\":" + number("%.3f", program.microseconds) + ",\"steps\":[";
    for (const Step& step : program.steps) {
      const plan::StepCost cost = plan::cost_of(program, step);
      text += (&step == &program.steps[0] ? "" : ",") + std::string("{\"name\":") +
              client::json_string(step.name) +
              ",\"step\":" + client::json_string(details(program, step)) +
              ",\"output\":" + shape_text(tensor(program, step.outputs[0]).shape) +
              ",\"flops\":" + number("%.0f", cost.flops) +
              ",\"bytes\":" + number("%.0f", cost.bytes) +
              ",\"kernel\":" + client::json_string(step.kernel) +
              ",\"microseconds\":" + number("%.3f", step.microseconds) + "}";
    }
    text += "]}";
  }
  return text + "]}";
}

}  // namespace corolla::app
