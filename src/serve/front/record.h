// Writes what happened to a task into the statistics, and small things that both infer calls share.
#pragma once
#include "base/result.h"
#include "serve/front/infer_table.h"
#include "serve/front/io_thread.h"

namespace corolla::front {

// The request is answered: its times by the worker's own clock (the same machine's), and its
// batch's once.
void record_success(IoThread& io, const InferTask& task, const Arrival& arrival);
// The request ended with an error. A request without a known model leaves no trace but the
// transport's counters.
void record_failure(IoThread& io, const InferTask& task, const Error& error);

// Finds the region of an input that lies in a client's memory, holds it for the task, and says
// where the worker finds it.
Result<ShmInput> use_shm_input(IoThread& io, InferTask& task, const wire::ShmPlace& place);

// Writes an output where the client asked for it.
Status write_shm_output(IoThread& io, const wire::ShmPlace& place,
                        std::span<const std::byte> bytes);

}  // namespace corolla::front
