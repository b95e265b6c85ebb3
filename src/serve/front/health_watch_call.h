// grpc.health.v1.Health/Watch: tells whether the server (or a model, named as the service) is
// ready, and again whenever that changes.
#pragma once
#include <string>

#include "serve/front/api_operations.h"
#include "serve/front/call.h"
#include "serve/front/io_thread.h"

namespace corolla::front {

class HealthWatchCall final : public Call, private wire::BodySink {
 public:
  HealthWatchCall(IoThread& io, const ApiOperations& operations, wire::Exchange& exchange)
      : io_(io), operations_(operations), exchange_(exchange) {}
  ~HealthWatchCall() override;

  wire::BodySink* message(std::optional<size_t> length) override;
  void message_end() override;
  void cancelled() override;
  void completed(InferTask&, const Arrival&) override {}
  void refused(InferTask&, const Error&) override {}

 private:
  std::span<std::byte> room() override;
  Status filled(size_t n) override;
  void look();

  IoThread& io_;
  const ApiOperations& operations_;
  wire::Exchange& exchange_;
  char buffer_[512];
  std::string message_;
  std::string service_;
  int told_ = -1;  // ServingStatus last sent
  wire::EventLoop::TimerId timer_ = 0;
};

}  // namespace corolla::front
