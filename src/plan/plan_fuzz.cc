// Any bytes as a plan. The checksums are made right first, or nothing would come past them.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "plan/npy.h"
#include "plan/plan_file.h"
#include "plan/plan_file_seal.h"
#include "plan/program_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corolla;
  (void)plan::parse_npy(std::as_bytes(std::span(data, size)), nullptr);
  void* memory = std::aligned_alloc(4096, (size + 4096) / 4096 * 4096);
  std::shared_ptr<const void> owner(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
  std::memcpy(memory, data, size);
  const std::span<std::byte> file(static_cast<std::byte*>(memory), size);
  plan::seal_plan(file);
  const auto plan = plan::parse_plan(file, owner);
  if (!plan.ok()) return 0;
  // What passes can be run: no step may leave its memory.
  for (const plan::Program& program : plan->programs) {
    int64_t elements = 0;
    for (const plan::PlanTensor& tensor : program.tensors)
      elements += std::min<int64_t>(tensor.bytes, 1 << 20);
    if (elements > 1 << 18 || program.arena_bytes > 1 << 20) return 0;
    std::vector<plan::Tensor> inputs;
    for (const plan::Port& port : plan->inputs) {
      plan::Shape shape = port.shape;
      if (plan->batched && !shape.empty() && shape[0] == -1) shape[0] = program.batch;
      auto tensor = plan::Tensor::make(port.dtype, shape);
      if (!tensor.ok() || tensor->count() > 1 << 16) return 0;
      inputs.push_back(*std::move(tensor));
    }
    (void)plan::run_program(*plan, program, inputs);
  }
  return 0;
}
