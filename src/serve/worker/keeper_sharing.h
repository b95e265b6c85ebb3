// The engine's sharing of device memory, by way of the keeper: it holds the descriptors.
//
// An engine's threads call MemorySharing's functions; the control thread sends what they say and
// hands in the keeper's answers.
#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "engine/memory_sharing.h"
#include "link/channel.h"

namespace corolla::worker {

class KeeperSharing final : public engine::MemorySharing {
 public:
  // `patience`: how long want() waits for another worker to make the memory.
  explicit KeeperSharing(Duration patience = std::chrono::seconds(20));

  std::optional<Fd> want(const std::string& name) override;
  void made(const std::string& name, Fd descriptor) override;
  void drop(const std::string& name) override;

  // Control thread: readable when send() has something to do; it says so when the keeper is gone.
  int event_fd() const { return event_.get(); }
  Status send(link::Channel& keeper);
  // SharedIs, and what came with it.
  void answered(const std::string& name, std::vector<Fd> descriptors);

 private:
  void say(link::Message message, Fd descriptor = {});  // REQUIRES: mutex_ is held

  const Duration patience_;
  Fd event_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<link::Message, Fd>> unsent_;
  std::map<std::string, std::optional<Fd>> waited_for_;  // nullopt: not answered yet
};

}  // namespace corolla::worker
