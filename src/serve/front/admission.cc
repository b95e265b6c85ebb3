#include "serve/front/admission.h"

#include <algorithm>
#include <limits>

namespace corolla::front {

std::optional<Duration> expected_completion(std::span<const WorkerLoad> workers,
                                            double rows_ahead) {
  // Water filling: the time t at which sum over workers of max(0, t - busy) * rate reaches
  // rows_ahead. Counting all of them gives a t that is too late if anything; those busy beyond it
  // cannot help, and leaving them out only moves t down, so this ends after at most one round a
  // worker.
  double t = std::numeric_limits<double>::infinity();
  for (size_t round = 0; round <= workers.size(); ++round) {
    double rate = 0, weighted = 0;
    for (const WorkerLoad& w : workers) {
      const auto busy = static_cast<double>(w.busy.count());
      if (w.rows_per_ns <= 0 || busy > t) continue;
      rate += w.rows_per_ns;
      weighted += w.rows_per_ns * busy;
    }
    if (rate == 0) break;
    const double next = (rows_ahead + weighted) / rate;
    if (next >= t) break;
    t = next;
  }
  if (t == std::numeric_limits<double>::infinity()) return std::nullopt;

  // Then whoever can finish it first.
  double done = std::numeric_limits<double>::infinity();
  for (const WorkerLoad& w : workers) {
    if (w.rows_per_ns <= 0) continue;
    done = std::min(done, std::max(t, static_cast<double>(w.busy.count())) +
                              static_cast<double>(w.service.count()));
  }
  return Duration(static_cast<int64_t>(done));
}

}  // namespace corolla::front
