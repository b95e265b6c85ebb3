#include "serve/front/model_manager.h"

#include <algorithm>

#include "base/log.h"

namespace corolla::front {
namespace {

constexpr auto kRetireCheck = std::chrono::milliseconds(20);
// Longer than a worker takes to restart and to load a model from its cache.
constexpr auto kHopeless = std::chrono::seconds(15);

}  // namespace

ModelManager::ModelManager(wire::EventLoop& control, Shared& shared, const Repository& repository,
                           Events events)
    : control_(control), shared_(shared), repository_(repository), events_(std::move(events)) {}

ModelManager::~ModelManager() { control_.cancel(retire_timer_); }

void ModelManager::begin(bool explicit_models, const std::vector<std::string>& models) {
  explicit_ = explicit_models;
  if (explicit_)
    wanted_.insert(models.begin(), models.end());
  else
    for (const auto& name : repository_names()) wanted_.insert(name);
  for (const auto& name : wanted_) add_generations(name, {}, 0, nullptr);
}

std::vector<std::string> ModelManager::repository_names() const {
  auto names = repository_.names();
  if (names) return *std::move(names);
  log::error("repository_unreadable", {{"why", names.error().what}});
  return {};
}

void ModelManager::add_generations(const std::string& name, const std::string& config,
                                   uint64_t operation, Operation* op) {
  auto loadable = loadable_models(repository_, name, config);
  if (!loadable) {
    log::error("model_unavailable", {{"model", name}, {"why", loadable.error().what}});
    if (op) {
      op->error = loadable.error().what;
      op->code = loadable.error().code;
    } else {
      broken_[name] = loadable.error().what;
    }
    return;
  }
  broken_.erase(name);
  for (auto& model : *loadable) {
    const ModelId id = next_id_++;
    auto& generation = generations_[id];
    generation.loadable = std::move(model);
    generation.spec().set_id(id);
    generation.operation = operation;
    if (op) op->pending.insert(id);
    for (auto& [worker_id, worker] : workers_)
      if (should_serve(worker, name)) ask(generation, worker);
  }
}

void ModelManager::ask(Generation& generation, Worker& worker) {
  generation.workers[worker.link->id] = OnWorker::kLoading;
  link::Message message;
  *message.mutable_load_model()->mutable_model() = generation.spec();
  // A failed send means that the worker is dead; its channel's end says so in a moment.
  (void)worker.link->channel.send(message);
}

void ModelManager::worker_attached(std::shared_ptr<WorkerLink> link,
                                   std::vector<std::string> models) {
  const WorkerId id = link->id;
  auto& worker = workers_[id];
  worker.link = std::move(link);
  worker.models.insert(models.begin(), models.end());
  for (auto& [model, generation] : generations_)
    if (!generation.retiring && should_serve(worker, generation.spec().name()))
      ask(generation, worker);
  announce_if_settled(id, worker);
}

void ModelManager::worker_models(WorkerId id, std::vector<std::string> models) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  auto& worker = found->second;
  worker.models = {models.begin(), models.end()};
  worker.announced = false;
  for (auto& [model, generation] : generations_) {
    if (generation.retiring) continue;
    const bool should = should_serve(worker, generation.spec().name());
    const bool has = generation.workers.contains(id);
    if (should && !has) ask(generation, worker);
    if (!should && has) {
      generation.workers.erase(id);
      shared_.switchboard.serves(now(), id, model, false);
      link::Message message;
      message.mutable_unload_model()->set_id(model);
      (void)worker.link->channel.send(message);
    }
  }
  announce_if_settled(id, worker);
}

void ModelManager::worker_gone(WorkerId id) {
  workers_.erase(id);
  std::set<uint64_t> touched;
  for (auto& [model, generation] : generations_) {
    generation.workers.erase(id);
    generation.outdated.erase(id);
    if (generation.operation) touched.insert(generation.operation);
  }
  for (const uint64_t operation : touched) settle(operation);
}

void ModelManager::on_loaded(WorkerId id, const link::ModelLoaded& message) {
  const auto worker = workers_.find(id);
  const auto found = generations_.find(message.id());
  if (worker == workers_.end() || found == generations_.end() ||
      !found->second.workers.contains(id))
    return;
  auto& generation = found->second;
  if (const auto outdated = generation.outdated.find(id); outdated != generation.outdated.end()) {
    if (--outdated->second == 0) generation.outdated.erase(outdated);
    return;
  }
  std::string error = message.error();
  if (error.empty() && !generation.served) {
    FileTensors file{{message.inputs().begin(), message.inputs().end()},
                     {message.outputs().begin(), message.outputs().end()}};
    if (const int guess = generation.spec().max_batch() == 0
                              ? guess_max_batch(generation.loadable.config, file)
                              : 0;
        guess > 0) {
      // Nobody has said whether the first dimension is a batch; the file's tensors say it is: load
      // it so.
      generation.spec().set_max_batch(static_cast<uint32_t>(guess));
      for (auto& [other, state] : generation.workers) {
        if (other != id && state == OnWorker::kLoading) ++generation.outdated[other];
        ask(generation, workers_.at(other));
      }
      return;
    }
    auto served = generation.loadable.complete(file, shared_.statistics);
    if (served) {
      generation.served = *std::move(served);
      shared_.switchboard.set_model(message.id(), generation.served->policy);
    } else {
      error = served.error().what;
    }
  }
  worker->second.load_ms = std::max<uint64_t>(worker->second.load_ms, message.load_ms());
  worker->second.from_cache &= message.from_cache();
  if (error.empty()) {
    generation.workers[id] = OnWorker::kServing;
    shared_.switchboard.serves(now(), id, message.id(), true);
    if (!generation.current && generation.operation == 0 && !generation.retiring)
      make_current(generation);
  } else {
    log::error("model_load_failed", {{"model", generation.spec().name()},
                                     {"version", generation.spec().version()},
                                     {"worker", id},
                                     {"why", error}});
    generation.workers[id] = OnWorker::kFailed;
    generation.reason = error;
    worker->second.error = error;
  }
  if (generation.operation) settle(generation.operation);
  announce_if_settled(id, worker->second);
}

void ModelManager::announce_if_settled(WorkerId id, Worker& worker) {
  if (worker.announced) return;
  for (const auto& [model, generation] : generations_) {
    const auto state = generation.workers.find(id);
    if (state != generation.workers.end() && state->second == OnWorker::kLoading) return;
  }
  worker.announced = true;
  events_.worker_serving(id, worker.load_ms, worker.from_cache, worker.error);
}

void ModelManager::make_current(Generation& generation) {
  generation.current = true;
  generation.reason.clear();
  shared_.models.put(generation.served);
  log::info("model_ready",
            {{"model", generation.spec().name()}, {"version", generation.spec().version()}});
}

// An operation is over when no worker is still loading one of its generations.
void ModelManager::settle(uint64_t number) {
  const auto found = operations_.find(number);
  if (found == operations_.end()) return;
  auto& operation = found->second;
  bool failed = !operation.error.empty(), served = false;
  for (const ModelId id : operation.pending) {
    const auto& generation = generations_.at(id);
    for (const auto& [worker, state] : generation.workers) {
      if (state == OnWorker::kLoading) return;
      failed |= state == OnWorker::kFailed;
      served |= state == OnWorker::kServing;
    }
    if (!generation.reason.empty() && operation.error.empty()) operation.error = generation.reason;
  }
  if (!served && operation.error.empty()) {
    operation.error = "no worker is there to load it";
    operation.code = Code::kUnavailable;
  }
  Operation done = std::move(operation);
  operations_.erase(found);
  if (failed || !served) {
    for (const ModelId id : done.pending) retire(id);
    done.done(Error{done.code == Code::kInternal ? Code::kInvalidArgument : done.code,
                    "failed to load '" + done.name + "', " + done.error});
    return;
  }
  // The swap: new generations take the requests; whatever version of the model is not among them
  // goes.
  std::set<int64_t> versions;
  for (const ModelId id : done.pending) {
    auto& generation = generations_.at(id);
    generation.operation = 0;
    make_current(generation);
    versions.insert(generation.spec().version());
  }
  std::vector<ModelId> old;
  for (const auto& [id, generation] : generations_)
    if (generation.spec().name() == done.name && !done.pending.contains(id) && !generation.retiring)
      old.push_back(id);
  for (const ModelId id : old) {
    const int64_t version = generations_.at(id).spec().version();
    if (!versions.contains(version)) shared_.models.remove(done.name, version);
    retire(id);
  }
  wanted_.insert(done.name);
  explicit_ = true;
  events_.models_changed();
  done.done(ok());
}

void ModelManager::load(const std::string& name, const std::string& config, Callback done) {
  const uint64_t number = next_operation_++;
  auto& operation = operations_[number];
  operation.name = name;
  operation.done = std::move(done);
  add_generations(name, config, number, &operation);
  settle(number);
}

void ModelManager::unload(const std::string& name, Callback done) {
  std::vector<ModelId> ids;
  for (const auto& [id, generation] : generations_)
    if (generation.spec().name() == name && !generation.retiring && generation.operation == 0)
      ids.push_back(id);
  if (ids.empty() && !broken_.contains(name))
    return done(Error{Code::kNotFound, "failed to unload '" + name + "': it is not loaded"});
  for (const ModelId id : ids) {
    shared_.models.remove(name, generations_.at(id).spec().version());
    retire(id);
  }
  broken_.erase(name);
  wanted_.erase(name);
  explicit_ = true;
  events_.models_changed();
  done(ok());
}

void ModelManager::retire(ModelId id) {
  auto& generation = generations_.at(id);
  generation.retiring = true;
  generation.current = false;
  generation.operation = 0;
  if (!retire_timer_)
    retire_timer_ = control_.at(now() + kRetireCheck, [this] { check_retired(); });
}

// A retired generation is unloaded once nothing of it waits; a worker itself finishes the batch it
// runs before it lets go.
void ModelManager::check_retired() {
  retire_timer_ = 0;
  bool more = false;
  for (auto it = generations_.begin(); it != generations_.end();) {
    auto& [id, generation] = *it;
    if (!generation.retiring || (generation.served && shared_.switchboard.waiting(id) > 0)) {
      more |= generation.retiring;
      ++it;
      continue;
    }
    for (const auto& [worker, state] : generation.workers) {
      shared_.switchboard.serves(now(), worker, id, false);
      link::Message message;
      message.mutable_unload_model()->set_id(id);
      if (const auto found = workers_.find(worker); found != workers_.end())
        (void)found->second.link->channel.send(message);
    }
    if (generation.served) shared_.switchboard.remove_model(now(), id);
    log::info("model_unloaded",
              {{"model", generation.spec().name()}, {"version", generation.spec().version()}});
    it = generations_.erase(it);
  }
  if (more) retire_timer_ = control_.at(now() + kRetireCheck, [this] { check_retired(); });
}

std::vector<ModelManager::Entry> ModelManager::index() const {
  std::vector<Entry> entries;
  std::set<std::string> listed;
  for (const auto& [id, generation] : generations_) {
    if (generation.retiring) continue;
    listed.insert(generation.spec().name());
    const bool loading = std::ranges::any_of(
        generation.workers, [](const auto& each) { return each.second == OnWorker::kLoading; });
    const char* state = generation.current ? "READY" : loading ? "LOADING" : "UNAVAILABLE";
    entries.push_back({generation.spec().name(), generation.spec().version(), state,
                       generation.current ? "" : generation.reason});
  }
  for (const auto& [name, why] : broken_)
    if (listed.insert(name).second) entries.push_back({name, 0, "UNAVAILABLE", why});
  for (const auto& name : repository_names())
    if (listed.insert(name).second) entries.push_back({name, 0, "UNAVAILABLE", "unloaded"});
  return entries;
}

bool ModelManager::ready() const {
  if (workers_.empty()) return false;
  const auto models = shared_.models.snapshot();
  return std::ranges::all_of(wanted_, [&](const std::string& name) {
    return broken_.contains(name) || models->contains(name) || given_up(name);
  });
}

// Every worker that was asked has said that it cannot load it.
bool ModelManager::given_up(const std::string& name) const {
  bool asked = false;
  for (const auto& [id, generation] : generations_) {
    if (generation.spec().name() != name || generation.retiring) continue;
    for (const auto& [worker, state] : generation.workers) {
      if (state != OnWorker::kFailed) return false;
      asked = true;
    }
  }
  return asked;
}

void ModelManager::look_for_hopeless(TimePoint now) {
  for (auto& [id, generation] : generations_) {
    if (!generation.served || generation.retiring) continue;
    const bool served = std::ranges::any_of(
        generation.workers, [](const auto& each) { return each.second == OnWorker::kServing; });
    if (served || generation.served_at == TimePoint{}) generation.served_at = now;
    const bool hopeless = now - generation.served_at > kHopeless;
    if (hopeless == generation.hopeless) continue;
    generation.hopeless = hopeless;
    shared_.switchboard.set_hopeless(
        now, id,
        hopeless ? "no worker has served model '" + generation.spec().name() + "' for " +
                       std::to_string(kHopeless.count()) + " s; 'corolla status' tells why"
                 : "");
  }
}

size_t ModelManager::workers_serving(std::string_view model) const {
  size_t count = 0;
  for (const auto& [id, generation] : generations_)
    if (generation.current && generation.spec().name() == model)
      count = std::max<size_t>(count, static_cast<size_t>(std::ranges::count_if(
                                          generation.workers, [](const auto& each) {
                                            return each.second == OnWorker::kServing;
                                          })));
  return count;
}

}  // namespace corolla::front
