// One request's life as a line of the log, for those that the trace settings pick: Triton's names
// of timestamps (its trace extension), in ns of the steady clock.
#pragma once
#include "serve/front/infer_task.h"
#include "serve/front/switchboard.h"

namespace corolla::front {

// The request is answered at `end`. REQUIRES: the completion carries the worker's times.
void write_trace(const InferTask& task, const Arrival& arrival, TimePoint end);

}  // namespace corolla::front
