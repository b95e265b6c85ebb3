// The one Dispatcher there is. dispatcher.cc: models, tickets and workers come and go;
// dispatcher_bind.cc: who gets what, and when.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "serve/front/admission.h"
#include "serve/front/dispatcher.h"
#include "serve/front/dispatcher_state.h"
#include "serve/front/dispatcher_tickets.h"
#include "serve/front/id_map.h"
#include "serve/front/service_times.h"

namespace corolla::front {

class LateBinding final : public Dispatcher {
 public:
  explicit LateBinding(const DispatcherOptions& options) : options_(options), expiry_(slab_) {
    CHECK(options.batches_per_worker >= 1 && options.batches_per_worker <= kMostStaging);
  }

  void set_model(ModelId id, const ModelPolicy& policy) override;
  void remove_model(ModelId id) override;
  Status offer(TimePoint now, const Ticket& ticket) override;
  bool cancel(RequestId request) override;
  using Dispatcher::joined;
  void joined(TimePoint now, WorkerId id, const std::string& kind, uint32_t lanes) override;
  void serves(TimePoint now, WorkerId id, ModelId model, bool yes) override;
  void drain(WorkerId id) override;
  size_t outstanding(WorkerId id) const override;
  bool finished(TimePoint now, WorkerId id, RequestId request) override;
  void lost(TimePoint now, WorkerId id) override;
  bool give_back(TimePoint now, WorkerId id, RequestId request) override;
  void set_hopeless(ModelId id, const std::string& why) override;
  void poll(TimePoint now, Orders& orders) override;
  size_t waiting(ModelId id) const override;
  std::optional<Duration> expected_wait(TimePoint now, ModelId id, uint32_t rows) const override;

 private:
  // What one model could do at this moment.
  struct Chance {
    uint32_t worker = kNil;
    uint32_t take_rows = 0;
    TimePoint again = kNever;  // no chance before then, if nothing else happens
  };

  void enqueue(uint32_t at, bool back);
  void dequeue(uint32_t at);
  void forget(uint32_t at);
  void refuse(uint32_t at, Code code, std::string what);
  void refuse_waiting(uint32_t model, const std::string& why);
  void requeue(uint32_t at, bool worker_lost);
  void settle_model(uint32_t model);
  void set_room(uint32_t worker);
  // The request leaves its worker, and with the last of its batch the batch does.
  void unbind(TimePoint now, uint32_t at, bool measured);

  Chance chance(TimePoint now, uint32_t model);
  uint32_t with_room(const ModelState& m) const;
  uint32_t pick_idle(uint32_t model, uint32_t rows) const;
  uint32_t rows_to_take(TimePoint now, const ModelState& m, TimePoint& again) const;
  void bind(TimePoint now, uint32_t model, uint32_t worker, uint32_t take_rows, Orders& orders);
  void expire(TimePoint now);
  void end_rests(TimePoint now, Orders& orders);

  std::optional<ServiceTimes::Estimate> estimate(uint32_t worker, uint32_t model,
                                                 uint32_t rows) const;
  std::optional<Duration> expected(TimePoint now, uint32_t model, uint32_t rows,
                                   uint32_t rows_ahead) const;
  // Of the workers that the last expected() looked at.
  Duration fastest_of_last() const;
  uint32_t rows_before(const ModelState& m, uint32_t priority) const;

  uint32_t batch_limit(const ModelPolicy& p) const {
    return p.batching && p.max_batch > 1 ? p.max_batch : 1;
  }
  std::string name_of(const ModelState& m) const {
    return m.policy.name.empty() ? fmt::format("model {}", m.id)
                                 : fmt::format("model '{}'", m.policy.name);
  }

  const DispatcherOptions options_;
  TicketSlab slab_;
  ExpiryHeap expiry_;
  IdMap tickets_, models_by_id_, workers_by_id_;
  std::vector<ModelState> models_;
  std::vector<WorkerState> workers_;
  std::vector<uint32_t> active_;   // models with something waiting
  std::vector<uint32_t> resting_;  // workers that gave something back
  WorkerSet idle_, room_;  // room_: fewer batches than they may have; idle_: fewer than they run
  WorkerSet wide_;         // more than one lane
  WorkerSet fresh_;        // in room_, and got a batch in this poll
  uint64_t polls_ = 0;
  ServiceTimes times_;
  std::vector<Refusal> refused_;  // since the last poll
  std::vector<uint32_t> sizes_;   // of the batches of this poll
  mutable std::vector<WorkerLoad> loads_;
  uint64_t next_seq_ = 0;
  uint64_t changes_ = 1;  // counts what happens to workers
  BatchId next_batch_ = 1;
};

}  // namespace corolla::front
