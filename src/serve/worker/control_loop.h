// The control thread's loop: messages from the keeper, from the front and from the loader, one at a
// time.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "link/channel.h"
#include "serve/worker/compute_loop.h"
#include "serve/worker/keeper_sharing.h"
#include "serve/worker/model_loader.h"
#include "serve/worker/model_table.h"

namespace corolla::worker {

class ControlLoop {
 public:
  struct Options {
    uint64_t reply_bytes = 0;
    Duration spin{0};
    std::function<void(const Error&)>
        engine_broken;  // on the compute thread, after the batch was answered
  };
  // `sharing`: what the engine was given.
  ControlLoop(link::Channel keeper, engine::Engine& engine, KeeperSharing& sharing,
              Options options);
  ~ControlLoop();

  // Until the keeper says Quit or has gone.
  void run();

 private:
  bool on_keeper();  // false: leave
  void on_front();
  void on_loaded();
  void meet_front(Fd socket);
  void lose_front(const std::string& why);
  Status handle(link::Received received);
  Status attach(const link::Attach& attach, std::vector<Fd> fds);

  link::Channel keeper_;
  engine::Engine& engine_;
  KeeperSharing& sharing_;
  const Options options_;
  ModelTable models_;
  std::unique_ptr<ModelLoader> loader_;
  Fd wake_;
  std::atomic<bool> front_broken_{false};
  std::unique_ptr<ComputeLoop> compute_;

  link::Channel front_;
  std::shared_ptr<FrontLink> attached_;
  uint64_t generation_ = 0;
};

}  // namespace corolla::worker
