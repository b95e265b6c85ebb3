// What OpenVINO's compiled models are bound to: this OpenVINO and this CPU's instructions. A plan
// for the CPU carries it, and is refused elsewhere.
#pragma once
#include <string>

#include "base/result.h"
#include "plan/plan.h"

namespace corolla::engine {

// engine "openvino"; arch: the machine and those of its instruction sets that OpenVINO compiles
// for ("x86_64 avx2 fma ..."); device: the CPU's name; driver: OpenVINO's version.
plan::Target cpu_target();

// The plan at `path`, whole and made for this target, its programs' first tensors being blobs.
// kInvalidArgument: damaged, not a plan, or made for another engine, CPU or OpenVINO, naming both.
Result<plan::Plan> read_cpu_plan(const std::string& path, const plan::Target& here);

// The compiled model of one batch size, in the plan's memory. REQUIRES: a plan of read_cpu_plan.
std::span<const std::byte> blob_of(const plan::Plan& plan, const plan::Program& program);

}  // namespace corolla::engine
