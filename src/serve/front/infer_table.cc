#include "serve/front/infer_table.h"

#include <cstring>
#include <new>
#include <utility>

#include "link/shared_layout.h"

namespace corolla::front {
namespace {

uint64_t aligned(uint64_t offset) {
  return (offset + link::kTensorAlign - 1) / link::kTensorAlign * link::kTensorAlign;
}

Error no_slot(size_t bytes, const SlotPool& slots) {
  return {Code::kOverloaded, "no room for a request of " + std::to_string(bytes) +
                                 " bytes in the request arena of " + std::to_string(slots.bytes()) +
                                 " bytes now"};
}

// Where each input goes, and the end of the last.
uint64_t plan_places(const std::vector<wire::InputTensor>& inputs, uint64_t* places) {
  uint64_t next = link::kTableBytes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    places[i] = aligned(next);
    if (!inputs[i].shm) next = places[i] + inputs[i].bytes.size();
  }
  return next;
}

}  // namespace

size_t slot_bytes_for(size_t binary) {
  return link::kTableBytes + binary + link::kMaxTensors * link::kTensorAlign;
}

Status write_table(InferTask& task, SlotPool& slots, const FindShm& find_shm) {
  const auto& model = *task.model;
  auto& inputs = task.request.inputs;
  if (inputs.size() > link::kMaxTensors)
    return Error{Code::kInvalidArgument,
                 "a request may have at most " + std::to_string(link::kMaxTensors) +
                     " inputs, this one has " + std::to_string(inputs.size())};
  for (const auto& input : inputs)
    if (!input.shm) RETURN_IF_ERROR(check_input_bytes(model, input, input.bytes));

  uint64_t places[link::kMaxTensors];
  const uint64_t end = plan_places(inputs, places);
  // Values that came as text or as typed lists may need more room than the message had: then they
  // move to a slot that holds them.
  std::optional<uint64_t> outgrown;
  if (!task.slot || end > slots.block_bytes(*task.slot)) {
    outgrown = std::exchange(task.slot, slots.allocate(end));
    if (!task.slot) {
      task.slot = outgrown;
      return no_slot(end, slots);
    }
  }
  // From the back: a tensor's place is never before where it lies packed, so nothing is overwritten
  // before it has moved.
  std::byte* const base = slots.at(*task.slot);
  for (size_t i = inputs.size(); i-- > 0;)
    if (!inputs[i].shm && !inputs[i].bytes.empty() && inputs[i].bytes.data() != base + places[i])
      std::memmove(base + places[i], inputs[i].bytes.data(), inputs[i].bytes.size());
  if (outgrown) slots.free(*outgrown);

  auto& table = *new (base) link::TensorTable();
  table.rows = task.checked.rows;
  for (uint32_t spec = 0; spec < task.checked.input_of_spec.size(); ++spec) {
    const uint32_t i = task.checked.input_of_spec[spec];
    auto& input = inputs[i];
    auto& record = table.tensors[table.count++];
    record.index = spec;
    record.dtype = input.dtype;
    record.dims = static_cast<uint8_t>(input.shape.size());
    for (size_t d = 0; d < input.shape.size(); ++d) record.shape[d] = input.shape[d];
    if (input.shm) {
      RETURN_IF_ERROR(check_input_size(model, input, input.shm->bytes));
      ASSIGN_OR_RETURN(const auto place, find_shm(*input.shm));
      record.region = place.region;
      record.offset = place.offset;
      record.bytes = input.shm->bytes;
    } else {
      record.offset = *task.slot + places[i];
      record.bytes = input.bytes.size();
    }
  }
  return ok();
}

}  // namespace corolla::front
