#include "serve/worker/control_loop.h"

#include <poll.h>

#include "base/log.h"

namespace corolla::worker {

ControlLoop::ControlLoop(link::Channel keeper, engine::Engine& engine, KeeperSharing& sharing,
                         Options options)
    : keeper_(std::move(keeper)),
      engine_(engine),
      sharing_(sharing),
      options_(std::move(options)),
      loader_(std::make_unique<ModelLoader>(engine, models_)),
      wake_(*link::create_doorbell()) {
  compute_ = std::make_unique<ComputeLoop>(
      engine, models_,
      ComputeOptions{.spin = options_.spin,
                     .front_broken =
                         [this](const Error& error) {
                           log::error("front_broken", {{"why", error.what}});
                           front_broken_ = true;
                           link::ring_doorbell(wake_.get());
                         },
                     .engine_broken = options_.engine_broken});
}

ControlLoop::~ControlLoop() {
  compute_.reset();
  loader_.reset();
  models_.clear();
}

void ControlLoop::run() {
  for (;;) {
    pollfd watched[5] = {{keeper_.fd(), POLLIN, 0},
                         {loader_->event_fd(), POLLIN, 0},
                         {wake_.get(), POLLIN, 0},
                         {front_ ? front_.fd() : -1, POLLIN, 0},
                         {sharing_.event_fd(), POLLIN, 0}};
    if (::poll(watched, 5, -1) < 0) continue;
    if (watched[0].revents && !on_keeper()) return;
    if (watched[1].revents) on_loaded();
    if (watched[2].revents) {
      link::clear_doorbell(wake_.get());
      if (front_broken_.exchange(false)) lose_front("it sent what cannot be");
    }
    if (watched[3].revents && front_) on_front();
    // Not sent: the keeper has gone, which its channel says, too.
    if (watched[4].revents) (void)sharing_.send(keeper_).ok();
  }
}

bool ControlLoop::on_keeper() {
  for (;;) {
    auto received = keeper_.receive();
    if (!received.ok()) {
      log::info("keeper_gone");
      return false;
    }
    if (!*received) return true;
    auto& [message, fds] = **received;
    if (message.has_quit()) {
      log::info("quit");
      return false;
    }
    if (message.has_meet_front() && fds.size() == 1)
      meet_front(std::move(fds[0]));
    else if (message.has_shared_is())
      sharing_.answered(message.shared_is().name(), std::move(fds));
    else
      log::warn("unknown_message",
                {{"from", "keeper"}, {"kind", static_cast<int>(message.of_case())}});
  }
}

void ControlLoop::meet_front(Fd socket) {
  if (front_) lose_front("a new one has come");
  front_ = link::Channel(std::move(socket));
  generation_ = models_.begin_front();
}

void ControlLoop::lose_front(const std::string& why) {
  if (!front_) return;
  log::info("front_gone", {{"why", why}});
  front_ = link::Channel();
  attached_.reset();
  compute_->detach();
  generation_ = models_.begin_front();
}

void ControlLoop::on_front() {
  while (front_) {
    auto received = front_.receive();
    if (!received.ok()) return lose_front(received.error().what);
    if (!*received) return;
    if (Status handled = handle(*std::move(*received)); !handled.ok())
      return lose_front(handled.error().what);
  }
}

Status ControlLoop::handle(link::Received received) {
  auto& [message, fds] = received;
  switch (message.of_case()) {
    case link::Message::kAttach:
      return attach(message.attach(), std::move(fds));
    case link::Message::kLoadModel:
      loader_->load(generation_, std::move(*message.mutable_load_model()->mutable_model()));
      return ok();
    case link::Message::kUnloadModel:
      loader_->unload(generation_, message.unload_model().id());
      return ok();
    case link::Message::kMapRegion: {
      if (!attached_ || fds.size() != 1)
        return Error{Code::kInvalidArgument, "MapRegion with " + std::to_string(fds.size()) +
                                                 " descriptors, or before Attach"};
      const auto& map = message.map_region();
      Status mapped = attached_->regions.map(map.region(), fds[0], map.bytes());
      link::Message answer;
      answer.mutable_region_mapped()->set_region(map.region());
      if (!mapped.ok()) answer.mutable_region_mapped()->set_error(mapped.error().what);
      return front_.send(answer);
    }
    case link::Message::kUnmapRegion:
      if (attached_) attached_->regions.unmap(message.unmap_region().region());
      return ok();
    default:
      log::warn("unknown_message",
                {{"from", "front"}, {"kind", static_cast<int>(message.of_case())}});
      return ok();
  }
}

Status ControlLoop::attach(const link::Attach& attach, std::vector<Fd> fds) {
  if (attached_) return Error{Code::kInvalidArgument, "it attached twice"};
  ASSIGN_OR_RETURN(attached_,
                   open_front_link(attach, std::move(fds), options_.reply_bytes, engine_));
  attached_->generation = generation_;
  link::Message answer;
  answer.mutable_attached()->set_reply_bytes(attached_->reply.map.size());
  answer.mutable_attached()->set_engine(engine_.name());
  answer.mutable_attached()->set_contexts(static_cast<uint32_t>(engine_.contexts()));
  compute_->attach(attached_);
  log::info("front_attached",
            {{"io_threads", attach.io_threads()}, {"arena_bytes", attach.arena_bytes()}});
  return front_.send(answer, {attached_->reply.fd.get()});
}

void ControlLoop::on_loaded() {
  for (ModelLoader::Answer& answer : loader_->take_answers()) {
    if (answer.generation != generation_ || !front_) continue;
    if (Status sent = front_.send(answer.message); !sent.ok()) return lose_front(sent.error().what);
  }
}

}  // namespace corolla::worker
