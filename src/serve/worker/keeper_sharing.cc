#include "serve/worker/keeper_sharing.h"

#include "base/log.h"
#include "link/rings.h"

namespace corolla::worker {

KeeperSharing::KeeperSharing(Duration patience)
    : patience_(patience), event_(*link::create_doorbell()) {}

void KeeperSharing::say(link::Message message, Fd descriptor) {
  unsent_.emplace_back(std::move(message), std::move(descriptor));
  link::ring_doorbell(event_.get());
}

std::optional<Fd> KeeperSharing::want(const std::string& name) {
  std::unique_lock lock(mutex_);
  if (!waited_for_.try_emplace(name).second) return std::nullopt;  // by another thread of ours
  link::Message message;
  message.mutable_want_shared()->set_name(name);
  say(std::move(message));
  const bool answered =
      changed_.wait_for(lock, patience_, [&] { return waited_for_[name].has_value(); });
  std::optional<Fd> found = std::move(waited_for_[name]);
  waited_for_.erase(name);
  if (!answered) {
    log::warn("memory_not_shared", {{"name", name}, {"waited_s", to_seconds(patience_)}});
    message.mutable_drop_shared()->set_name(name);
    say(std::move(message));
  }
  return found;
}

void KeeperSharing::made(const std::string& name, Fd descriptor) {
  link::Message message;
  message.mutable_shared_made()->set_name(name);
  const std::lock_guard lock(mutex_);
  say(std::move(message), std::move(descriptor));
}

void KeeperSharing::drop(const std::string& name) {
  link::Message message;
  message.mutable_drop_shared()->set_name(name);
  const std::lock_guard lock(mutex_);
  say(std::move(message));
}

Status KeeperSharing::send(link::Channel& keeper) {
  link::clear_doorbell(event_.get());
  std::vector<std::pair<link::Message, Fd>> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(unsent_);
  }
  for (const auto& [message, descriptor] : all)
    RETURN_IF_ERROR(
        keeper.send(message, descriptor ? std::vector<int>{descriptor.get()} : std::vector<int>{}));
  return ok();
}

void KeeperSharing::answered(const std::string& name, std::vector<Fd> descriptors) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = waited_for_.find(name);
    if (found == waited_for_.end()) return;  // it came too late
    found->second = descriptors.empty() ? Fd() : std::move(descriptors.front());
  }
  changed_.notify_all();
}

}  // namespace corolla::worker
