// A front for the fleet's tests: speaks link.proto with the keeper and its workers, and serves
// nothing but these paths, one connection at a time, on every listener:
//
//   GET /            200, "<number of workers attached>"
//   GET /hang/<id>   reports that worker as hung
//   GET /crash       aborts
//   GET /models/<id> the models that worker was last told to serve, "all" for every one
//
// FAKE_FRONT_NEVER_DRAINS=1: does not answer DrainFront. FAKE_FRONT_CRASHES=1: aborts at once.
#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "link/channel.h"

namespace {

using corolla::Fd;
using corolla::link::Channel;
using corolla::link::Message;
using corolla::link::Received;

struct Peer {
  Channel channel;
  std::vector<std::string> models;
  bool attached = false;
};

class FakeFront {
 public:
  int run() {
    for (;;) {
      std::vector<pollfd> fds{{keeper_.fd(), POLLIN, 0}};
      for (const Fd& listener : listeners_) fds.push_back({listener.get(), POLLIN, 0});
      std::vector<uint32_t> ids;
      for (const auto& [id, peer] : peers_) {
        fds.push_back({peer.channel.fd(), POLLIN, 0});
        ids.push_back(id);
      }
      if (::poll(fds.data(), fds.size(), -1) < 0) continue;
      for (size_t i = 1; i < fds.size(); ++i) {
        if (!fds[i].revents) continue;
        if (i <= listeners_.size())
          accept(fds[i].fd);
        else
          from_worker(ids[i - 1 - listeners_.size()]);
      }
      while (fds[0].revents) {
        auto received = keeper_.receive();
        if (!received.ok()) return 1;
        if (!*received) break;
        if (!from_keeper(**received)) return 0;
      }
    }
  }

 private:
  void tell(const Message& message) { (void)keeper_.send(message).ok(); }

  void serving(uint32_t id) {
    Message message;
    message.mutable_worker_serving()->set_worker(id);
    const std::vector<std::string>& models = peers_.at(id).models;
    for (const std::string& model : models.empty() ? std::vector<std::string>{"rose"} : models)
      message.mutable_worker_serving()->add_models(model);
    tell(message);
    Message ready;
    ready.mutable_front_ready()->set_ready(true);
    tell(ready);
  }

  // False: leave.
  bool from_keeper(Received& received) {
    const Message& message = received.message;
    switch (message.of_case()) {
      case Message::kFrontWelcome:
        for (int i = 0; i < message.front_welcome().listeners_size(); ++i)
          listeners_.push_back(std::move(received.fds.at(static_cast<size_t>(i))));
        std::fprintf(stderr, "front with %zu listeners\n", listeners_.size());
        return true;
      case Message::kWorkerJoined: {
        const auto& joined = message.worker_joined();
        Peer& peer = peers_[joined.worker()];
        peer.channel = Channel(std::move(received.fds.at(0)));
        peer.models = {joined.models().begin(), joined.models().end()};
        Message attach;
        attach.mutable_attach();
        (void)peer.channel.send(attach).ok();
        return true;
      }
      case Message::kWorkerModels: {
        const auto& told = message.worker_models();
        const auto found = peers_.find(told.worker());
        if (found == peers_.end()) return true;
        found->second.models = {told.models().begin(), told.models().end()};
        serving(told.worker());
        return true;
      }
      case Message::kDrainWorker: {
        Message drained;
        drained.mutable_worker_drained()->set_worker(message.drain_worker().worker());
        tell(drained);
        return true;
      }
      case Message::kWorkerGone:
        peers_.erase(message.worker_gone().worker());
        return true;
      case Message::kDrainFront: {
        listeners_.clear();
        Message drained;
        drained.mutable_drained();
        if (!std::getenv("FAKE_FRONT_NEVER_DRAINS")) tell(drained);
        return true;
      }
      case Message::kStatusQuery: {
        Message answer;
        answer.mutable_status_answer()->set_tag(message.status_query().tag());
        answer.mutable_status_answer()->set_json("{\"fake\":true}");
        tell(answer);
        return true;
      }
      case Message::kQuit:
        return false;
      default:
        return true;
    }
  }

  void from_worker(uint32_t id) {
    const auto found = peers_.find(id);
    if (found == peers_.end()) return;
    auto received = found->second.channel.receive();
    if (!received.ok()) {
      peers_.erase(found);
      return;
    }
    if (!*received || !(*received)->message.has_attached()) return;
    found->second.attached = true;
    serving(id);
  }

  void accept(int listener) {
    Fd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    char bytes[4096];
    const ssize_t got = ::read(client.get(), bytes, sizeof bytes);
    const std::string head(bytes, static_cast<size_t>(std::max<ssize_t>(got, 0)));
    std::string body;
    if (head.rfind("GET /crash", 0) == 0) std::abort();
    if (head.rfind("GET /hang/", 0) == 0) {
      Message hung;
      hung.mutable_worker_hung()->set_worker(static_cast<uint32_t>(std::atoi(head.c_str() + 10)));
      hung.mutable_worker_hung()->set_reason("a batch took 31 s");
      tell(hung);
    } else if (head.rfind("GET /models/", 0) == 0) {
      const auto found = peers_.find(static_cast<uint32_t>(std::atoi(head.c_str() + 12)));
      if (found != peers_.end()) {
        for (const std::string& model : found->second.models) body += model + " ";
        if (body.empty()) body = "all";
      }
    } else {
      size_t attached = 0;
      for (const auto& [id, peer] : peers_) attached += peer.attached;
      body = std::to_string(attached);
    }
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    (void)!::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  Channel keeper_{Fd(corolla::link::kKeeperFd)};
  std::vector<Fd> listeners_;
  std::map<uint32_t, Peer> peers_;
};

}  // namespace

int main() {
  if (std::getenv("FAKE_FRONT_CRASHES")) std::abort();
  return FakeFront().run();
}
