// The front process: its control thread, which talks with the keeper and the workers, and its I/O
// threads, which talk with clients.
//
// Threads: create and run() on the process's main thread, which becomes the control thread.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "link/channel.h"
#include "serve/front/api_operations.h"
#include "serve/front/front_backend.h"
#include "serve/front/io_thread.h"
#include "serve/front/metrics.h"
#include "serve/front/model_manager.h"
#include "serve/front/route.h"
#include "serve/front/settings.h"
#include "serve/front/shared.h"
#include "serve/front/shm_broker.h"
#include "serve/front/statistics_book.h"
#include "serve/front/switchboard.h"
#include "wire/connection.h"
#include "wire/event_loop.h"
#include "wire/listener.h"

namespace corolla::front {

class Front {
 public:
  // `welcome`: FrontWelcome with its descriptors. Makes the arena, the threads and the listeners;
  // nothing is accepted before run().
  static Result<std::unique_ptr<Front>> create(link::Channel keeper, link::Received welcome);
  ~Front();

  // Until the keeper has drained us (0) or has gone (1).
  int run();

 private:
  // A worker's channel, or the keeper's, on the control loop.
  struct Ear final : wire::EventLoop::Watcher {
    std::function<void()> hear;
    void on_events(uint32_t) override { hear(); }
  };
  struct WorkerState {
    std::shared_ptr<WorkerLink> link;
    std::vector<std::string> models;
    std::unique_ptr<Ear> ear;
    bool draining = false;  // and the keeper has not been told that it is drained
    bool leaving = false;   // the keeper will end it: its loss is no news
  };

  Front(link::Channel keeper, const link::FrontWelcome& welcome);
  Status build(link::Received& welcome);
  Status open_listeners(std::vector<Fd>& sockets);
  // From now on connections are accepted: once the models are ready, or soon after the start.
  void start_threads();

  void hear_keeper();
  void hear_worker(WorkerId id);
  // A new corolla.yaml: loads the models that are new in it, unloads those that are gone.
  void take_models(const link::ModelsChanged& message);
  void on_joined(const link::WorkerJoined& message, Fd socket);
  void drop_worker(WorkerId id, const std::string& why);
  void tell_hung(WorkerId id, const std::string& why);
  void begin_drain(Duration limit);
  void check_drains();
  void stop_accepting();
  void tick();
  // What is shown outlives us: it is written into the book first.
  StatisticsSnapshot show_statistics();
  void take_region(const link::KeepRegion& message, Fd object);
  void report_ready();
  void send(const link::Message& message);
  std::string status_json() const;
  std::string metrics_page();  // any I/O thread

  link::Channel keeper_;
  link::FrontWelcome welcome_;
  std::unique_ptr<wire::EventLoop> control_;
  Ear keeper_ear_;
  std::unique_ptr<ModelTable> models_;
  std::unique_ptr<SlotPool> slots_;
  std::unique_ptr<Switchboard> switchboard_;
  std::unique_ptr<ShmRegistry> shm_;
  std::unique_ptr<ShmBroker> broker_;
  std::unique_ptr<Statistics> statistics_;
  std::mutex book_mutex_;  // also over taking the snapshot: what is written never falls
  std::optional<StatisticsBook> book_;
  std::unique_ptr<Repository> repository_;
  TraceSettings trace_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<ModelManager> manager_;
  std::vector<std::unique_ptr<IoThread>> io_;
  std::vector<std::thread> threads_;
  wire::TransportLimits transport_limits_;
  std::vector<std::unique_ptr<wire::ConnectionSet>> sets_;  // one an I/O thread
  std::vector<std::unique_ptr<wire::Listener>> listeners_;  // all on the first one's loop
  std::map<WorkerId, WorkerState> workers_;
  std::map<uint64_t, FrontBackend::Opened> opening_;  // asked of the keeper
  uint64_t next_open_ = 1;
  TimePoint next_lease_check_{}, next_record_{};
  wire::EventLoop::TimerId alarm_ = 0;
  wire::EventLoop::TimerId drain_limit_ = 0;
  std::atomic<bool> draining_{false};
  bool connections_gone_ = false;
  bool told_ready_ = false;
  std::atomic<bool> ready_{false};
  LogSettings log_settings_;
  std::unique_ptr<FrontBackend> backend_;
  std::unique_ptr<ApiOperations> operations_;
  Metrics metrics_;
  std::unique_ptr<Routes> routes_;
  int exit_code_ = 1;
};

}  // namespace corolla::front
