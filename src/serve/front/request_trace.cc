#include "serve/front/request_trace.h"

#include "base/log.h"
#include "serve/front/worker_link.h"

namespace corolla::front {

void write_trace(const InferTask& task, const Arrival& arrival, TimePoint end) {
  const auto& completion = arrival.completion;
  const auto tenths = [](uint32_t us10) { return int64_t{us10} * 100; };
  const int64_t start = completion.picked_up_ns;
  const int64_t input_end = start + tenths(completion.input_us10);
  const int64_t output_start = input_end + tenths(completion.infer_us10);
  log::info("request_trace", {{"model", task.model->name},
                              {"version", task.model->version},
                              {"id", task.request.id},
                              {"slice", arrival.worker->slice.id()},
                              {"batch_rows", completion.batch_rows},
                              {"tries", task.dispatch.tries},
                              {"REQUEST_START", to_ns(task.arrived)},
                              {"QUEUE_START", to_ns(task.queued)},
                              {"COMPUTE_START", start},
                              {"COMPUTE_INPUT_END", input_end},
                              {"COMPUTE_OUTPUT_START", output_start},
                              {"COMPUTE_END", output_start + tenths(completion.output_us10)},
                              {"REQUEST_END", to_ns(end)}});
}

}  // namespace corolla::front
