#include "fleet/keeper.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/shared_memory.h"
#include "slice/cores_provider.h"
#include "slice/providers.h"
#include "yaml/nearest.h"

namespace corolla::fleet {
namespace {

constexpr std::string_view kWorkerPrefix = "corolla-worker-";
// Taken only as it is used: a kilobyte or two a model and slice.
constexpr size_t kStatisticsBytes = 16 << 20;

Result<std::string> read_secret(const std::string& path, const char* what) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return Error{Code::kInvalidArgument, std::string("tls: cannot read the ") + what + " " + path +
                                             ": " + std::strerror(errno)};
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The front holds a descriptor for each connection; the usual soft limit of 1024 is for programs
// that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Status check_binaries(const std::string& bin_dir, const std::set<std::string>& engines) {
  const std::string front = bin_dir + "/corolla-front";
  if (::access(front.c_str(), X_OK) != 0)
    return Error{Code::kInternal, front + ": " + std::strerror(errno) +
                                      "; corolla's programs must lie in one folder"};
  for (const std::string& engine : engines) {
    const std::string worker = bin_dir + "/" + std::string(kWorkerPrefix) + engine;
    if (::access(worker.c_str(), X_OK) == 0) continue;
    std::vector<std::string> there;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(bin_dir, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.rfind(kWorkerPrefix, 0) == 0) there.push_back(name.substr(kWorkerPrefix.size()));
    }
    std::sort(there.begin(), there.end());
    return Error{Code::kInvalidArgument, "engine '" + engine + "': there is no " + worker + "; " +
                                             yaml::suggestion(engine, there)};
  }
  return ok();
}

Keeper::Keeper(FleetConfig config, KeeperOptions options, Poller poller)
    : config_(std::move(config)), options_(std::move(options)), poller_(std::move(poller)) {}

Keeper::~Keeper() = default;

Status Keeper::take_models_dir(const std::string& path) {
  models_dir_ = Fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (models_dir_) return ok();
  return Error{Code::kInvalidArgument,
               "models folder " + path + ": " + std::strerror(errno) +
                   "; --models or models_dir names a folder with one folder for each model"};
}

Result<std::unique_ptr<Keeper>> Keeper::create(FleetConfig config, KeeperOptions options) {
  ASSIGN_OR_RETURN(Poller poller, Poller::create());
  auto keeper =
      std::unique_ptr<Keeper>(new Keeper(std::move(config), std::move(options), std::move(poller)));
  FleetConfig& c = keeper->config_;
  if (c.listen.empty())
    return Error{Code::kInvalidArgument, "every listener is off; nobody could reach this fleet"};
  RETURN_IF_ERROR(check_listeners(c.listen));
  RETURN_IF_ERROR(keeper->take_models_dir(c.models_dir));

  ASSIGN_OR_RETURN(slice::Topology topology, slice::read_topology());
  if (c.limits.io_threads == 0)
    c.limits.io_threads = static_cast<uint32_t>(std::clamp<size_t>(topology.usable() / 2, 1, 4));
  const slice::Carve automatic = slice::CoresProvider(topology).automatic();
  keeper->automatic_ = {{{"cores",
                          std::vector<uint32_t>(static_cast<size_t>(automatic.begin()->second), 1),
                          "",
                          0,
                          0,
                          {}},
                         "",
                         {}}};
  RETURN_IF_ERROR(check_binaries(keeper->options_.bin_dir, engines_of(c, keeper->entries_of(c))));
  RETURN_IF_ERROR(keeper->check_models(c));
  if (!c.certificate_file.empty()) {
    ASSIGN_OR_RETURN(keeper->certificate_, read_secret(c.certificate_file, "certificate"));
    ASSIGN_OR_RETURN(keeper->key_, read_secret(c.key_file, "key"));
  }
  if (c.cache_dir.empty()) c.cache_dir = default_cache_dir();
  std::error_code failed;
  if (std::filesystem::create_directories(c.cache_dir, failed))
    std::filesystem::permissions(c.cache_dir, std::filesystem::perms::owner_all, failed);
  if (failed)
    return Error{Code::kPermission, "cache folder " + c.cache_dir + ": " + failed.message() +
                                        "; --cache or cache names another"};

  ASSIGN_OR_RETURN(keeper->statistics_,
                   create_shared_memory("corolla-statistics", kStatisticsBytes));
  // The fleet's name is ours from here on: nobody else works on these slices under it.
  ASSIGN_OR_RETURN(keeper->control_, ControlServer::open(keeper->poller_, c.name));
  ASSIGN_OR_RETURN(keeper->listeners_, open_listeners(c.listen));
  keeper->open_groups(c);  // before there are children, who would be in our group
  keeper->devices_ = std::make_unique<slice::SliceSet>(slice::provider_maker(
      {.topology = std::move(topology), .runtime_dir = slice_runtime_dir(c.name)}));
  RETURN_IF_ERROR(keeper->devices_->apply(wishes_of(keeper->entries_of(c))));
  RETURN_IF_ERROR(keeper->take_slices());
  keeper->places_ = places_of(c);
  return keeper;
}

Status Keeper::begin() {
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  RETURN_IF_ERROR(
      poller_.watch_signals({SIGTERM, SIGINT, SIGHUP}, [this](const signalfd_siginfo& info) {
        on_signal(static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL);
      }));
  control_->serve({[this](auto client, const auto& request) { on_request(client, request); },
                   [this](auto client) {
                     if (const auto it = followers_.find(client); it != followers_.end()) {
                       logs_.unfollow(it->second);
                       followers_.erase(it);
                     }
                     std::erase_if(waiters_, [&](const Waiter& w) { return w.client == client; });
                   }});
  log::info("fleet_starting", {{"fleet", config_.name},
                               {"slices", slices_.size()},
                               {"engine", config_.engine},
                               {"models_dir", config_.models_dir}});
  front_.policy = front_policy();
  oom_kills_ = kernel_oom_kills();
  // Workers first: loading a model takes longest, and the front can be met at any time.
  reconcile_now();
  start_front();
  return ok();
}

Status Keeper::run() {
  RETURN_IF_ERROR(begin());
  poller_.run();
  log::info("fleet_stopped", {{"fleet", config_.name}});
  for (const auto client : stoppers_) control_->finish(client, ok());
  if (gave_up_) return Error{Code::kUnavailable, *gave_up_};
  return ok();
}

void Keeper::on_signal(int signal, bool from_kernel) {
  if (signal == SIGHUP && !from_kernel) {
    const Status reloaded = reload_file();
    if (!reloaded.ok()) log::error("reload_refused", {{"why", reloaded.error().what}});
    return;
  }
  // A hang-up that the kernel sends means that the terminal is gone, not that somebody wants the
  // file read again.
  if (stopping_ && signal == SIGINT) {
    if (!gave_up_) gave_up_ = "stopped at once; requests in flight were cut off";
    stop(true);
  } else if (!stopping_) {
    log::info("fleet_stopping", {{"signal", ::sigabbrev_np(signal)},
                                 {"limit_ms", config_.drain_limit.count() / 1000000}});
    stop(false);
  }
}

void Keeper::stop(bool at_once) {
  const bool first = !std::exchange(stopping_, true);
  if (first) {
    for (const Waiter& waiter : std::exchange(waiters_, {}))
      control_->finish(waiter.client, Error{Code::kCancelled, "the fleet is being stopped"});
    if (look_again_) poller_.cancel(*look_again_);
  }
  if (at_once) {
    workers_told_to_leave_ = true;
    if (front_.child) front_.child->kill("stopped at once");
    for (auto& [id, worker] : workers_) worker.child->kill("stopped at once");
    return end_if_empty();
  }
  if (!first) return;
  if (!front_.child) return stop_workers();
  link::Message message;
  message.mutable_drain_front()->set_limit_ms(
      static_cast<uint32_t>(config_.drain_limit / std::chrono::milliseconds(1)));
  tell_front(message);
  // The front keeps the limit itself; this is for one that does not.
  poller_.at(now() + config_.drain_limit + config_.quit_limit, [this] {
    if (front_.child) front_.child->kill("it was not drained in time");
  });
}

void Keeper::stop_workers() {
  if (!std::exchange(workers_told_to_leave_, true)) {
    for (auto& [id, worker] : workers_) {
      worker.view.phase = Phase::kLeaving;
      worker.child->quit(config_.quit_limit);
    }
  }
  end_if_empty();
}

void Keeper::end_if_empty() {
  if (stopping_ && !front_.child && workers_.empty()) poller_.stop();
}

void Keeper::note_ready() {
  if (was_ready_ || !front_.ready) return;
  was_ready_ = true;
  const Duration took = since_start();
  log::info("fleet_ready", {{"ms", took / std::chrono::milliseconds(1)}});
  if (options_.ready) options_.ready(status(), took);
}

void Keeper::give_up(std::string why) {
  if (stopping_) return;
  log::error("fleet_gives_up", {{"why", why}});
  gave_up_ = std::move(why);
  stop(false);
}

}  // namespace corolla::fleet
