// Desired state -> actions, as a pure function: what should be, what is, and the time go in; what
// to do next comes out. The keeper acts, things happen, and it asks again, until nothing is left to
// do.
//
// Rules: a slice without its worker gets one, as soon as its restart policy allows. A worker that
// nothing asks for any more, or that was born with other options, is drained and told to leave. CPU
// cores, and a GPU under MPS or with green contexts, can be shared for a moment, so there the new
// worker serves before the old one that it replaces is drained, one slice after the other; MIG
// slices make room first.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "fleet/config.h"
#include "slice/slice_provider.h"

namespace corolla::fleet {

// One for each slice that should have a worker.
struct WorkerWish {
  slice::Slice slice;
  EngineWish engine;
  std::string birth;                    // all that its process is started with, as one text
  std::vector<std::string> models;      // sorted; empty: all
  std::optional<TimePoint> not_before;  // its restart policy's word; nullopt: parked
};

enum class Phase {
  kStarting,  // running, and not serving yet
  kServing,
  kDraining,  // gets no new requests; the front was asked to finish what is there
  kDrained,   // nothing is in flight
  kLeaving,   // told to quit, or killed
};
const char* phase_name(Phase phase);

struct WorkerView {
  uint32_t worker = 0;
  slice::Slice slice;
  std::string birth;
  std::vector<std::string> models;  // what it was told to serve
  Phase phase = Phase::kStarting;
};

struct Action {
  enum class Verb { kStart, kTellModels, kDrain, kQuit };
  Verb verb;
  size_t wish = 0;      // kStart, kTellModels: index into the wishes
  uint32_t worker = 0;  // all but kStart
  bool operator==(const Action&) const = default;
};

struct Plan {
  std::vector<Action> actions;
  std::optional<TimePoint> look_again;  // when time alone changes the answer
  bool settled =
      false;  // everything is as desired: nothing to do, nothing under way, nothing parked
};

Plan reconcile(std::span<const WorkerWish> wishes, std::span<const WorkerView> workers,
               TimePoint now);

}  // namespace corolla::fleet
