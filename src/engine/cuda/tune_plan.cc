#include "engine/cuda/tune_plan.h"

#include <algorithm>
#include <random>

#include "engine/cuda/lowering.h"

namespace corolla::engine::cuda {
namespace {

// Peaks of fp16 products with fp32 sums and of memory: of the whole device, whose share is counted
// by multiprocessors for products (clocks as the data sheet has them).
struct Peaks {
  double flops_per_us = 0, bytes_per_us = 0;
};
Peaks peaks(const DeviceFacts& device) {
  const double sms = device.multiprocessors;
  if (device.compute_capability == 90) return {sms * 989.4e6 / 132, 3350e3};
  if (device.compute_capability == 80) return {sms * 312e6 / 108, 1935e3};
  return {};
}

// Pictures and numbers that look like data: kernels run faster on zeros.
void fill(DeviceMemory& memory, DType dtype) {
  std::vector<std::byte> bytes(memory.bytes());
  std::mt19937 random(1);
  if (dtype == DType::kFp32) {
    auto* to = reinterpret_cast<float*>(bytes.data());
    for (size_t i = 0; i < bytes.size() / 4; ++i)
      to[i] = static_cast<float>(random()) * 0x1p-31f - 1;
  } else {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() >> 24);
  }
  (void)cudaMemcpy(memory.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice);
}

}  // namespace

Result<std::vector<TunedProgram>> tune_plan(plan::Plan& plan, const plan::Target& target,
                                            const DeviceFacts& device, TunedTable& table) {
  ASSIGN_OR_RETURN(DeviceMemory weights, DeviceMemory::make(plan.weights.size(), "weights"));
  CUDA_OR_RETURN(
      "cannot copy weights to the device",
      cudaMemcpy(weights.data(), plan.weights.data(), plan.weights.size(), cudaMemcpyHostToDevice));
  DerivedWeights derived;
  std::vector<TunedProgram> tuned;
  for (plan::Program& program : plan.programs) {
    ASSIGN_OR_RETURN(DeviceMemory arena,
                     DeviceMemory::make(static_cast<size_t>(program.arena_bytes), "activations"));
    std::vector<DeviceMemory> ports;
    Addresses addresses{weights.data(), arena.data(), std::vector<std::byte*>(plan.inputs.size()),
                        std::vector<std::byte*>(plan.outputs.size())};
    for (const plan::PlanTensor& t : program.tensors) {
      if (t.place != plan::Place::kInput && t.place != plan::Place::kOutput) continue;
      ASSIGN_OR_RETURN(DeviceMemory port,
                       DeviceMemory::make(static_cast<size_t>(t.bytes), "a port"));
      const bool input = t.place == plan::Place::kInput;
      if (input) fill(port, t.dtype);
      (input ? addresses.inputs : addresses.outputs)[static_cast<size_t>(t.index)] = port.data();
      ports.push_back(std::move(port));
    }
    ASSIGN_OR_RETURN(std::vector<Launch> launches,
                     lower(plan, program, addresses, derived, device.compute_capability));
    TunedProgram made;
    made.batch = program.batch;
    ASSIGN_OR_RETURN(made.report, tune(launches, device, table, {}));
    ASSIGN_OR_RETURN(const Spread spread, time_spread(launches, device, 100));
    made.microseconds = spread.p50;
    made.p10 = spread.p10;
    made.p90 = spread.p90;
    double sum = 0;
    const Peaks peak = peaks(device);
    for (Launch& launch : launches) {
      ASSIGN_OR_RETURN(const double us, time_launches(std::span(&launch, 1), device, 5, 10));
      plan::Step& step = program.steps[static_cast<size_t>(launch.step)];
      step.kernel = launch.kernel;
      step.tuning.clear();
      if (launch.tunable) step.tuning = {launch.choice.splits, launch.choice.cluster ? 1 : 0};
      step.microseconds = us;
      // Products of bytes go twice as fast.
      const double speed = launch.tunable && launch.conv.element == Element::kByte ? 2 : 1;
      const double least = peak.flops_per_us == 0
                               ? 0
                               : std::max(launch.flops / (peak.flops_per_us * speed),
                                          launch.bytes / peak.bytes_per_us);
      made.layers.push_back({step.name,
                             launch.kernel + (launch.tunable && launch.choice.splits > 1
                                                  ? " /" + std::to_string(launch.choice.splits) +
                                                        (launch.choice.cluster ? "c" : "m")
                                                  : ""),
                             launch.tunable ? shape_key(launch.conv) : "", us, 0, least / us});
      sum += us;
    }
    for (TunedLayer& layer : made.layers) layer.share = layer.microseconds / sum;
    program.microseconds = made.microseconds;
    tuned.push_back(std::move(made));
  }
  plan.target = target;
  return tuned;
}

}  // namespace corolla::engine::cuda
