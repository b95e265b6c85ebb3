#include "serve/front/shm_broker.h"

#include "base/log.h"

namespace corolla::front {
namespace {

void ask(WorkerLink& worker, const ShmRegion& region) {
  link::Message message;
  message.mutable_map_region()->set_region(region.number);
  message.mutable_map_region()->set_bytes(region.mapped_bytes());
  // A failed send means a dead worker; its channel's end says so in a moment.
  (void)worker.channel.send(message, {region.fd.get()});
}

}  // namespace

void ShmBroker::worker_joined(std::shared_ptr<WorkerLink> worker) {
  if (const auto regions = registry_.list())
    for (const auto& region : *regions) ask(*worker, *region);
  workers_[worker->id] = std::move(worker);
}

void ShmBroker::worker_gone(WorkerId worker) {
  workers_.erase(worker);
  std::vector<uint32_t> touched;
  for (auto& [number, pending] : pending_)
    if (pending.workers.erase(worker)) touched.push_back(number);
  for (const uint32_t number : touched) settle(number);
}

void ShmBroker::map(ShmRef region, Callback done) {
  const uint32_t number = region->number;
  auto& pending = pending_[number];
  pending.region = std::move(region);
  pending.done = std::move(done);
  for (const auto& [id, worker] : workers_) {
    pending.workers.insert(id);
    ask(*worker, *pending.region);
  }
  settle(number);
}

void ShmBroker::on_mapped(WorkerId worker, const link::RegionMapped& message) {
  const auto found = pending_.find(message.region());
  if (found == pending_.end()) return;
  found->second.workers.erase(worker);
  if (!message.error().empty()) found->second.error = message.error();
  settle(message.region());
}

void ShmBroker::settle(uint32_t number) {
  const auto found = pending_.find(number);
  if (found == pending_.end() || !found->second.workers.empty()) return;
  Pending done = std::move(found->second);
  pending_.erase(found);
  if (done.error.empty()) {
    log::info(
        "shm_registered",
        {{"region", done.region->name}, {"key", done.region->key}, {"bytes", done.region->bytes}});
    keep_(*done.region);
    return done.done(ok());
  }
  drop_(done.region->name);
  done.done(Error{Code::kInvalidArgument, "failed to register shared memory region '" +
                                              done.region->name + "': " + done.error});
}

void ShmBroker::unmap(uint32_t number) {
  link::Message message;
  message.mutable_unmap_region()->set_region(number);
  for (const auto& [id, worker] : workers_) (void)worker->channel.send(message);
}

}  // namespace corolla::front
