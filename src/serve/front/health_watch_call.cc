#include "serve/front/health_watch_call.h"

#include "wire/health.pb.h"

namespace corolla::front {
namespace {

// Readiness changes a few times in a server's life, and a watcher may learn of it this much later.
constexpr auto kLook = std::chrono::milliseconds(500);
constexpr size_t kMaxMessage = 4096;

}  // namespace

HealthWatchCall::~HealthWatchCall() { io_.loop().cancel(timer_); }

wire::BodySink* HealthWatchCall::message(std::optional<size_t>) { return this; }

std::span<std::byte> HealthWatchCall::room() { return std::as_writable_bytes(std::span(buffer_)); }

Status HealthWatchCall::filled(size_t n) {
  message_.append(buffer_, n);
  if (message_.size() > kMaxMessage)
    return Error{Code::kTooLarge,
                 "a health check names one service; this one has more than 4096 bytes"};
  return ok();
}

void HealthWatchCall::message_end() {
  grpc::health::v1::HealthCheckRequest request;
  if (!request.ParseFromString(message_)) {
    exchange_.user = nullptr;
    exchange_.finish(Error{Code::kInvalidArgument, "the message is no HealthCheckRequest"});
    return io_.end(*this);
  }
  service_ = request.service();
  look();
}

void HealthWatchCall::look() {
  using Response = grpc::health::v1::HealthCheckResponse;
  const bool ready = service_.empty() || service_ == "inference.GRPCInferenceService"
                         ? operations_.server_ready()
                         : operations_.model_ready(service_, "");
  const auto status = ready ? Response::SERVING : Response::NOT_SERVING;
  if (told_ != status) {
    told_ = status;
    Response response;
    response.set_status(status);
    wire::Reply reply;
    reply.pieces.emplace_back(response.SerializeAsString());
    exchange_.send(std::move(reply));
  }
  if (io_.shared().draining) {
    exchange_.user = nullptr;
    exchange_.finish(Error{Code::kUnavailable, "the server is going"});
    return io_.end(*this);
  }
  timer_ = io_.loop().at(now() + kLook, [this] { look(); });
}

void HealthWatchCall::cancelled() {
  io_.loop().cancel(timer_);
  timer_ = 0;
}

}  // namespace corolla::front
