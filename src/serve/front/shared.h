// What all threads of the front share.
#pragma once
#include <atomic>
#include <string>

#include "serve/front/served_model.h"
#include "serve/front/slot_pool.h"
#include "serve/front/switchboard.h"
#include "wire/exchange.h"

namespace corolla::front {

class ShmRegistry;
class Statistics;
class TraceSettings;

struct Shared {
  ModelTable& models;
  SlotPool& slots;
  Switchboard& switchboard;
  ShmRegistry& shm;
  Statistics& statistics;
  TraceSettings& trace;
  wire::TransportLimits limits;
  const std::atomic<bool>&
      draining;  // the front is going: streams that never end by themselves end now
};

}  // namespace corolla::front
