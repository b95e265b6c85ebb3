#include "serve/front/front.h"

#include <sys/epoll.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/log.h"
#include "serve/front/route.h"
#include "serve/front/shm_registry.h"
#include "serve/front/statistics_record.h"
#include "wire/h2_connection.h"
#include "wire/tls_stream.h"

namespace corolla::front {
namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
// Who connects before the models are known again, after a restart, waits in the listening socket
// instead of being told that there is no such model. For so long at most: then the truth is told.
constexpr auto kAcceptAtLatest = std::chrono::seconds(1);
constexpr size_t kDefaultArena = size_t{512} << 20;
// A region whose memory its owner has unlinked goes when nobody has used it for this long.
constexpr auto kShmLease = std::chrono::seconds(10);
// Statistics that nobody has looked at are lost with a front that is killed, for so long at most.
constexpr auto kRecordEvery = std::chrono::milliseconds(500);
constexpr auto kDefaultHang = std::chrono::seconds(10);

Duration or_default(uint32_t ms, Duration otherwise) {
  return ms ? std::chrono::milliseconds(ms) : otherwise;
}

wire::TransportLimits transport_limits(const link::FrontLimits& limits) {
  wire::TransportLimits result;
  if (limits.max_header_bytes()) result.max_header_bytes = limits.max_header_bytes();
  if (limits.max_body_bytes()) result.max_body_bytes = limits.max_body_bytes();
  result.header_timeout = or_default(limits.header_timeout_ms(), result.header_timeout);
  result.body_timeout = or_default(limits.body_timeout_ms(), result.body_timeout);
  result.idle_timeout = or_default(limits.idle_timeout_ms(), result.idle_timeout);
  return result;
}

}  // namespace

Result<std::unique_ptr<Front>> Front::create(link::Channel keeper, link::Received welcome) {
  std::unique_ptr<Front> front(new Front(std::move(keeper), welcome.message.front_welcome()));
  RETURN_IF_ERROR(front->build(welcome));
  return front;
}

Front::Front(link::Channel keeper, const link::FrontWelcome& welcome)
    : keeper_(std::move(keeper)), welcome_(welcome) {}

Front::~Front() {
  for (auto& io : io_) io->loop().stop();
  for (auto& thread : threads_) thread.join();
}

Status Front::build(link::Received& welcome) {
  const auto& limits = welcome_.limits();
  const size_t listeners = static_cast<size_t>(welcome_.listeners_size());
  if (welcome.fds.size() != listeners + 2)
    return Error{Code::kInvalidArgument, "the keeper's welcome names " + std::to_string(listeners) +
                                             " listeners and brings " +
                                             std::to_string(welcome.fds.size()) + " descriptors"};
  ASSIGN_OR_RETURN(control_, wire::EventLoop::create());

  ASSIGN_OR_RETURN(auto arena,
                   create_sealed_memory("corolla-arena", limits.arena_bytes() ? limits.arena_bytes()
                                                                              : kDefaultArena));
  slots_ = std::make_unique<SlotPool>(std::move(arena));
  models_ = std::make_unique<ModelTable>();

  const uint32_t threads = std::clamp<uint32_t>(limits.io_threads(), 1, link::kMaxIoThreads);
  std::vector<TaskSlab*> slabs;
  std::vector<Switchboard::Deliver> deliver;
  for (uint16_t i = 0; i < threads; ++i) {
    ASSIGN_OR_RETURN(auto io,
                     IoThread::create(i, [this](IoThread& thread, wire::Exchange& exchange) {
                       return route(thread, *routes_, exchange);
                     }));
    slabs.push_back(&io->slab());
    deliver.push_back(
        [raw = io.get()](RequestId id, Error why) { raw->deliver(id, std::move(why)); });
    slots_->set_wake(i, [raw = io.get()] { raw->wake_slot_waiters(); });
    io_.push_back(std::move(io));
  }
  DispatcherOptions options;
  if (limits.queue_limit()) options.default_queue_limit = limits.queue_limit();
  switchboard_ = std::make_unique<Switchboard>(
      options, std::move(slabs), std::move(deliver), [this](TimePoint when) {
        control_->post([this, when] {
          control_->cancel(alarm_);
          alarm_ = control_->at(when, [this] {
            alarm_ = 0;
            (void)switchboard_->tick(now(), Duration::max());
          });
        });
      });
  statistics_ = std::make_unique<Statistics>(threads);
  ASSIGN_OR_RETURN(book_, StatisticsBook::open(welcome.fds[listeners + 1]));
  if (auto earlier = from_record(book_->read()))
    statistics_->carry_over(*earlier);
  else
    log::warn("statistics_begin_anew", {{"why", earlier.error().what}});
  transport_limits_ = transport_limits(limits);
  shm_ = std::make_unique<ShmRegistry>(
      [this](uint32_t number) {
        control_->post([this, number] {
          broker_->unmap(number);
          link::Message message;
          message.mutable_forget_region()->set_number(number);
          send(message);
        });
      },
      ShmAllowed{!limits.no_client_shm(), limits.client_shm_prefix()});
  broker_ = std::make_unique<ShmBroker>(
      *shm_, [this](const std::string& name) { shm_->remove(name); },
      [this](const ShmRegion& region) {
        link::Message message;
        link::KeepRegion& keep = *message.mutable_keep_region();
        keep.set_number(region.number);
        keep.set_name(region.name);
        keep.set_key(region.key);
        keep.set_offset(region.offset);
        keep.set_bytes(region.bytes);
        (void)keeper_.send(message, {region.fd.get()});
      });
  repository_ = std::make_unique<Repository>(
      std::move(welcome.fds[listeners]), welcome_.models_dir(),
      std::map<std::string, std::string>(welcome_.model_parameters().begin(),
                                         welcome_.model_parameters().end()));
  shared_ = std::make_unique<Shared>(Shared{*models_, *slots_, *switchboard_, *shm_, *statistics_,
                                            trace_, transport_limits_, draining_});
  for (auto& io : io_) io->use(*shared_);
  manager_ = std::make_unique<ModelManager>(
      *control_, *shared_, *repository_,
      ModelManager::Events{
          .worker_serving =
              [this](WorkerId id, uint64_t load_ms, bool from_cache, const std::string& error) {
                link::Message message;
                auto& serving = *message.mutable_worker_serving();
                serving.set_worker(id);
                serving.set_load_ms(load_ms);
                serving.set_from_cache(from_cache);
                serving.set_error(error);
                for (const auto& name : manager_->wanted()) serving.add_models(name);
                send(message);
              },
          .models_changed =
              [this] {
                link::Message message;
                auto& changed = *message.mutable_models_changed();
                changed.set_explicit_models(true);
                for (const auto& name : manager_->wanted()) changed.add_models()->set_name(name);
                send(message);
              }});
  backend_ = std::make_unique<FrontBackend>(
      *shared_, *control_, *manager_, *broker_, ready_, log_settings_,
      [this] { return show_statistics(); },
      [this](const std::string& key, FrontBackend::Opened done) {
        const uint64_t tag = next_open_++;
        opening_[tag] = std::move(done);
        link::Message message;
        message.mutable_open_shm()->set_tag(tag);
        message.mutable_open_shm()->set_key(key);
        send(message);
      });
  const std::string name = welcome_.server_name().empty() ? "corolla" : welcome_.server_name();
  operations_ = std::make_unique<ApiOperations>(ApiInfo{name, welcome_.server_version()}, *backend_,
                                                *shm_, trace_, log_settings_);
  routes_ = std::make_unique<Routes>(Routes{*operations_, [this] { return metrics_page(); }});
  return open_listeners(welcome.fds);
}

Status Front::open_listeners(std::vector<Fd>& sockets) {
  std::vector<wire::ConnectionSet*> sets;
  for (auto& io : io_) {
    sets_.push_back(std::make_unique<wire::ConnectionSet>(io->loop(), *io, transport_limits_));
    sets.push_back(sets_.back().get());
  }
  std::shared_ptr<wire::TlsContext> tls;
  if (!welcome_.certificate_pem().empty()) {
    ASSIGN_OR_RETURN(tls, wire::TlsContext::create(welcome_.certificate_pem(), welcome_.key_pem()));
  }
  for (int i = 0; i < welcome_.listeners_size(); ++i) {
    const auto& listener = welcome_.listeners(i);
    wire::ListenerOptions options;
    options.http2 = [](wire::ConnectionSet& set, std::unique_ptr<wire::Stream> stream,
                       std::string_view early) -> std::unique_ptr<wire::Connection> {
      return std::make_unique<wire::H2Connection>(set, std::move(stream), early);
    };
    const bool metrics = listener.role() == "metrics";
    if (metrics) options.speaks = wire::Speaks::kHttp1;
    if (!metrics) options.tls = tls;
    if (welcome_.limits().max_connections())
      options.max_connections = welcome_.limits().max_connections();
    ASSIGN_OR_RETURN(auto opened, wire::Listener::open(io_[0]->loop(),
                                                       std::move(sockets[static_cast<size_t>(i)]),
                                                       sets, std::move(options)));
    listeners_.push_back(std::move(opened));
  }
  return ok();
}

void Front::stop_accepting() {
  io_[0]->loop().post([this] {
    for (auto& listener : listeners_) listener->stop();
  });
  auto left = std::make_shared<std::atomic<size_t>>(sets_.size());
  for (size_t i = 0; i < sets_.size(); ++i)
    io_[i]->loop().post([this, i, left] {
      sets_[i]->drain([this, left] {
        if (left->fetch_sub(1) == 1)
          control_->post([this] {
            connections_gone_ = true;
            check_drains();
          });
      });
    });
}

void Front::send(const link::Message& message) {
  // Where this fails the keeper is gone, and its channel's end ends us.
  (void)keeper_.send(message);
}

int Front::run() {
  keeper_ear_.hear = [this] { hear_keeper(); };
  if (auto watched = control_->watch(keeper_.fd(), EPOLLIN, keeper_ear_); !watched) {
    log::error("front_failed", {{"why", watched.error().what}});
    return 1;
  }
  std::vector<std::string> wanted;
  for (const auto& model : welcome_.models()) wanted.push_back(model.name());
  manager_->begin(welcome_.explicit_models(), wanted);
  control_->at(now() + kTick, [this] { tick(); });
  control_->at(now() + kAcceptAtLatest, [this] { start_threads(); });
  control_->run();
  return exit_code_;
}

void Front::start_threads() {
  if (!threads_.empty()) return;
  for (auto& io : io_) threads_.emplace_back([raw = io.get()] { raw->run(); });
}

void Front::hear_keeper() {
  for (;;) {
    auto received = keeper_.receive();
    if (!received) {
      log::error("keeper_gone", {{"why", received.error().what}});
      exit_code_ = 1;
      return control_->stop();
    }
    if (!*received) return;
    auto& message = (*received)->message;
    switch (message.of_case()) {
      case link::Message::kWorkerJoined:
        if (!(*received)->fds.empty())
          on_joined(message.worker_joined(), std::move((*received)->fds[0]));
        break;
      case link::Message::kWorkerModels: {
        const auto& models = message.worker_models().models();
        if (auto found = workers_.find(message.worker_models().worker()); found != workers_.end())
          found->second.models = {models.begin(), models.end()};
        manager_->worker_models(message.worker_models().worker(), {models.begin(), models.end()});
        break;
      }
      case link::Message::kModelsChanged:
        take_models(message.models_changed());
        break;
      case link::Message::kDrainWorker:
        if (auto found = workers_.find(message.drain_worker().worker()); found != workers_.end()) {
          found->second.draining = true;
          found->second.leaving = true;
          switchboard_->drain(now(), found->first);
          check_drains();
        } else {
          link::Message answer;
          answer.mutable_worker_drained()->set_worker(message.drain_worker().worker());
          send(answer);
        }
        break;
      case link::Message::kWorkerGone:
        drop_worker(message.worker_gone().worker(), message.worker_gone().reason());
        break;
      case link::Message::kDrainFront:
        begin_drain(std::chrono::milliseconds(message.drain_front().limit_ms()));
        break;
      case link::Message::kShmOpened: {
        auto found = opening_.extract(message.shm_opened().tag());
        if (found.empty()) break;
        if (!message.shm_opened().error().empty() || (*received)->fds.empty())
          found.mapped()(Error{Code::kPermission, message.shm_opened().error()});
        else
          found.mapped()(std::move((*received)->fds[0]));
        break;
      }
      case link::Message::kKeepRegion:
        if (!(*received)->fds.empty())
          take_region(message.keep_region(), std::move((*received)->fds[0]));
        break;
      case link::Message::kStatusQuery: {
        link::Message answer;
        answer.mutable_status_answer()->set_tag(message.status_query().tag());
        answer.mutable_status_answer()->set_json(status_json());
        send(answer);
        break;
      }
      case link::Message::kQuit:
        exit_code_ = 0;
        return control_->stop();
      default:
        log::warn("keeper_message_ignored", {{"kind", static_cast<int>(message.of_case())}});
    }
  }
}

StatisticsSnapshot Front::show_statistics() {
  const std::lock_guard lock(book_mutex_);
  auto shown = statistics_->snapshot();
  (void)book_->write(to_record(shown));  // thousands of models would not fit: then it is as before
  return shown;
}

void Front::take_region(const link::KeepRegion& message, Fd object) {
  auto region = shm_->add(message.name(), message.key(), message.offset(), message.bytes(),
                          std::move(object));
  if (!region.ok())
    return log::warn("shm_not_kept", {{"region", message.name()}, {"why", region.error().what}});
  broker_->map(*region, [](const Status&) {});
}

void Front::take_models(const link::ModelsChanged& message) {
  std::set<std::string> wanted;
  for (const auto& model : message.models()) wanted.insert(model.name());
  const auto done = [](const Status& status) {
    if (!status.ok()) log::warn("model_not_changed", {{"why", status.error().what}});
  };
  const auto before = manager_->wanted();
  for (const auto& name : wanted)
    if (std::find(before.begin(), before.end(), name) == before.end())
      manager_->load(name, "", done);
  for (const auto& name : before)
    if (!wanted.contains(name)) manager_->unload(name, done);
}

void Front::on_joined(const link::WorkerJoined& message, Fd socket) {
  std::vector<int> doorbells;
  for (const auto& io : io_) doorbells.push_back(io->doorbell());
  const WorkerId id = message.worker();
  drop_worker(id, "it joined again");
  auto link = WorkerLink::attach(id, message.slice(), link::Channel(std::move(socket)),
                                 slots_->fd(), slots_->bytes(), doorbells);
  if (!link) {
    log::error("worker_not_attached", {{"worker", id}, {"why", link.error().what}});
    return tell_hung(id, link.error().what);
  }
  WorkerState state;
  state.link = *std::move(link);
  state.models = {message.models().begin(), message.models().end()};
  state.ear = std::make_unique<Ear>();
  state.ear->hear = [this, id] { hear_worker(id); };
  const int fd = state.link->channel.fd();
  auto& ear = *state.ear;
  workers_[id] = std::move(state);
  if (auto watched = control_->watch(fd, EPOLLIN, ear); !watched)
    drop_worker(id, watched.error().what);
}

void Front::hear_worker(WorkerId id) {
  for (;;) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    auto& state = found->second;
    auto received = state.link->channel.receive();
    if (!received) return drop_worker(id, received.error().what);
    if (!*received) return;
    const auto& message = (*received)->message;
    switch (message.of_case()) {
      case link::Message::kAttached: {
        const Status attached =
            (*received)->fds.empty()
                ? Status(Error{Code::kInvalidArgument, "the worker sent no reply region"})
                : state.link->attached(message.attached(), (*received)->fds[0]);
        if (!attached) {
          tell_hung(id, attached.error().what);
          return drop_worker(id, attached.error().what);
        }
        switchboard_->joined(now(), state.link);
        if (state.draining) switchboard_->drain(now(), id);
        broker_->worker_joined(state.link);
        manager_->worker_attached(state.link, state.models);
        break;
      }
      case link::Message::kModelLoaded:
        manager_->on_loaded(id, message.model_loaded());
        report_ready();
        break;
      case link::Message::kRegionMapped:
        broker_->on_mapped(id, message.region_mapped());
        break;
      case link::Message::kModelUnloaded:
        break;
      default:
        log::warn("worker_message_ignored",
                  {{"worker", id}, {"kind", static_cast<int>(message.of_case())}});
    }
  }
}

void Front::drop_worker(WorkerId id, const std::string& why) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  if (found->second.leaving || draining_)
    log::info("worker_left_front", {{"worker", id}});
  else
    log::warn("worker_lost", {{"worker", id}, {"why", why}});
  control_->unwatch(found->second.link->channel.fd());
  const bool was_draining = found->second.draining;
  const std::string slice = found->second.link->slice.id();
  workers_.erase(found);
  for (const auto& model : switchboard_->lost(now(), id))
    statistics_->retried(statistics_->row(*model->statistics, slice));
  broker_->worker_gone(id);
  manager_->worker_gone(id);
  // Each I/O thread lets go of the link when it goes round next; an idle one would keep its memory.
  for (auto& io : io_) io->loop().post([] {});
  if (was_draining) {
    link::Message answer;
    answer.mutable_worker_drained()->set_worker(id);
    send(answer);
  }
  report_ready();
}

void Front::tell_hung(WorkerId id, const std::string& why) {
  link::Message message;
  message.mutable_worker_hung()->set_worker(id);
  message.mutable_worker_hung()->set_reason(why);
  send(message);
}

void Front::tick() {
  const Duration hang_limit = or_default(welcome_.limits().hang_timeout_ms(), kDefaultHang);
  for (const auto& hung : switchboard_->tick(now(), hang_limit)) {
    const std::string why =
        "no answer for " + std::to_string(to_seconds(hang_limit)) + " s though it has work";
    tell_hung(hung->id, why);
    drop_worker(hung->id, why);
  }
  std::vector<WorkerId> broken;
  for (const auto& [id, state] : workers_)
    if (state.link->broken) broken.push_back(id);
  for (const WorkerId id : broken) {
    tell_hung(id, "it wrote what cannot be into its rings");
    drop_worker(id, "broken");
  }
  if (now() >= next_record_) {
    next_record_ = now() + kRecordEvery;
    (void)show_statistics();
  }
  if (now() >= next_lease_check_) {
    next_lease_check_ = now() + or_default(welcome_.limits().shm_lease_check_ms(), kTick);
    for (const auto& name : shm_->sweep(now(), kShmLease))
      log::info("shm_lease_over", {{"region", name}});
  }
  manager_->look_for_hopeless(now());
  check_drains();
  control_->at(now() + kTick, [this] { tick(); });
}

void Front::check_drains() {
  for (auto& [id, state] : workers_) {
    if (!state.draining || switchboard_->outstanding(id) > 0) continue;
    state.draining = false;  // told once
    link::Message answer;
    answer.mutable_worker_drained()->set_worker(id);
    send(answer);
  }
  if (draining_ && connections_gone_ && switchboard_->outstanding() == 0) {
    link::Message answer;
    answer.mutable_drained();
    send(answer);
    exit_code_ = 0;
    control_->stop();
  }
}

void Front::begin_drain(Duration limit) {
  if (draining_) return;
  draining_ = true;
  log::info("front_draining", {{"limit_s", to_seconds(limit)}});
  start_threads();  // they close what they have
  stop_accepting();
  drain_limit_ = control_->at(now() + limit, [this] {
    link::Message answer;
    answer.mutable_drained()->set_unfinished(switchboard_->outstanding());
    send(answer);
    exit_code_ = 0;
    control_->stop();
  });
}

void Front::report_ready() {
  const bool ready = manager_->ready();
  if (ready == told_ready_) return;
  told_ready_ = ready;
  ready_ = ready;
  if (ready) start_threads();
  link::Message message;
  message.mutable_front_ready()->set_ready(ready);
  send(message);
}

}  // namespace corolla::front
