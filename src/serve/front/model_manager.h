// Which models are on which workers, and how they get there. Knows the repository, asks workers to
// load, tells the switchboard who serves what, and carries out load and unload calls on all workers
// with one answer.
//
// A model's versions are loaded as "generations": reloading makes a new generation beside the old
// one, which goes on serving until the new one is ready on every worker; then the old one runs dry
// and is unloaded. So nothing fails while a model is replaced.
//
// Threads: the control thread only. I/O threads post to its loop.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "link/link.pb.h"
#include "serve/front/loadable_model.h"
#include "serve/front/repository.h"
#include "serve/front/served_model.h"
#include "serve/front/shared.h"
#include "serve/front/worker_link.h"
#include "wire/event_loop.h"

namespace corolla::front {

class ModelManager {
 public:
  struct Events {
    std::function<void(WorkerId, uint64_t load_ms, bool from_cache, const std::string& error)>
        worker_serving;                    // its models are in place
    std::function<void()> models_changed;  // by load() or unload()
  };
  using Callback = std::function<void(Status)>;

  ModelManager(wire::EventLoop& control, Shared& shared, const Repository& repository,
               Events events);
  ~ModelManager();

  // What the keeper wants at the start: every model of the repository, or those named.
  void begin(bool explicit_models, const std::vector<std::string>& models);

  // `models`: what the worker is to serve; empty: everything.
  void worker_attached(std::shared_ptr<WorkerLink> worker, std::vector<std::string> models);
  void worker_models(WorkerId worker, std::vector<std::string> models);
  void worker_gone(WorkerId worker);
  void on_loaded(WorkerId worker, const link::ModelLoaded& message);

  // All or nothing, on every worker. `config`: a replacement for config.pbtxt as JSON text, or
  // empty.
  void load(const std::string& name, const std::string& config, Callback done);
  void unload(const std::string& name, Callback done);

  // For the repository index: state and reason by name and version.
  struct Entry {
    std::string name;
    int64_t version = 0;  // 0: none is known
    std::string state;    // "READY", "LOADING", "UNAVAILABLE"
    std::string reason;
  };
  std::vector<Entry> index() const;
  // Every model that should be there is ready on at least one worker, or cannot be loaded by any:
  // one broken model does not keep the others from being announced.
  bool ready() const;
  // What load() and unload() have made of the wish; for the next front.
  std::vector<std::string> wanted() const { return {wanted_.begin(), wanted_.end()}; }
  bool explicit_models() const { return explicit_; }
  size_t workers_serving(std::string_view model) const;
  // A model that no worker has served for a while is said to be hopeless, so that its requests are
  // refused instead of waiting for ever; until a worker serves it again.
  void look_for_hopeless(TimePoint now);

 private:
  enum class OnWorker : uint8_t { kLoading, kServing, kFailed };
  struct Generation {
    LoadableModel loadable;
    link::ModelSpec& spec() { return loadable.spec; }
    const link::ModelSpec& spec() const { return loadable.spec; }
    std::shared_ptr<const ServedModel> served;  // once a worker has reported its tensors
    std::map<WorkerId, OnWorker> workers;
    // How many answers are still to come to what has been asked anew, with another batch, since.
    std::map<WorkerId, int> outdated;
    std::string reason;    // why it is unavailable
    bool current = false;  // requests go here
    bool retiring = false;
    TimePoint served_at{};  // when a worker last served it
    bool hopeless = false;
    uint64_t operation = 0;  // the load() that waits for it; 0: none
  };
  struct Operation {
    std::string name;
    Callback done;
    std::set<ModelId> pending;
    std::string error;
    Code code = Code::kInternal;
  };
  struct Worker {
    std::shared_ptr<WorkerLink> link;
    std::set<std::string> models;  // empty: all
    bool announced = false;
    uint64_t load_ms = 0;
    bool from_cache = true;
    std::string error;
  };

  bool given_up(const std::string& name) const;
  std::vector<std::string> repository_names() const;
  bool should_serve(const Worker& worker, const std::string& model) const {
    return worker.models.empty() || worker.models.contains(model);
  }
  void add_generations(const std::string& name, const std::string& config, uint64_t operation,
                       Operation* op);
  void ask(Generation& generation, Worker& worker);
  void make_current(Generation& generation);
  void retire(ModelId id);
  void check_retired();
  void settle(uint64_t operation);
  void announce_if_settled(WorkerId id, Worker& worker);

  wire::EventLoop& control_;
  Shared& shared_;
  const Repository& repository_;
  const Events events_;
  bool explicit_ = false;
  std::set<std::string> wanted_;
  std::map<std::string, std::string> broken_;  // name -> why it cannot even be tried
  std::map<ModelId, Generation> generations_;
  std::map<uint64_t, Operation> operations_;
  std::map<WorkerId, Worker> workers_;
  ModelId next_id_ = 1;
  uint64_t next_operation_ = 1;
  wire::EventLoop::TimerId retire_timer_ = 0;
};

}  // namespace corolla::front
