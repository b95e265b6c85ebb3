#include "fleet/reconciler.h"

#include <algorithm>

#include "slice/slice_wish.h"

namespace corolla::fleet {
namespace {

bool staying(const WorkerView& worker) {
  return worker.phase == Phase::kStarting || worker.phase == Phase::kServing;
}

// Whether two processes can be on it for a moment: on CPU cores, under MPS and with green contexts
// they only slow each other.
bool shareable(const slice::Slice& slice) { return slice.kind != "mig"; }

// Whether two slices compete for the same piece of the machine.
bool overlap(const slice::Slice& a, const slice::Slice& b) {
  if (a.id == b.id) return true;
  const bool gpu = slice::on_gpu(a.kind);
  if (gpu != slice::on_gpu(b.kind)) return false;
  if (gpu) return shareable(a) && shareable(b) && a.device == b.device;
  return std::any_of(a.cores.begin(), a.cores.end(), [&](uint32_t cpu) {
    return std::find(b.cores.begin(), b.cores.end(), cpu) != b.cores.end();
  });
}

}  // namespace

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "starting";
    case Phase::kServing:
      return "serving";
    case Phase::kDraining:
      return "draining";
    case Phase::kDrained:
      return "drained";
    case Phase::kLeaving:
      return "leaving";
  }
  return "unknown";
}

Plan reconcile(std::span<const WorkerWish> wishes, std::span<const WorkerView> workers,
               TimePoint now) {
  Plan plan;
  // Which worker fulfils which wish. The one that serves, should there be two.
  std::vector<const WorkerView*> fulfils(wishes.size(), nullptr);
  std::vector<bool> wanted(workers.size(), false);
  for (size_t w = 0; w < wishes.size(); ++w) {
    size_t best = workers.size();
    for (size_t i = 0; i < workers.size(); ++i) {
      if (!staying(workers[i]) || workers[i].slice != wishes[w].slice ||
          workers[i].birth != wishes[w].birth)
        continue;
      if (best == workers.size() || workers[best].phase != Phase::kServing) best = i;
    }
    if (best == workers.size()) continue;
    fulfils[w] = &workers[best];
    wanted[best] = true;
  }
  const auto serves = [&](size_t w) { return fulfils[w] && fulfils[w]->phase == Phase::kServing; };
  const auto replaces = [&](size_t w, const WorkerView& old) {
    return overlap(wishes[w].slice, old.slice);
  };

  // A replacement under way: a wish that does not serve yet while the worker it replaces still
  // does.
  bool replacing = false;
  for (size_t w = 0; w < wishes.size(); ++w) {
    if (!fulfils[w] || serves(w)) continue;
    for (size_t i = 0; i < workers.size(); ++i)
      replacing |= !wanted[i] && workers[i].phase == Phase::kServing && replaces(w, workers[i]);
  }

  bool all_serve = true;
  for (size_t w = 0; w < wishes.size(); ++w) {
    if (fulfils[w]) {
      all_serve &= serves(w);
      if (fulfils[w]->models != wishes[w].models)
        plan.actions.push_back({Action::Verb::kTellModels, w, fulfils[w]->worker});
      continue;
    }
    all_serve = false;
    if (!wishes[w].not_before) continue;  // parked
    bool in_the_way = false, replacement = false;
    for (size_t i = 0; i < workers.size(); ++i) {
      if (wanted[i] || !replaces(w, workers[i])) continue;
      replacement |= workers[i].phase == Phase::kServing;
      in_the_way |= !shareable(wishes[w].slice);
    }
    if (in_the_way || (replacement && replacing)) continue;
    if (*wishes[w].not_before > now) {
      plan.look_again = std::min(plan.look_again.value_or(kNever), *wishes[w].not_before);
      continue;
    }
    replacing |= replacement;
    plan.actions.push_back({Action::Verb::kStart, w, 0});
  }

  bool all_wanted = true;
  for (size_t i = 0; i < workers.size(); ++i) {
    const WorkerView& worker = workers[i];
    if (wanted[i]) continue;
    all_wanted = false;
    if (worker.phase == Phase::kDrained) {
      plan.actions.push_back({Action::Verb::kQuit, 0, worker.worker});
    } else if (worker.phase == Phase::kStarting) {
      plan.actions.push_back({Action::Verb::kDrain, 0, worker.worker});
    } else if (worker.phase == Phase::kServing) {
      bool needed = false;  // until the one that replaces it serves
      for (size_t w = 0; w < wishes.size(); ++w)
        needed |= shareable(wishes[w].slice) && !serves(w) && replaces(w, worker) &&
                  wishes[w].not_before.has_value();
      if (!needed) plan.actions.push_back({Action::Verb::kDrain, 0, worker.worker});
    }
  }
  plan.settled = all_serve && all_wanted && plan.actions.empty();
  return plan;
}

}  // namespace corolla::fleet
