#include "engine/openvino/cpu_target.h"

#include <sys/utsname.h>

#include <array>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/openvino/ov_types.h"
#include "plan/plan_file.h"

namespace corolla::engine {
namespace {

// As /proc/cpuinfo calls them, on x86 and on Arm. Others do not change what OpenVINO compiles.
constexpr std::array kInstructions = {
    "sse4_2",   "avx",      "f16c",     "fma",      "avx2",        "avx_vnni",    "avx512f",
    "avx512dq", "avx512bw", "avx512vl", "avx512cd", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "asimd",       "asimdhp",     "asimddp",
    "i8mm",     "bf16",     "sve",      "sve2"};

struct Cpu {
  std::string name;
  std::set<std::string> instructions;
};

Cpu first_cpu() {
  Cpu cpu;
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line;
  while (std::getline(cpuinfo, line) && !line.empty()) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) cpu.name = line.substr(colon + 2);
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    std::istringstream words(line.substr(colon + 2));
    for (std::string word; words >> word;) cpu.instructions.insert(word);
  }
  return cpu;
}

}  // namespace

plan::Target cpu_target() {
  const Cpu cpu = first_cpu();
  plan::Target target;
  target.engine = "openvino";
  utsname machine{};
  if (::uname(&machine) == 0) target.arch = machine.machine;
  for (const char* one : kInstructions)
    if (cpu.instructions.contains(one)) target.arch += std::string(" ") + one;
  target.device = cpu.name;
  target.driver = ov::get_openvino_version().buildNumber;
  return target;
}

Result<plan::Plan> read_cpu_plan(const std::string& path, const plan::Target& here) {
  const auto refused = [&](const std::string& why) {
    return Error{Code::kInvalidArgument, path + ": " + why};
  };
  ASSIGN_OR_RETURN(plan::Plan plan, plan::read_plan(path));
  if (const Status fit = plan::fits(plan.target, here, 0); !fit.ok())
    return refused(fit.error().what);
  const char* again = "; compile the model again: corolla compile MODEL --for cpu";
  if (plan.target.arch.empty() || plan.target.driver.empty())
    return refused("the plan does not say for which CPU and OpenVINO it was made" +
                   std::string(again));
  if (plan.target.driver != here.driver)
    return refused("the plan was made by OpenVINO " + plan.target.driver +
                   " and this one is OpenVINO " + here.driver + again);
  if (plan.programs.empty())
    return refused("the plan holds no compiled model" + std::string(again));
  for (const plan::Program& program : plan.programs)
    if (program.tensors.empty() || program.tensors[0].place != plan::Place::kWeight)
      return refused("the plan's batch " + std::to_string(program.batch) +
                     " holds no compiled model" + again);
  return plan;
}

std::span<const std::byte> blob_of(const plan::Plan& plan, const plan::Program& program) {
  const plan::PlanTensor& tensor = program.tensors.at(0);
  return plan.weights.subspan(static_cast<size_t>(tensor.offset),
                              static_cast<size_t>(tensor.bytes));
}

}  // namespace corolla::engine
