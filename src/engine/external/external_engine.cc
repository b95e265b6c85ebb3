#include "engine/external/external_engine.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "base/fd.h"
#include "base/log.h"
#include "client/kserve_client.h"
#include "engine/external/batch_call.h"
#include "engine/external/command_line.h"
#include "engine/external/server_process.h"
#include "engine/external/settings.h"

namespace corolla::engine {
namespace {

using client::KserveClient;

constexpr auto kReadyPause = std::chrono::milliseconds(50);
// A server that dies closes its connections a moment before its death can be seen.
constexpr auto kRetryPause = std::chrono::milliseconds(100);
constexpr int kMostTries = 4;
// How long an answer may take is for the front to say (hang_timeout); this only bounds what a
// forgotten call can hold.
constexpr auto kInferTimeout = std::chrono::hours(24);

class ExternalModel final : public Model {
 public:
  explicit ExternalModel(CallModel call) : call(std::move(call)) {}
  const std::vector<TensorSpec>& inputs() const override { return call.inputs; }
  const std::vector<TensorSpec>& outputs() const override { return call.outputs; }
  bool from_cache() const override { return false; }

  const CallModel call;
};

// Two ports of 127.0.0.1 that nobody has at the moment.
Result<std::pair<int, int>> free_ports() {
  Fd sockets[2];
  int ports[2];
  for (int i = 0; i < 2; ++i) {
    sockets[i] = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (!sockets[i] ||
        ::bind(sockets[i].get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::getsockname(sockets[i].get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      return Error{Code::kUnavailable,
                   "there is no free port on 127.0.0.1 for the external server"};
    ports[i] = ntohs(address.sin_port);
  }
  return std::pair(ports[0], ports[1]);
}

std::map<std::string, std::string> replacements(const EngineSetup& setup, int http_port,
                                                int grpc_port) {
  std::string slice = setup.slice, cores;
  for (char& c : slice)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '-';
  for (int core : setup.cores) cores += (cores.empty() ? "" : ",") + std::to_string(core);
  const char* devices = ::getenv("CUDA_VISIBLE_DEVICES");
  return {{"http_port", std::to_string(http_port)},
          {"grpc_port", std::to_string(grpc_port)},
          {"slice", slice},
          {"uuid", devices ? devices : ""},
          {"cores", cores}};
}

// A client may cut its shared memory short at any time: reading it here makes zero pages of what is
// missing (serve/worker's guard), where the kernel, sending it, would only say EFAULT.
void touch(const Request& request) {
  for (const ConstTensor& input : request.inputs)
    for (size_t at = 0; at < input.bytes.size(); at += 4096)
      (void)*reinterpret_cast<const volatile std::byte*>(input.bytes.data() + at);
}

bool is_callers_fault(const Error& error) {
  return error.code == Code::kInvalidArgument || error.code == Code::kTooLarge;
}

class ExternalEngine final : public Engine, wire::EventLoop::Watcher {
 public:
  ExternalEngine(ExternalSettings settings, std::unique_ptr<ServerProcess> server,
                 std::unique_ptr<wire::EventLoop> loop, const wire::ClientAddress& address,
                 ServerGone gone)
      : settings_(std::move(settings)),
        gone_(std::move(gone)),
        server_(std::move(server)),
        loop_(std::move(loop)),
        control_(*loop_, settings_.protocol, address),
        infer_(*loop_, settings_.protocol, address),
        host_(address.text) {
    control_.set_timeout(settings_.ready);
    infer_.set_timeout(kInferTimeout);
  }

  Status begin() {
    RETURN_IF_ERROR(loop_->watch(server_->ended_fd(), EPOLLIN, *this));
    thread_ = std::thread([this] { loop_->run(); });
    return ok();
  }

  ~ExternalEngine() override {
    if (thread_.joinable()) {
      loop_->stop();
      thread_.join();
    }
    if (!ended_) loop_->unwatch(server_->ended_fd());
  }

  std::string name() const override {
    return settings_.protocol == wire::Protocol::kHttp ? "external (http)" : "external (grpc)";
  }
  // One more is sent ahead: the server has it at hand when the one before is done.
  int depth() const override { return settings_.instances + 1; }
  int contexts() const override { return settings_.instances; }
  void leaving() override {
    leaving_ = true;
    server_->stop();
  }

  Result<std::unique_ptr<Model>> load(const ModelSource& source) override {
    if (!source.images.empty())
      return Error{Code::kUnsupported, "model '" + source.name +
                                           "' is to decode pictures (image), which an external "
                                           "server's models do themselves or not at all"};
    RETURN_IF_ERROR(wait_ready());
    const std::string version = std::to_string(source.version);
    // A server without the repository API, or one that has loaded everything by itself, refuses:
    // then what is there counts.
    const auto asked = wait<Ok>([&](auto done) { control_.load_model(source.name, done); });
    const auto metadata = wait<client::ModelMetadata>(
        [&](auto done) { control_.model_metadata(source.name, version, done); });
    if (!metadata.ok())
      return Error{metadata.error().code,
                   "the external server has no version " + version + " of model '" + source.name +
                       "': " + metadata.error().what +
                       (asked.ok() ? "" : "; and asked to load it: " + asked.error().what)};
    // Not every server tells its configuration.
    const auto config = wait<client::ModelConfig>(
        [&](auto done) { control_.model_config(source.name, version, done); });
    if (config.ok()) RETURN_IF_ERROR(check(source, *config));
    CallModel model{.name = source.name, .version = version, .batched = source.max_batch > 0};
    ASSIGN_OR_RETURN(model.inputs, specs(metadata->inputs, model));
    ASSIGN_OR_RETURN(model.outputs, specs(metadata->outputs, model));
    return std::unique_ptr<Model>(std::make_unique<ExternalModel>(std::move(model)));
  }

  void submit(Model& model, std::span<Request> requests, Done done) override {
    loop_->post([this, &call = static_cast<ExternalModel&>(model).call, requests,
                 done = std::move(done)]() mutable {
      auto batch = std::make_shared<Batch>(
          Batch{.model = call, .done = std::move(done), .begin = corolla::now()});
      const auto groups = groups_of(call, requests);
      batch->left = groups.size();
      for (const RequestGroup& group : groups) send(batch, group, 1);
    });
  }

 private:
  struct Batch {
    const CallModel& model;
    Done done;
    TimePoint begin;
    size_t left = 0;  // calls without an answer
  };

  // Runs `ask` on the loop and waits for what it hands to its callback.
  template <class T, class Ask>
  Result<T> wait(Ask ask) {
    std::promise<Result<T>> promise;
    loop_->post([&] { ask([&](Result<T> result) { promise.set_value(std::move(result)); }); });
    return promise.get_future().get();
  }

  Status wait_ready() {
    if (ready_) return ok();
    const TimePoint begin = corolla::now();
    for (;;) {
      const auto answer = wait<bool>([&](auto done) { control_.server_ready(done); });
      if (answer.ok() && *answer) break;
      if (corolla::now() - begin > settings_.ready)
        return Error{Code::kUnavailable,
                     "the external server at " + host_ + " is not ready after " +
                         std::to_string(settings_.ready / std::chrono::seconds(1)) + " s" +
                         (answer.ok() ? "" : ": " + answer.error().what) +
                         "; its own messages are in the fleet's log"};
      std::this_thread::sleep_for(kReadyPause);
    }
    ready_ = true;
    const auto metadata =
        wait<client::ServerMetadata>([&](auto done) { control_.server_metadata(done); });
    log::info("server_ready",
              {{"address", host_},
               {"server", metadata.ok() ? metadata->name + " " + metadata->version : "unknown"},
               {"ms", (corolla::now() - begin) / std::chrono::milliseconds(1)}});
    return ok();
  }

  static Status check(const ModelSource& source, const client::ModelConfig& config) {
    if (config.decoupled)
      return Error{Code::kUnsupported, "model '" + source.name +
                                           "' is decoupled: it may give several answers to one "
                                           "request, which a fleet does not forward"};
    if (source.max_batch > config.max_batch_size)
      return Error{Code::kInvalidArgument,
                   "max_batch_size of model '" + source.name + "' is " +
                       std::to_string(source.max_batch) + " in config.pbtxt and " +
                       std::to_string(config.max_batch_size) + " at the external server"};
    return ok();
  }

  static Result<std::vector<TensorSpec>> specs(const std::vector<client::TensorMetadata>& tensors,
                                               const CallModel& model) {
    std::vector<TensorSpec> all;
    for (const client::TensorMetadata& tensor : tensors) {
      TensorSpec spec{tensor.name, tensor.dtype, tensor.shape};
      if (model.batched) {
        if (spec.shape.empty())
          return Error{Code::kInvalidArgument,
                       "tensor '" + spec.name + "' of model '" + model.name +
                           "' has no batch dimension at the external server, and config.pbtxt says "
                           "max_batch_size"};
        spec.shape.erase(spec.shape.begin());
      }
      all.push_back(std::move(spec));
    }
    return all;
  }

  void send(const std::shared_ptr<Batch>& batch, const RequestGroup& group, int tries) {
    if (tries > 1)
      for (const Request* request : group) touch(*request);
    BatchCall call = batch_call(batch->model, group);
    client::InferOptions options;
    options.host = host_;
    options.parts = std::move(call.parts);
    infer_.send(client::make_infer_call(settings_.protocol, call.request, options),
                [this, batch, group, tries](const wire::Answer& answer) {
                  on_answer(batch, group, tries, answer);
                });
  }

  void on_answer(const std::shared_ptr<Batch>& batch, const RequestGroup& group, int tries,
                 const wire::Answer& answer) {
    if (leaving_) return;
    // No answer at all: the connection broke, or there is none. It may be one connection only.
    if (answer.error && answer.http_status == 0) {
      if (tries == kMostTries) return lose(*answer.error);
      loop_->at(corolla::now() + kRetryPause,
                [this, batch, group, tries] { send(batch, group, tries + 1); });
      return;
    }
    const auto read = client::read_infer_answer(settings_.protocol, answer);
    const Status outcome = read.ok() ? deal_out(batch->model, *read, group) : Status(read.error());
    if (!outcome.ok() && is_callers_fault(outcome.error()) && group.size() > 1) {
      // One request spoils the others only until it is found out which.
      batch->left += group.size() - 1;
      for (Request* request : group) send(batch, {request}, 1);
      return;
    }
    for (Request* request : group) request->outcome = outcome;
    if (--batch->left == 0) finish(*batch);
  }

  void finish(Batch& batch) {
    const TimePoint end = corolla::now();
    // A batch that was sent ahead is computed from when the one before is done.
    const TimePoint begin =
        settings_.instances == 1 ? std::max(batch.begin, last_end_) : batch.begin;
    const Timing timing{.infer_ns = (end - begin).count()};
    last_end_ = end;
    batch.done(ok(), timing);
  }

  void on_events(uint32_t) override {
    loop_->unwatch(server_->ended_fd());
    ended_ = true;
    if (leaving_) return;
    lose({Code::kInternal, "the external server ended: " + server_->how_it_ended()});
  }

  void lose(const Error& why) {
    if (std::exchange(lost_, true)) return;
    gone_(why);
  }

  const ExternalSettings settings_;
  const ServerGone gone_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<wire::EventLoop> loop_;
  KserveClient control_, infer_;  // loop thread only
  const std::string host_;
  std::atomic<bool> leaving_ = false;
  bool ready_ = false;  // loader thread only
  bool ended_ = false;  // loop thread only
  bool lost_ = false;   // loop thread only
  TimePoint last_end_;  // loop thread only
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_external_engine(const EngineSetup& setup, ServerGone gone) {
  ASSIGN_OR_RETURN(ExternalSettings settings, read_settings(setup.options));
  ASSIGN_OR_RETURN(const auto ports, free_ports());
  const auto values = replacements(setup, ports.first, ports.second);
  ServerSpec spec;
  spec.stop_limit = settings.stop;
  ASSIGN_OR_RETURN(spec.command, split_command(settings.command, values));
  if (!settings.cleanup.empty()) {
    ASSIGN_OR_RETURN(spec.cleanup, split_command(settings.cleanup, values));
  }
  const bool http = settings.protocol == wire::Protocol::kHttp;
  ASSIGN_OR_RETURN(
      const auto address,
      wire::resolve_address("127.0.0.1:" + std::to_string(http ? ports.first : ports.second), 0));
  ASSIGN_OR_RETURN(auto loop, wire::EventLoop::create());
  // Before any thread of ours: the server's guard is a fork of this process.
  ASSIGN_OR_RETURN(auto server, ServerProcess::start(spec));
  log::info("server_started",
            {{"program", spec.command.front()}, {"pid", server->pid()}, {"address", address.text}});
  auto engine = std::make_unique<ExternalEngine>(std::move(settings), std::move(server),
                                                 std::move(loop), address, std::move(gone));
  RETURN_IF_ERROR(engine->begin());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace corolla::engine
