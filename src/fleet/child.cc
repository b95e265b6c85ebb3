#include "fleet/child.h"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace corolla::fleet {
namespace {

// A process whose channel is closed can do nothing useful any more; most are on their way out.
constexpr Duration kMayOutliveItsChannel = std::chrono::seconds(1);

}  // namespace

Result<std::unique_ptr<Child>> Child::start(Poller& poller, ProcessSpec spec, Handlers handlers) {
  ASSIGN_OR_RETURN(auto ends, link::Channel::pair());
  spec.channel = ends.second.fd();
  ASSIGN_OR_RETURN(Process process, spawn(spec));
  return std::unique_ptr<Child>(
      new Child(poller, std::move(process), std::move(ends.first), std::move(handlers)));
}

Child::Child(Poller& poller, Process process, link::Channel channel, Handlers handlers)
    : poller_(poller),
      process_(std::move(process)),
      channel_(std::move(channel)),
      handlers_(std::move(handlers)) {
  poller_.watch(process_.pidfd.get(), [this] { on_death(); });
  poller_.watch(channel_.fd(), [this] { on_channel(); });
  poller_.watch(process_.output.get(), [this] { on_output(); });
}

Child::~Child() {
  stop_watching();
  if (dead_) return;
  send_signal(process_, SIGKILL);
  pollfd gone{process_.pidfd.get(), POLLIN, 0};
  while (::poll(&gone, 1, -1) < 0) {
  }
  (void)reap(process_);
}

void Child::stop_watching() {
  poller_.cancel(kill_timer_);
  poller_.forget(process_.pidfd.get());
  if (channel_) poller_.forget(channel_.fd());
  if (process_.output) poller_.forget(process_.output.get());
}

void Child::send(const link::Message& message, const std::vector<int>& fds) {
  if (!channel_ || dead_) return;
  const Status sent = channel_.send(message, fds);
  if (!sent.ok()) kill("it could not be told what to do: " + sent.error().what);
}

void Child::kill(std::string why) {
  if (dead_) return;
  const bool first = killed_because_.empty();
  if (first) killed_because_ = std::move(why);
  if (first && handlers_.before_kill) handlers_.before_kill();
  send_signal(process_, SIGKILL);
}

void Child::quit(Duration limit) {
  if (asked_to_leave_) return;
  asked_to_leave_ = true;
  link::Message message;
  message.mutable_quit();
  send(message);
  poller_.cancel(kill_timer_);
  kill_timer_ = poller_.at(now() + limit, [this] { kill("it did not leave in time"); });
}

void Child::on_channel() {
  // As many as are there now; the handlers may destroy no Child here, only in `died`.
  while (channel_) {
    auto received = channel_.receive();
    if (!received.ok()) {
      poller_.forget(channel_.fd());
      channel_ = link::Channel();
      if (dead_) return;
      poller_.cancel(kill_timer_);
      kill_timer_ = poller_.at(now() + kMayOutliveItsChannel,
                               [this] { kill("it closed its channel and stayed"); });
      return;
    }
    if (!*received) return;
    handlers_.message(std::move(**received));
  }
}

void Child::on_output() {
  char bytes[16384];
  // Bounded: a child that prints without end must not keep the keeper from its work.
  for (int i = 0; i < 16; ++i) {
    const ssize_t got = ::read(process_.output.get(), bytes, sizeof bytes);
    if (got < 0) return;
    if (got == 0) {
      poller_.forget(process_.output.get());
      process_.output.reset();
      return;
    }
    lines_.feed({bytes, static_cast<size_t>(got)}, handlers_.line);
  }
}

void Child::on_death() {
  const auto death = reap(process_);
  if (!death) return;
  dead_ = true;
  if (channel_) on_channel();
  if (process_.output) on_output();
  lines_.finish(handlers_.line);
  stop_watching();
  const auto died = std::move(handlers_.died);  // `this` may be gone afterwards
  died(*death);
}

}  // namespace corolla::fleet
