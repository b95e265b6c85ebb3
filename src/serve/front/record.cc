#include "serve/front/record.h"

#include "serve/front/request_trace.h"
#include "serve/front/settings.h"
#include "serve/front/shm_registry.h"
#include "serve/front/statistics.h"

namespace corolla::front {
namespace {

Duration tenths(uint32_t us10) { return Duration(int64_t{us10} * 100); }

}  // namespace

void record_success(IoThread& io, const InferTask& task, const Arrival& arrival) {
  const auto& completion = arrival.completion;
  auto& statistics = io.shared().statistics;
  auto& row = io.statistics_row(*task.model, *arrival.worker);
  const TimePoint picked_up = from_ns(completion.picked_up_ns), end = now();
  statistics.succeeded(row,
                       {.total = end - task.arrived,
                        .queue = std::max(Duration(0), Duration(picked_up - task.arrived)),
                        .compute_input = tenths(completion.input_us10),
                        .compute_infer = tenths(completion.infer_us10),
                        .compute_output = tenths(completion.output_us10)},
                       task.checked.rows);
  if (io.shared().trace.sample(task.model->name)) write_trace(task, arrival, end);
}

void record_failure(IoThread& io, const InferTask& task, const Error& error) {
  if (task.model)
    io.shared().statistics.failed(*task.model->statistics, error.code, now() - task.arrived);
}

Result<ShmInput> use_shm_input(IoThread& io, InferTask& task, const wire::ShmPlace& place) {
  ASSIGN_OR_RETURN(auto stretch, io.shared().shm.resolve(place, ShmRegistry::Use::kInput));
  const ShmInput found{stretch.region->number, stretch.begin};
  task.shm_regions.push_back(std::move(stretch.region));
  return found;
}

Status write_shm_output(IoThread& io, const wire::ShmPlace& place,
                        std::span<const std::byte> bytes) {
  ASSIGN_OR_RETURN(const auto stretch, io.shared().shm.resolve(place, ShmRegistry::Use::kOutput));
  return write_shm(stretch, bytes);
}

}  // namespace corolla::front
