// The keeper's dealings with the workers.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "fleet/keeper.h"
#include "fleet/placement.h"
#include "link/options_text.h"
#include "yaml/nearest.h"

namespace corolla::fleet {
namespace {

// Memory runs out: better a worker, which can be replaced, than the front or the keeper.
constexpr int kWorkerOomScore = 300;

}  // namespace

uint64_t kernel_oom_kills() {
  std::ifstream file("/proc/vmstat");
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value)
    if (name == "oom_kill") return value;
  return 0;
}

link::SliceInfo slice_info(const slice::Slice& slice) {
  link::SliceInfo info;
  info.set_id(slice.id);
  info.set_kind(slice.kind);
  info.set_profile(slice.profile);
  for (uint32_t cpu : slice.cores) info.add_cores(cpu);
  info.set_sm_count(static_cast<uint32_t>(slice.sm_count));
  info.set_memory_bytes(slice.memory_bytes);
  for (const auto& [key, value] : slice.worker_env) (*info.mutable_env())[key] = value;
  return info;
}

std::vector<std::string> Keeper::known_models() const {
  std::vector<std::string> names;
  const link::ModelsChanged desired = desired_models();
  if (desired.explicit_models()) {
    for (const link::DesiredModel& model : desired.models()) names.push_back(model.name());
  } else {
    names = models_on_disk();
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> Keeper::models_on_disk() const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(config_.models_dir, ignored)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(ignored) && !name.empty() && name.front() != '.') names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status Keeper::check_models(const FleetConfig& config) const {
  const std::vector<std::string> there = models_on_disk();
  for (const auto& [name, wish] : config.models)
    if (std::find(there.begin(), there.end(), name) == there.end())
      return Error{Code::kInvalidArgument,
                   "models." + name + ": there is no folder " + config.models_dir + "/" + name +
                       "; " +
                       (there.empty() ? "the folder is empty" : yaml::suggestion(name, there))};
  return check_places(config, labels_of(entries_of(config)));
}

std::vector<SliceLabels> Keeper::slice_labels() const {
  std::vector<SliceLabels> labels;
  for (const FleetSlice& slice : slices_) labels.push_back(slice.labels());
  return labels;
}

std::string Keeper::birth_of(const FleetSlice& slice) const {
  std::string text = slice.engine.name + "\n" + link::options_text(slice.engine.options) + "\n" +
                     config_.cache_dir + "\n" + std::to_string(config_.limits.reply_bytes);
  for (const auto& [key, value] : slice.slice.worker_env) text += "\n" + key + "=" + value;
  return text;
}

std::vector<WorkerWish> Keeper::wishes() {
  std::vector<WorkerWish> all;
  const auto placed = place_models(slice_labels(), known_models(), places_);
  for (size_t i = 0; i < slices_.size(); ++i) {
    if (!placed[i]) continue;
    const slice::Slice& slice = slices_[i].slice;
    const auto [record, fresh] =
        records_.try_emplace(slice.id, SliceRecord{RestartPolicy(config_.restart), ""});
    all.push_back({slice, slices_[i].engine, birth_of(slices_[i]), *placed[i],
                   record->second.policy.next_start()});
  }
  return all;
}

std::vector<WorkerView> Keeper::views() const {
  std::vector<WorkerView> all;
  for (const auto& [id, worker] : workers_) all.push_back(worker.view);
  return all;
}

void Keeper::reconcile_now() {
  if (stopping_ || reconciling_) return;
  reconciling_ = true;
  if (look_again_) poller_.cancel(*look_again_);
  look_again_.reset();
  Plan plan;
  for (;;) {
    finish_reshape();
    const std::vector<WorkerWish> wished = wishes();
    plan = reconcile(wished, views(), now());
    if (plan.actions.empty()) break;
    for (const Action& action : plan.actions) {
      switch (action.verb) {
        case Action::Verb::kStart:
          start_worker(wished[action.wish]);
          break;
        case Action::Verb::kTellModels: {
          Worker& worker = workers_.at(action.worker);
          worker.view.models = wished[action.wish].models;
          tell_worker_models(worker);
          break;
        }
        case Action::Verb::kDrain:
          drain_worker(workers_.at(action.worker));
          break;
        case Action::Verb::kQuit: {
          Worker& worker = workers_.at(action.worker);
          worker.view.phase = Phase::kLeaving;
          worker.child->quit(config_.quit_limit);
          break;
        }
      }
    }
  }
  reconciling_ = false;
  if (plan.look_again)
    look_again_ = poller_.at(*plan.look_again, [this] {
      look_again_.reset();
      reconcile_now();
    });
  tell_waiters(plan);
}

void Keeper::tell_worker_models(Worker& worker) {
  if (!front_.child) return;  // the next one is told when it meets the worker
  worker.told_pending = true;
  link::Message message;
  message.mutable_worker_models()->set_worker(worker.id);
  for (const std::string& model : worker.view.models)
    message.mutable_worker_models()->add_models(model);
  tell_front(message);
}

void Keeper::start_worker(const WorkerWish& wish) {
  SliceRecord& record = records_.at(wish.slice.id);
  const uint32_t id = next_worker_++;
  ProcessSpec spec;
  spec.binary = options_.bin_dir + "/corolla-worker-" + wish.engine.name;
  if (config_.log_json) spec.arguments.push_back("--log-json");
  spec.env = wish.slice.worker_env;
  spec.cpus = wish.slice.cores;
  spec.oom_score = kWorkerOomScore;
  record.policy.started(now());
  auto child = Child::start(
      poller_, std::move(spec),
      {[this, id](link::Received&& received) { on_worker_message(id, std::move(received)); },
       [this, id](const Death& death) { on_worker_death(id, death); },
       [this](std::string_view line) { child_line(line); },
       [this, id] {
         const auto found = workers_.find(id);
         if (found != workers_.end())
           devices_->before_kill(found->second.view.slice, found->second.child->pid());
       }});
  if (!child.ok()) {
    record.last_death = child.error().what;
    record.policy.died(now(), EndedBy::kItself);
    log::error("worker_not_started", {{"slice", wish.slice.id}, {"why", child.error().what}});
    return;
  }
  Worker& worker = workers_[id];
  worker.id = id;
  worker.child = *std::move(child);
  worker.view = {id, wish.slice, wish.birth, wish.models, Phase::kStarting};
  hold(worker);
  log::info("worker_started", {{"worker", id},
                               {"slice", wish.slice.id},
                               {"pid", worker.child->pid()},
                               {"engine", wish.engine.name}});
  link::Message message;
  link::WorkerWelcome& welcome = *message.mutable_worker_welcome();
  welcome.set_worker(id);
  *welcome.mutable_slice() = slice_info(wish.slice);
  welcome.set_cache_dir(config_.cache_dir);
  welcome.set_reply_bytes(config_.limits.reply_bytes);
  welcome.set_engine_options(link::options_text(wish.engine.options));
  worker.child->send(message);
  introduce(worker);
}

void Keeper::drain_worker(Worker& worker) {
  log::info("worker_draining", {{"worker", worker.id}, {"slice", worker.view.slice.id}});
  worker.view.phase = front_.child ? Phase::kDraining : Phase::kDrained;
  if (!front_.child) return;
  link::Message message;
  message.mutable_drain_worker()->set_worker(worker.id);
  tell_front(message);
  poller_.at(now() + config_.drain_limit, [this, id = worker.id] {
    const auto found = workers_.find(id);
    if (found == workers_.end() || found->second.view.phase != Phase::kDraining) return;
    log::warn("worker_drain_limit", {{"worker", id}});
    found->second.view.phase = Phase::kDrained;
    reconcile_now();
  });
}

void Keeper::on_worker_message(uint32_t id, link::Received&& received) {
  Worker& worker = workers_.at(id);
  if (received.message.has_worker_hello()) {
    const link::WorkerHello& hello = received.message.worker_hello();
    worker.engine = hello.engine();
    worker.sm_count = hello.sm_count();
    worker.contexts = std::max(hello.contexts(), 1u);
    return;
  }
  if (received.message.has_want_shared())
    return tell(shared_memories_.want(id, received.message.want_shared().name()));
  if (received.message.has_drop_shared())
    return tell(shared_memories_.drop(id, received.message.drop_shared().name()));
  if (received.message.has_shared_made())
    return tell(
        shared_memories_.made(id, received.message.shared_made().name(),
                              received.fds.empty() ? Fd() : std::move(received.fds.front())));
  worker.child->kill("it sent a message that no worker sends (kind " +
                     std::to_string(received.message.of_case()) + ")");
}

void Keeper::tell(const SharedMemories::Answers& answers) {
  for (const SharedMemories::Answer& answer : answers) {
    const auto found = workers_.find(answer.worker);
    if (found == workers_.end()) continue;
    link::Message message;
    message.mutable_shared_is()->set_name(answer.name);
    found->second.child->send(
        message, answer.descriptor < 0 ? std::vector<int>{} : std::vector{answer.descriptor});
  }
}

EndedBy Keeper::judge(const Death& death, const std::string& killed_because, std::string& text) {
  text = death.text();
  // What we decided counts only where it was our signal that ended it: it may have died by itself
  // a moment before.
  if (!killed_because.empty() && death.by_signal && death.number == SIGKILL) {
    text = "killed: " + killed_because;
    return EndedBy::kItself;
  }
  if (!death.by_signal) {
    if (death.clean()) text = "it left without being asked (exit code 0)";
    return EndedBy::kItself;
  }
  if (death.number == SIGKILL) {
    const uint64_t kills = kernel_oom_kills();
    if (kills > oom_kills_) {
      oom_kills_ = kills;
      text = "killed by the kernel: out of memory";
      return EndedBy::kItself;
    }
    return EndedBy::kOutside;
  }
  return death.number == SIGTERM || death.number == SIGINT || death.number == SIGHUP
             ? EndedBy::kOutside
             : EndedBy::kItself;
}

void Keeper::on_worker_death(uint32_t id, const Death& death) {
  const auto found = workers_.find(id);
  Worker worker = std::move(found->second);
  workers_.erase(found);
  if (worker.in_group) groups_->remove(id);
  std::string text;
  const EndedBy by = judge(death, worker.child->killed_because(), text);
  link::Message message;
  message.mutable_worker_gone()->set_worker(id);
  message.mutable_worker_gone()->set_reason(text);
  tell_front(message);  // before anything else: its requests wait
  tell(shared_memories_.gone(id));

  if (worker.child->asked_to_leave() || stopping_) {
    log::info("worker_left", {{"worker", id}, {"slice", worker.view.slice.id}});
    if (stopping_) return end_if_empty();
    return reconcile_now();
  }
  SliceRecord& record = records_.at(worker.view.slice.id);
  record.last_death = text;
  const auto again = record.policy.died(now(), by);
  if (again) {
    log::warn("worker_died", {{"worker", id},
                              {"slice", worker.view.slice.id},
                              {"cause", text},
                              {"restart_in_ms", std::max(*again - now(), Duration(0)) /
                                                    std::chrono::milliseconds(1)}});
  } else {
    log::error("worker_parked", {{"slice", worker.view.slice.id},
                                 {"crashes", config_.restart.crash_limit},
                                 {"within_s", to_seconds(config_.restart.crash_window)},
                                 {"cause", text},
                                 {"restart_with", "corolla apply, or SIGHUP"}});
  }
  reconcile_now();
  // Nobody is there and nobody will come: before the fleet ever served that is a failed start, not
  // an outage.
  const bool all_parked = workers_.empty() && !records_.empty() &&
                          std::all_of(records_.begin(), records_.end(), [](const auto& entry) {
                            return entry.second.policy.parked();
                          });
  if (all_parked && !was_ready_)
    give_up("no worker stays alive; the last one (slice " + worker.view.slice.id + "): " + text);
}

}  // namespace corolla::fleet
