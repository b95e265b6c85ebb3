// The keeper: starts one front and one worker a slice, and keeps the fleet as it should be until it
// is told to stop. It holds the listening sockets, hands its children their channels, and is never
// on the network itself.
//
// One thread. Everything it decides is decided by pure code (reconciler.h, restart_policy.h,
// placement.h); this class acts.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "fleet/child.h"
#include "fleet/config.h"
#include "fleet/control.h"
#include "fleet/fleet_slices.h"
#include "fleet/listeners.h"
#include "fleet/log_store.h"
#include "fleet/poller.h"
#include "fleet/reconciler.h"
#include "fleet/restart_policy.h"
#include "fleet/shared_memories.h"
#include "slice/slice_set.h"
#include "slice/worker_cgroups.h"

namespace corolla::fleet {

struct KeeperOptions {
  std::string bin_dir;      // where corolla-front and corolla-worker-* lie
  std::string config_file;  // read again on SIGHUP; empty: there is none
  // The command line over a configuration. Addresses, limits and the like hold for the fleet's
  // life; slices and engine also over the file of config_file, but a file that is applied and says
  // something else about them wins.
  std::function<void(FleetConfig&)> always = [](FleetConfig&) {};
  std::function<void(FleetConfig&)> until_applied = [](FleetConfig&) {};
  std::function<void(const control::FleetStatus&, Duration since_start)> ready;  // called once
  std::function<void(std::string_view line)> forward_line;  // what children print
};

class Keeper {
 public:
  // Takes the fleet's name and addresses, checks models, engine and slices; starts nothing yet.
  // Errors are sentences for the user.
  static Result<std::unique_ptr<Keeper>> create(FleetConfig config, KeeperOptions options);
  ~Keeper();

  // Serves until told to stop. The Error says why it gave up, if it did.
  Status run();

  // A line of the keeper's own log, for `corolla logs`.
  void log_line(std::string_view line) { logs_.add(line); }

 private:
  struct Worker {
    uint32_t id = 0;
    WorkerView view;
    std::unique_ptr<Child> child;
    std::string engine, problem;
    uint32_t sm_count = 0, contexts = 1;  // as the worker reads them from its device
    bool in_group = false;
    std::vector<std::string> serving;
    uint64_t load_ms = 0;
    bool from_cache = false;
    bool told_pending =
        false;  // the front has not said yet what came of the list of models it was told
  };
  // What outlives the worker of a slice.
  struct SliceRecord {
    RestartPolicy policy;
    std::string last_death;
  };
  struct Front {
    std::unique_ptr<Child> child;
    RestartPolicy policy;
    std::string last_death, problem;
    bool ready = false;
  };
  // Somebody who waits until the fleet is as desired: `corolla apply` and `corolla scale`.
  struct Waiter {
    ControlServer::ClientId client;
    std::string last_progress;
  };
  struct StatusAsked {
    ControlServer::ClientId client;
    Poller::TimerId timer;
  };

  Keeper(FleetConfig config, KeeperOptions options, Poller poller);
  Status take_models_dir(const std::string& path);

  // keeper.cc: life.
  Status begin();
  void on_signal(int signal, bool from_kernel);
  void stop(bool at_once);
  void stop_workers();
  void end_if_empty();
  void note_ready();
  void give_up(std::string why);
  Duration since_start() const { return now() - started_; }

  // keeper_front.cc
  void start_front();
  void welcome_front();
  void on_front_message(link::Received&& received);
  void on_front_death(const Death& death);
  void tell_front(const link::Message& message, const std::vector<int>& fds = {});
  link::ModelsChanged desired_models() const;
  void open_shm(const link::OpenShm& wish);
  void keep_region(const link::KeepRegion& what, Fd object);
  RestartPolicy front_policy() const;
  void introduce(Worker& worker);

  // keeper_workers.cc
  void reconcile_now();
  void start_worker(const WorkerWish& wish);
  void drain_worker(Worker& worker);
  void tell_worker_models(Worker& worker);
  void on_worker_message(uint32_t id, link::Received&& received);
  void on_worker_death(uint32_t id, const Death& death);
  void tell(const SharedMemories::Answers& answers);
  std::vector<WorkerWish> wishes();
  std::vector<WorkerView> views() const;
  std::vector<std::string> known_models() const;
  std::string birth_of(const FleetSlice& slice) const;
  // Whose fault a death was; `text` becomes the sentence for it.
  EndedBy judge(const Death& death, const std::string& killed_because, std::string& text);
  std::vector<std::string> models_on_disk() const;
  Status check_models(const FleetConfig& config) const;
  std::vector<SliceLabels> slice_labels() const;
  ModelPlace models_place(const std::string& model) const;
  uint32_t room_of(const std::string& model) const;  // on how many slices it may be

  // keeper_slices.cc
  const std::vector<SliceEntry>& entries_of(const FleetConfig& config) const;
  Status take_slices();
  Status reshape(FleetConfig next);
  void finish_reshape();
  void look_for_faults();
  void open_groups(const FleetConfig& config);
  void hold(Worker& worker);
  void adopt(FleetConfig next);

  // keeper_control.cc
  void on_request(ControlServer::ClientId client, const control::Request& request);
  Status apply(const FleetConfig& config);
  Status reload_file();
  void tell_models();
  Status scale(const control::ScaleRequest& asked);
  void child_line(std::string_view line);
  void answer_status(uint64_t tag, const std::string& front_json);
  control::FleetStatus status();
  void tell_waiters(const Plan& plan);
  std::string progress_text() const;

  FleetConfig config_;
  KeeperOptions options_;
  Poller poller_;
  TimePoint started_ = now();
  LogStore logs_;
  std::vector<Listening> listeners_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<slice::SliceSet> devices_;
  std::vector<SliceEntry> automatic_;
  std::vector<FleetSlice> slices_;
  // A change of slices that waits until those that go have no worker any more.
  struct Reshape {
    FleetConfig before;
    std::set<std::string> leaving;  // ids
  };
  std::optional<Reshape> reshape_;
  bool looking_for_faults_ = false;
  std::optional<slice::WorkerCgroups> groups_;  // for workers on CPU slices, where there may be any
  Fd models_dir_;
  // What outlives a front: the memory of its statistics, and clients' shared memory, by its name.
  Fd statistics_;
  struct KeptRegion {
    link::KeepRegion what;
    Fd object;
  };
  std::map<std::string, KeptRegion> regions_;
  std::string certificate_, key_;

  std::map<std::string, ModelPlace> places_;  // of models that are not served everywhere
  std::optional<link::ModelsChanged> models_changed_;

  Front front_;
  std::map<uint32_t, Worker> workers_;
  SharedMemories shared_memories_;
  std::map<std::string, SliceRecord> records_;  // by slice id
  uint32_t next_worker_ = 1;
  std::optional<Poller::TimerId> look_again_;
  bool reconciling_ = false;

  std::vector<Waiter> waiters_;
  std::map<uint64_t, StatusAsked> asked_;
  std::map<ControlServer::ClientId, uint64_t> followers_;
  std::vector<ControlServer::ClientId> stoppers_;
  uint64_t next_tag_ = 1;
  uint64_t oom_kills_ = 0;

  bool was_ready_ = false;
  bool stopping_ = false;
  bool workers_told_to_leave_ = false;
  std::optional<std::string> gave_up_;
};

// What the front and the worker are told about a slice.
link::SliceInfo slice_info(const slice::Slice& slice);
// Whether the front and the engines' workers are there to be started.
Status check_binaries(const std::string& bin_dir, const std::set<std::string>& engines);
// Where the daemons of a fleet's slices have their pipes and logs.
std::string slice_runtime_dir(const std::string& fleet);
// How often the kernel has killed for want of memory, on this machine.
uint64_t kernel_oom_kills();

}  // namespace corolla::fleet
