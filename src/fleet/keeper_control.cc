// What `corolla status`, `apply`, `scale`, `logs` and `stop` ask, answered.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/log.h"
#include "fleet/keeper.h"
#include "fleet/placement.h"
#include "yaml/nearest.h"

namespace corolla::fleet {
namespace {

constexpr Duration kFrontAnswersWithin = std::chrono::seconds(1);

// The process's own share of memory: what is shared counts in parts.
uint64_t memory_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  std::string line;
  while (std::getline(file, line))
    if (line.rfind("Pss:", 0) == 0) return std::strtoull(line.c_str() + 4, nullptr, 10) << 10;
  return 0;
}

// What cannot change while the fleet runs, of what differs.
std::vector<std::string> unchangeable(const FleetConfig& is, const FleetConfig& wanted) {
  std::vector<std::string> keys;
  if (is.name != wanted.name) keys.push_back("name");
  if (is.listen != wanted.listen) keys.push_back("listen");
  if (is.models_dir != wanted.models_dir) keys.push_back("models_dir");
  Limits limits = wanted.limits;
  limits.reply_bytes = is.limits.reply_bytes;
  if (limits.io_threads == 0) limits.io_threads = is.limits.io_threads;
  if (limits != is.limits) keys.push_back("limits");
  if (is.certificate_file != wanted.certificate_file || is.key_file != wanted.key_file)
    keys.push_back("tls");
  if (is.log_json != wanted.log_json || is.log_level != wanted.log_level) keys.push_back("log");
  for (const auto& [name, model] : wanted.models) {
    const auto found = is.models.find(name);
    const auto now =
        found == is.models.end() ? std::map<std::string, std::string>() : found->second.parameters;
    if (now != model.parameters) keys.push_back("models." + name + " (parameters)");
  }
  return keys;
}

}  // namespace

void Keeper::child_line(std::string_view line) {
  logs_.add(line);
  if (options_.forward_line) options_.forward_line(line);
}

void Keeper::on_request(ControlServer::ClientId client, const control::Request& request) {
  switch (request.of_case()) {
    case control::Request::kStatus: {
      const uint64_t tag = next_tag_++;
      asked_[tag] = {
          client, poller_.at(now() + kFrontAnswersWithin, [this, tag] { answer_status(tag, ""); })};
      if (!front_.child) return answer_status(tag, "");
      link::Message message;
      message.mutable_status_query()->set_tag(tag);
      return tell_front(message);
    }
    case control::Request::kApply: {
      const control::ApplyRequest& asked = request.apply();
      FleetConfig base;
      options_.until_applied(base);
      auto config = read_config(asked.yaml(), asked.file_name(), asked.directory(), base);
      if (config.ok()) options_.always(*config);
      const Status applied = config.ok() ? apply(*config) : Status(config.error());
      if (!applied.ok()) return control_->finish(client, applied);
      waiters_.push_back({client, ""});
      return reconcile_now();
    }
    case control::Request::kScale: {
      const Status scaled = scale(request.scale());
      if (!scaled.ok()) return control_->finish(client, scaled);
      waiters_.push_back({client, ""});
      return reconcile_now();
    }
    case control::Request::kLogs: {
      control::Answer answer;
      for (const std::string& line : logs_.last(request.logs().lines())) {
        answer.mutable_log_line()->set_text(line);
        control_->send(client, answer);
      }
      if (!request.logs().follow()) return control_->finish(client, ok());
      if (!control_->has(client)) return;
      // Sent by a timer, not at once: a follower that has gone is dropped inside send(), in the
      // midst of the store's round.
      followers_[client] = logs_.follow([this, client](const std::string& line) {
        poller_.at(now(), [this, client, line] {
          control::Answer one;
          one.mutable_log_line()->set_text(line);
          control_->send(client, one);
        });
      });
      return;
    }
    case control::Request::kStop:
      log::info("fleet_stopping", {{"asked_by", "corolla stop"}});
      stoppers_.push_back(client);
      return stop(request.stop().at_once());
    case control::Request::OF_NOT_SET:
      return control_->finish(client,
                              Error{Code::kUnsupported, "this keeper does not know that request"});
  }
}

Status Keeper::apply(const FleetConfig& wanted) {
  if (stopping_) return Error{Code::kUnavailable, "the fleet is being stopped"};
  FleetConfig next = wanted;
  if (next.cache_dir.empty()) next.cache_dir = config_.cache_dir;
  const std::vector<std::string> fixed = unchangeable(config_, next);
  if (!fixed.empty()) {
    std::string list;
    for (const std::string& key : fixed) list += (list.empty() ? "" : ", ") + key;
    return Error{Code::kInvalidArgument,
                 "cannot change while the fleet runs: " + list +
                     "; nothing was changed ('corolla stop' and 'corolla up' apply it)"};
  }
  if (reshape_)
    return Error{Code::kBusy, "the slices are being changed already; try again when that is done"};
  RETURN_IF_ERROR(check_models(next));
  RETURN_IF_ERROR(check_binaries(options_.bin_dir, engines_of(next, entries_of(next))));
  next.limits.io_threads = config_.limits.io_threads;
  RETURN_IF_ERROR(reshape(std::move(next)));
  for (auto& [id, record] : records_) record.policy.forgive(config_.restart);
  log::info("fleet_applied", {{"slices", slices_.size()}, {"models", config_.models.size()}});
  return ok();
}

// The front loads and unloads what the new list asks for; then each worker's list is told again, so
// that the front says for each when it serves.
void Keeper::tell_models() {
  link::Message message;
  link::ModelsChanged& changed = *message.mutable_models_changed();
  changed = desired_models();
  if (!changed.explicit_models())
    for (const std::string& name : models_on_disk()) changed.add_models()->set_name(name);
  tell_front(message);
  for (auto& [id, worker] : workers_)
    if (worker.view.phase == Phase::kStarting || worker.view.phase == Phase::kServing)
      tell_worker_models(worker);
}

Status Keeper::reload_file() {
  if (options_.config_file.empty())
    return Error{Code::kInvalidArgument, "the fleet was started without a file (-f)"};
  ASSIGN_OR_RETURN(FleetConfig config, read_config_file(options_.config_file));
  options_.until_applied(config);
  options_.always(config);
  RETURN_IF_ERROR(apply(config));
  reconcile_now();
  return ok();
}

Status Keeper::scale(const control::ScaleRequest& asked) {
  if (stopping_) return Error{Code::kUnavailable, "the fleet is being stopped"};
  const std::vector<std::string> known = known_models();
  for (const auto& [model, count] : asked.slices()) {
    if (std::find(known.begin(), known.end(), model) == known.end())
      return Error{Code::kInvalidArgument,
                   "there is no model '" + model + "'; " + yaml::suggestion(model, known)};
    const uint32_t room = room_of(model);
    if (count > room)
      return Error{Code::kInvalidArgument,
                   model + "=" + std::to_string(count) + ": the fleet has " + std::to_string(room) +
                       " slices" + (models_place(model).on.empty() ? "" : " where it may go")};
  }
  for (const auto& [model, count] : asked.slices()) {
    ModelPlace& place = places_[model];
    place.count = count;
    if (count == room_of(model)) place.count.reset();
    log::info("model_scaled", {{"model", model}, {"slices", count}});
  }
  return ok();
}

std::string Keeper::progress_text() const {
  std::map<std::string, int> states;
  for (const auto& [id, worker] : workers_)
    ++states[worker.told_pending ? "loading" : phase_name(worker.view.phase)];
  std::string text;
  for (const auto& [state, count] : states)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + state;
  return "workers: " + (text.empty() ? "none" : text);
}

void Keeper::tell_waiters(const Plan& plan) {
  if (waiters_.empty()) return;
  bool pending = false;
  Status failed = ok();
  for (const auto& [id, worker] : workers_) {
    pending |= worker.told_pending;
    if (!worker.problem.empty() && !worker.told_pending)
      failed = Error{Code::kUnavailable, "slice " + worker.view.slice.id + ": " + worker.problem};
  }
  for (const auto& [id, record] : records_)
    if (record.policy.parked())
      failed =
          Error{Code::kUnavailable,
                "slice " + id + " is parked, since its worker keeps dying: " + record.last_death};
  const bool done = plan.settled && !pending && !reshape_;
  control::Answer answer;
  answer.mutable_progress()->set_text(progress_text());
  std::vector<ControlServer::ClientId> told, finished;
  for (Waiter& waiter : waiters_) {
    if (waiter.last_progress != answer.progress().text()) {
      waiter.last_progress = answer.progress().text();
      told.push_back(waiter.client);
    }
  }
  if (done || !failed.ok()) {
    for (const Waiter& waiter : std::exchange(waiters_, {})) finished.push_back(waiter.client);
  }
  // Outside of the walk above: sending may find that a client has gone, and take it out of the
  // list.
  for (const auto client : told) control_->send(client, answer);
  for (const auto client : finished) control_->finish(client, failed);
}

void Keeper::answer_status(uint64_t tag, const std::string& front_json) {
  const auto found = asked_.find(tag);
  if (found == asked_.end()) return;
  const StatusAsked asked = found->second;
  asked_.erase(found);
  poller_.cancel(asked.timer);
  control::Answer answer;
  *answer.mutable_status() = status();
  answer.mutable_status()->set_front_json(front_json);
  control_->send(asked.client, answer);
  control_->finish(asked.client, ok());
}

control::FleetStatus Keeper::status() {
  control::FleetStatus s;
  s.set_name(config_.name);
  s.set_keeper_pid(::getpid());
  s.set_uptime_s(to_seconds(since_start()));
  s.set_engine(config_.engine);
  s.set_models_dir(config_.models_dir);
  s.set_config_file(options_.config_file);
  for (const Listening& listening : listeners_) {
    control::ListenerStatus* listener = s.add_listeners();
    listener->set_role(listening.role);
    listener->set_address(listening.endpoint.text());
  }
  control::FrontStatus& front = *s.mutable_front();
  front.set_state(!front_.child  ? "dead"
                  : stopping_    ? "draining"
                  : front_.ready ? "ready"
                  : was_ready_   ? "not ready"
                                 : "starting");
  front.set_problem(front_.problem);
  front.set_restarts(static_cast<uint32_t>(front_.policy.deaths()));
  front.set_last_death(front_.last_death);
  if (front_.child) {
    front.set_pid(front_.child->pid());
    front.set_uptime_s(to_seconds(now() - front_.child->started()));
    front.set_memory_bytes(memory_of(front_.child->pid()));
  }

  bool all_serve = true;
  const std::vector<WorkerWish> wished = wishes();
  std::map<std::string, uint32_t> serving;
  for (const auto& [id, worker] : workers_) {
    control::WorkerStatus& w = *s.add_workers();
    const slice::Slice& slice = worker.view.slice;
    w.set_worker(id);
    w.set_slice(slice.id);
    w.set_kind(slice.kind);
    w.set_profile(slice.profile);
    w.set_walls(slice::walls_name(slice.walls));
    w.set_device(slice.device);
    w.set_memory_limit_bytes(slice.memory_bytes);
    if (!slice::on_gpu(slice.kind)) {
      // Read back from the kernel, never as it was asked for.
      const auto held =
          worker.in_group ? groups_->held(id) : Result<slice::WorkerCgroups::Held>(Error{});
      w.set_held_by(held.ok() ? "cgroup" : "affinity");
      w.set_memory_limit_bytes(held.ok() ? held->memory_bytes : 0);
    }
    w.set_sm_count(worker.sm_count);
    w.set_contexts(worker.contexts);
    for (uint32_t cpu : affinity_of(worker.child->pid())) w.add_cores(cpu);
    w.set_pid(worker.child->pid());
    w.set_state(phase_name(worker.view.phase));
    for (const std::string& model : worker.serving) {
      w.add_models(model);
      if (worker.view.phase == Phase::kServing) ++serving[model];
    }
    w.set_problem(worker.problem);
    w.set_memory_bytes(memory_of(worker.child->pid()));
    w.set_uptime_s(to_seconds(now() - worker.child->started()));
    w.set_engine(worker.engine);
    w.set_load_ms(worker.load_ms);
    w.set_from_cache(worker.from_cache);
    if (const auto record = records_.find(slice.id); record != records_.end()) {
      w.set_restarts(static_cast<uint32_t>(record->second.policy.deaths()));
      w.set_last_death(record->second.last_death);
    }
    all_serve &= worker.view.phase == Phase::kServing && worker.problem.empty();
  }
  for (const WorkerWish& wish : wished) {
    const bool there = std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
      return entry.second.view.slice.id == wish.slice.id;
    });
    if (there) continue;
    all_serve = false;
    const SliceRecord& record = records_.at(wish.slice.id);
    control::WorkerStatus& w = *s.add_workers();
    w.set_slice(wish.slice.id);
    w.set_kind(wish.slice.kind);
    w.set_profile(wish.slice.profile);
    w.set_walls(slice::walls_name(wish.slice.walls));
    w.set_device(wish.slice.device);
    w.set_memory_limit_bytes(wish.slice.memory_bytes);
    w.set_state(record.policy.parked() ? "parked" : "waiting");
    w.set_restarts(static_cast<uint32_t>(record.policy.deaths()));
    w.set_last_death(record.last_death);
  }
  s.set_state(stopping_                   ? "draining"
              : !was_ready_               ? "starting"
              : front_.ready && all_serve ? "ready"
                                          : "degraded");
  for (const std::string& name : known_models()) {
    control::ModelStatus& model = *s.add_models();
    model.set_name(name);
    const uint32_t room = room_of(name);
    model.set_wanted(std::min(room, models_place(name).count.value_or(room)));
    model.set_serving(serving[name]);
  }
  return s;
}

}  // namespace corolla::fleet
