// Writes a checked request into its slot: the TensorTable at the head, the tensors 64-byte aligned
// behind it.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "serve/front/infer_task.h"
#include "serve/front/slot_pool.h"

namespace corolla::front {

// What a slot must hold for `binary` tensor bytes that arrive back to back: table, bytes, and room
// to align them.
size_t slot_bytes_for(size_t binary);

// Where a client's registered memory lies, for an input with `shm`. Gives the region's number and
// the offset in it.
struct ShmInput {
  uint32_t region = 0;
  uint64_t offset = 0;
};
using FindShm = std::function<Result<ShmInput>(const wire::ShmPlace&)>;

// REQUIRES: task.model, request and checked are set; inputs' `bytes` point at their data (in the
// slot at kTableBytes and behind, packed in order; or anywhere else), or they have `shm`. Makes the
// slot if the task has none (kOverloaded when there is no room), moves or copies what does not lie
// aligned in it, checks sizes and BYTES, writes the table.
Status write_table(InferTask& task, SlotPool& slots, const FindShm& find_shm);

}  // namespace corolla::front
