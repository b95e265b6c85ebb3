// The keeper's dealings with the front.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "fleet/keeper.h"

namespace corolla::fleet {
namespace {

// Above what a front registers.
constexpr size_t kMostRegions = 4096;

uint32_t ms(Duration duration) {
  return static_cast<uint32_t>(duration / std::chrono::milliseconds(1));
}

void fill(link::FrontLimits& out, const Limits& limits) {
  out.set_arena_bytes(limits.arena_bytes);
  out.set_io_threads(limits.io_threads);
  out.set_max_connections(limits.connections);
  out.set_max_header_bytes(limits.header_bytes);
  out.set_max_body_bytes(limits.body_bytes);
  out.set_header_timeout_ms(ms(limits.header_timeout));
  out.set_body_timeout_ms(ms(limits.body_timeout));
  out.set_idle_timeout_ms(ms(limits.idle_timeout));
  out.set_queue_limit(limits.queue);
  out.set_hang_timeout_ms(ms(limits.hang_timeout));
  out.set_shm_lease_check_ms(ms(limits.shm_lease_check));
  out.set_no_client_shm(!limits.client_shm);
  out.set_client_shm_prefix(limits.client_shm_prefix);
}

}  // namespace

RestartPolicy Keeper::front_policy() const {
  RestartSettings settings = config_.restart;
  // Nothing is served without a front: it is tried sooner and more often than a worker.
  settings.longest_delay = std::min<Duration>(settings.longest_delay, std::chrono::seconds(1));
  settings.crash_limit *= 2;
  return RestartPolicy(settings);
}

void Keeper::start_front() {
  if (stopping_ || front_.child) return;
  ProcessSpec spec;
  spec.binary = options_.bin_dir + "/corolla-front";
  front_.policy.started(now());
  auto child =
      Child::start(poller_, std::move(spec),
                   {[this](link::Received&& received) { on_front_message(std::move(received)); },
                    [this](const Death& death) { on_front_death(death); },
                    [this](std::string_view line) { child_line(line); }});
  if (!child.ok()) return give_up(child.error().what);
  front_.child = *std::move(child);
  log::info("front_started", {{"pid", front_.child->pid()}});
  welcome_front();
  for (auto& [id, worker] : workers_) introduce(worker);
}

void Keeper::welcome_front() {
  link::Message message;
  link::FrontWelcome& welcome = *message.mutable_front_welcome();
  std::vector<int> fds;
  for (const Listening& listening : listeners_) {
    link::Listener* listener = welcome.add_listeners();
    listener->set_role(listening.role);
    listener->set_address(listening.endpoint.text());
    fds.push_back(listening.socket.get());
  }
  fds.push_back(models_dir_.get());
  fds.push_back(statistics_.get());
  fill(*welcome.mutable_limits(), config_.limits);
  welcome.set_certificate_pem(certificate_);
  welcome.set_key_pem(key_);
  const link::ModelsChanged models = desired_models();
  welcome.set_explicit_models(models.explicit_models());
  *welcome.mutable_models() = models.models();
  welcome.set_models_dir(config_.models_dir);
  welcome.set_server_name("corolla");
  welcome.set_server_version(COROLLA_VERSION);
  welcome.set_log_json(config_.log_json);
  welcome.set_drop_privileges(::geteuid() == 0);
  for (const auto& [model, wish] : config_.models)
    for (const auto& [key, value] : wish.parameters)
      (*welcome.mutable_model_parameters())[model + "." + key] = value;
  tell_front(message, fds);
  for (auto& [name, region] : regions_) {
    region.what.set_number(0);  // until this front has given it one
    *message.mutable_keep_region() = region.what;
    tell_front(message, {region.object.get()});
  }
}

// What the front was told at first, or what clients have made of it since by load and unload calls.
link::ModelsChanged Keeper::desired_models() const {
  if (models_changed_) return *models_changed_;
  link::ModelsChanged models;
  models.set_explicit_models(!config_.models.empty());
  for (const auto& [name, wish] : config_.models) {
    link::DesiredModel* model = models.add_models();
    model->set_name(name);
    for (int64_t version : wish.versions) model->add_versions(version);
  }
  return models;
}

void Keeper::tell_front(const link::Message& message, const std::vector<int>& fds) {
  if (front_.child) front_.child->send(message, fds);
}

// Gives the front and a worker the two ends of a new channel.
void Keeper::introduce(Worker& worker) {
  const Phase phase = worker.view.phase;
  if (!front_.child || (phase != Phase::kStarting && phase != Phase::kServing)) return;
  auto ends = link::Channel::pair();
  if (!ends.ok()) return worker.child->kill(ends.error().what);
  worker.told_pending = true;
  link::Message joined;
  joined.mutable_worker_joined()->set_worker(worker.id);
  *joined.mutable_worker_joined()->mutable_slice() = slice_info(worker.view.slice);
  for (const std::string& model : worker.view.models)
    joined.mutable_worker_joined()->add_models(model);
  tell_front(joined, {ends->first.fd()});
  link::Message meet;
  meet.mutable_meet_front();
  worker.child->send(meet, {ends->second.fd()});
}

void Keeper::keep_region(const link::KeepRegion& what, Fd object) {
  if (regions_.size() >= kMostRegions && !regions_.contains(what.name())) return;
  regions_[what.name()] = {what, std::move(object)};
}

void Keeper::on_front_message(link::Received&& received) {
  const link::Message& message = received.message;
  switch (message.of_case()) {
    case link::Message::kFrontHello:
      break;
    case link::Message::kFrontReady: {
      const link::FrontReady& said = message.front_ready();
      if (front_.ready != said.ready() || front_.problem != said.problem())
        said.ready() ? log::info("front_ready", {{"ms", ms(since_start())}})
                     : log::info("front_not_ready", {{"why", said.problem()}});
      front_.ready = said.ready();
      front_.problem = said.problem();
      note_ready();
      break;
    }
    case link::Message::kWorkerServing: {
      const link::WorkerServing& said = message.worker_serving();
      const auto found = workers_.find(said.worker());
      if (found == workers_.end()) break;
      Worker& worker = found->second;
      worker.serving.clear();
      for (const std::string& model : said.models())  // of those that it was told to serve
        if (worker.view.models.empty() ||
            std::binary_search(worker.view.models.begin(), worker.view.models.end(), model))
          worker.serving.push_back(model);
      worker.problem = said.error();
      worker.load_ms = said.load_ms();
      worker.from_cache = said.from_cache();
      worker.told_pending = false;
      if (!said.error().empty())
        log::warn("worker_cannot_serve", {{"worker", worker.id}, {"why", said.error()}});
      else
        log::info("worker_serving", {{"worker", worker.id},
                                     {"slice", worker.view.slice.id},
                                     {"models", worker.serving.size()},
                                     {"load_ms", worker.load_ms},
                                     {"cached", worker.from_cache}});
      if (worker.view.phase == Phase::kStarting && (said.error().empty() || said.models_size() > 0))
        worker.view.phase = Phase::kServing;
      reconcile_now();
      break;
    }
    case link::Message::kWorkerDrained: {
      const auto found = workers_.find(message.worker_drained().worker());
      if (found == workers_.end() || found->second.view.phase != Phase::kDraining) break;
      found->second.view.phase = Phase::kDrained;
      reconcile_now();
      break;
    }
    case link::Message::kWorkerHung: {
      const auto found = workers_.find(message.worker_hung().worker());
      if (found == workers_.end()) break;
      found->second.child->kill("it hung: " + message.worker_hung().reason());
      break;
    }
    case link::Message::kModelsChanged:
      models_changed_ = message.models_changed();
      for (link::DesiredModel& model : *models_changed_->mutable_models()) {
        const auto wish = config_.models.find(model.name());
        if (wish != config_.models.end() && model.versions().empty())
          *model.mutable_versions() = {wish->second.versions.begin(), wish->second.versions.end()};
      }
      reconcile_now();
      break;
    case link::Message::kDrained:
      if (message.drained().unfinished() > 0)
        log::warn("drain_limit_reached", {{"unfinished", message.drained().unfinished()}});
      if (stopping_) front_.child->quit(config_.quit_limit);
      break;
    case link::Message::kOpenShm:
      open_shm(message.open_shm());
      break;
    case link::Message::kKeepRegion:
      if (!received.fds.empty()) keep_region(message.keep_region(), std::move(received.fds[0]));
      break;
    case link::Message::kForgetRegion:
      // By number: the name may have been given to another region meanwhile.
      std::erase_if(regions_, [&](const auto& entry) {
        return entry.second.what.number() == message.forget_region().number();
      });
      break;
    case link::Message::kStatusAnswer:
      answer_status(message.status_answer().tag(), message.status_answer().json());
      break;
    default:
      front_.child->kill("it sent a message that no front sends (kind " +
                         std::to_string(message.of_case()) + ")");
  }
}

// Clients make their objects readable by their own user alone, and the front has given up being
// anybody. What is opened here is one file right under /dev/shm, through no link.
void Keeper::open_shm(const link::OpenShm& wish) {
  link::Message message;
  link::ShmOpened& answer = *message.mutable_shm_opened();
  answer.set_tag(wish.tag());
  const std::string name = wish.key().starts_with('/') ? wish.key().substr(1) : wish.key();
  Fd fd;
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos) {
    answer.set_error("'" + wish.key() + "' is no name of a shared memory object");
  } else if (!config_.limits.client_shm || !name.starts_with(config_.limits.client_shm_prefix)) {
    // The front has checked that; it may have been taken over.
    answer.set_error("limits.client_shm does not allow '" + wish.key() + "'");
  } else {
    const std::string path = "/dev/shm/" + name;
    constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    fd = Fd(::open(path.c_str(), O_RDWR | kFlags));
    if (!fd && errno == EACCES) fd = Fd(::open(path.c_str(), O_RDONLY | kFlags));
    if (!fd)
      answer.set_error("shared memory object '" + wish.key() +
                       "' cannot be opened: " + std::strerror(errno));
  }
  tell_front(message, fd ? std::vector<int>{fd.get()} : std::vector<int>{});
}

void Keeper::on_front_death(const Death& death) {
  std::string text;
  const EndedBy by = judge(death, front_.child->killed_because(), text);
  const bool expected = front_.child->asked_to_leave();
  const pid_t pid = front_.child->pid();
  front_.child.reset();
  front_.ready = false;
  for (auto& [id, worker] : workers_) {
    worker.serving.clear();
    // Nothing can be in flight without a front.
    if (worker.view.phase == Phase::kDraining) worker.view.phase = Phase::kDrained;
    if (worker.view.phase == Phase::kServing) worker.view.phase = Phase::kStarting;
  }
  for (const auto& [tag, asked] : std::map(asked_)) answer_status(tag, "");
  if (stopping_) {
    if (!expected) log::warn("front_died", {{"pid", pid}, {"cause", text}});
    return stop_workers();
  }
  front_.last_death = text;
  const auto again = front_.policy.died(now(), by);
  if (!again)
    return give_up("the front died " + std::to_string(front_.policy.deaths()) +
                   " times, the last time: " + text + "; 'corolla logs' may say why");
  log::warn("front_died", {{"pid", pid},
                           {"cause", text},
                           {"restart_in_ms", ms(std::max(*again - now(), Duration(0)))}});
  if (*again <= now())
    start_front();
  else
    poller_.at(*again, [this] { start_front(); });
  reconcile_now();
}

}  // namespace corolla::fleet
